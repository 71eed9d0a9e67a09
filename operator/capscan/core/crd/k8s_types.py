"""Recognises Kubernetes' own types in a schema by their fields.

An object is of such a type when it has all of the type's marks and no field that the type does not
have. A CRD's own type that happens to have an `image` and an `env` keeps its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    marks: frozenset[str]
    others: frozenset[str]


def _shape(name: str, marks: str, others: str = "") -> _Shape:
    return _Shape(name, frozenset(marks.split()), frozenset(f"{marks} {others}".split()))


_POD_SPEC = _shape(
    "PodSpec",
    "containers volumes tolerations",
    "activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy "
    "enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers "
    "hostname hostnameOverride imagePullSecrets initContainers nodeName nodeSelector os "
    "overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims "
    "resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext "
    "serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain "
    "terminationGracePeriodSeconds topologySpreadConstraints workloadRef",
)

_SHAPES = (
    _POD_SPEC,
    _shape("PodTemplate", "spec", "metadata apiVersion kind"),
    _shape(
        "Container",
        "image command volumeMounts",
        "args env envFrom imagePullPolicy lifecycle livenessProbe name ports readinessProbe "
        "resizePolicy resources restartPolicy restartPolicyRules securityContext startupProbe "
        "stdin stdinOnce targetContainerName terminationMessagePath terminationMessagePolicy tty "
        "volumeDevices workingDir mirrorVolumeMounts dependencies autoAnnotations",
    ),
    _shape(
        "Volume",
        "emptyDir secret configMap",
        "awsElasticBlockStore azureDisk azureFile cephfs cinder csi downwardAPI ephemeral fc "
        "flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi name nfs "
        "persistentVolumeClaim photonPersistentDisk portworxVolume projected quobyte rbd scaleIO "
        "storageos vsphereVolume",
    ),
    _shape("Affinity", "nodeAffinity", "podAffinity podAntiAffinity"),
    _shape("NodeSelector", "nodeSelectorTerms"),
    _shape("Toleration", "effect operator tolerationSeconds", "key value"),
    _shape(
        "TopologySpread",
        "maxSkew topologyKey",
        "labelSelector matchLabelKeys minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "whenUnsatisfiable",
    ),
    _shape(
        "SecurityContext",
        "runAsUser runAsNonRoot",
        "allowPrivilegeEscalation appArmorProfile capabilities fsGroup fsGroupChangePolicy "
        "privileged procMount readOnlyRootFilesystem runAsGroup seLinuxChangePolicy "
        "seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls "
        "windowsOptions",
    ),
    _shape("Resources", "limits requests", "claims"),
    _shape("LabelSelector", "matchExpressions matchLabels"),
    _shape("EnvVar", "name valueFrom", "value"),
    _shape("EnvSource", "configMapRef", "secretRef prefix"),
    _shape(
        "VolumeMount",
        "mountPath readOnly",
        "mountPropagation name recursiveReadOnly subPath subPathExpr",
    ),
    _shape(
        "Probe",
        "periodSeconds failureThreshold timeoutSeconds",
        "exec grpc httpGet initialDelaySeconds successThreshold tcpSocket "
        "terminationGracePeriodSeconds",
    ),
    _shape("Lifecycle", "postStart preStop", "stopSignal"),
    _shape(
        "PersistentVolumeClaim",
        "accessModes resources",
        "dataSource dataSourceRef selector storageClassName volumeAttributesClassName volumeMode "
        "volumeName",
    ),
    _shape("SecretKey", "key name", "optional namespace"),
    _shape("Reference", "name policy", "namespace"),
    _shape("Selector", "matchControllerRef matchLabels", "policy namespace"),
    _shape("Metadata", "annotations labels", "name namespace generateName finalizers"),
)


def known_type(properties: Mapping[str, Any]) -> str:
    """Return the name of the Kubernetes type that has these properties; empty where there is
    none.
    """
    for shape in _SHAPES:
        if _fits(shape, properties):
            return shape.name if shape.name != "PodTemplate" else _template(properties)
    return ""


def _fits(shape: _Shape, properties: Mapping[str, Any]) -> bool:
    return shape.marks <= properties.keys() and properties.keys() <= shape.others


def _template(properties: Mapping[str, Any]) -> str:
    """Return PodTemplate where `spec` holds a PodSpec: a field called `spec` alone tells
    nothing.
    """
    spec = properties["spec"]
    inner = spec.get("properties") if isinstance(spec, Mapping) else None
    # No other type is asked for: templates inside of templates could go on for ever.
    is_pod = isinstance(inner, Mapping) and _fits(_POD_SPEC, inner)
    return "PodTemplate" if is_pod else ""
