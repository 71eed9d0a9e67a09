"""What the engine needs from outside, as Protocols.

The product composes them from `kube`, `store` and `inference`; tests and benchmarks compose their
own. Each may raise the errors named here and none besides; anything else is a bug and ends the
process's trust in the run.
"""

from typing import Protocol

from capscan.core.digest import Digest
from capscan.model import Completion


class Provider(Protocol):
    """Who answers. One request, one Completion, no retry inside."""

    @property
    def name(self) -> str:
        """Shown to users: the account or the program that answers."""
        ...

    @property
    def model(self) -> str:
        """Shown to users: the model, or the version of the rules."""
        ...

    @property
    def identity(self) -> str:
        """Part of every plan key: a changed identity makes stored answers stale."""
        ...

    async def complete(self, digest: Digest) -> Completion:
        """Analyse one CRD. Raises InferenceError."""
        ...
