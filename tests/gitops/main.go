// Prints what kstatus, Flux and Argo CD say of Kubernetes objects: a line of JSON for each file.
//
// The verdicts are the tools' own: this only feeds their code with the health checks that
// docs/gitops has for users.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	argo "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const luaKeyPrefix = "resource.customizations.health."

type verdict struct {
	Name    string `json:"name"`
	Kstatus string `json:"kstatus"`
	Flux    string `json:"flux"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: verdicts FLUX-KUSTOMIZATION ARGOCD-CM OBJECT...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kustomization, configMap string, files []string) error {
	flux, err := fluxReader(kustomization)
	if err != nil {
		return err
	}
	overrides, err := argoOverrides(configMap)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, file := range files {
		object, err := read(file)
		if err != nil {
			return err
		}
		found, err := judge(object, flux, overrides)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		found.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if err := out.Encode(found); err != nil {
			return err
		}
	}
	return nil
}

func judge(
	object *unstructured.Unstructured, flux engine.StatusReader, overrides lua.ResourceHealthOverrides,
) (verdict, error) {
	plain, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}
	// An expression that errs is no error here: it is the status Unknown, on which Flux waits.
	waited, err := flux.ReadStatusForObject(context.Background(), nil, object)
	if err != nil {
		return verdict{}, fmt.Errorf("Flux: %w", err)
	}
	// A script that errs is the health Unknown, and none at all is nil.
	healthy, err := health.GetResourceHealth(object, overrides)
	if err != nil {
		healthy = &health.HealthStatus{Status: health.HealthStatusUnknown, Message: err.Error()}
	}
	if healthy == nil {
		healthy = &health.HealthStatus{Status: "None"}
	}
	return verdict{
		Kstatus: plain.Status.String(),
		Flux:    waited.Status.String(),
		Argo:    string(healthy.Status),
		Message: healthy.Message,
	}, nil
}

// fluxReader is what kustomize-controller makes of the checks in the Kustomizations of a file.
func fluxReader(file string) (engine.StatusReader, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var checks []kustomize.CustomHealthCheck
	for _, document := range strings.Split(string(text), "\n---\n") {
		var kustomization struct {
			Spec struct {
				HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(document), &kustomization); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		checks = append(checks, kustomization.Spec.HealthCheckExprs...)
	}
	reader, err := cel.NewStatusReader(checks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return reader(nil), nil
}

// argoOverrides are keyed as Argo CD looks them up: group/Kind.
func argoOverrides(file string) (lua.ResourceHealthOverrides, error) {
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	overrides := lua.ResourceHealthOverrides{}
	for key, script := range configMap.Data {
		if name, found := strings.CutPrefix(key, luaKeyPrefix); found {
			overrides[strings.Replace(name, "_", "/", 1)] = argo.ResourceOverride{HealthLua: script}
		}
	}
	return overrides, nil
}

func read(file string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text, err = yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(text) // integers stay integers, as from an API server
}
