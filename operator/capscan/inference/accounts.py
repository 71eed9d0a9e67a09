"""All the accounts of this process, one for each InferenceProvider, found by name."""

from collections.abc import Callable, Iterator, Mapping

from capscan.core.errors import ProviderUnusable
from capscan.core.fallback import chain
from capscan.inference.account import Account
from capscan.inference.route import Route
from capscan.kube.keepers import Keepers
from capscan.model import InferenceProvider
