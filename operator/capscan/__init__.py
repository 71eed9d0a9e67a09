"""capscan: a Kubernetes operator that tells platform engineers what their cluster can do."""
