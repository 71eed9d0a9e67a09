"""What the Kubernetes API answers other than success, as one tree.

KubeError                     (translated in kube/transport.py)
├── NoCluster             no configuration that says where a cluster is
├── NotFound
│   └── NotServed         404 for the whole kind: its CRD is not (or not yet) there
├── Conflict
├── Expired               410: a continue token or resourceVersion that is too old
├── Forbidden
├── Invalid               400, 413, 422 and the like: it would be refused again
├── ServerError           it answered 5xx: a broken webhook, an etcd in trouble
└── Unavailable           connection errors, 401, 429, 503: it may work later

All other errors are in `errors.py`.
"""

from capscan.core.errors import CapscanError


class KubeError(CapscanError):
    """An answer of the Kubernetes API other than success."""


class NoCluster(KubeError):
    """There is no usable kubeconfig and no pod to run in."""


class NotFound(KubeError):
    """404."""


class NotServed(NotFound):
    """404 for the path itself: no such kind."""


class Conflict(KubeError):
    """409."""


class Expired(KubeError):
    """410."""


class Forbidden(KubeError):
    """403 by RBAC; the message is the server's, which names user, verb and resource."""


class Invalid(KubeError):
    """Any other 4xx, a denial by admission, and the 500 of a request that is too large."""


class ServerError(KubeError):
    """An answered 5xx other than 503. It may pass, and it may stay until somebody mends it."""


class Unavailable(KubeError):
    """The API server is away, overloaded, or does not take the credentials right now."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
