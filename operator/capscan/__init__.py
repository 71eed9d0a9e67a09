"""capscan: a Kubernetes operator that tells platform engineers what their cluster can do."""

from importlib.metadata import version

__version__ = version("capscan")
