"""One InferenceProvider at work: its key, its connection, its gate, its status.

Questions come from any number of scans. What fails for everybody (a wrong key, an unknown model)
makes the account unusable until somebody mends it; the account finds that out by itself, and tells
those who wait.
"""

import logging
from collections.abc import Callable
from datetime import datetime

import anyio

from capscan.core.errors import (
    ProviderUnusable,
)
from capscan.core.prompt import PROMPT_VERSION
from capscan.core.provider_status import CHECKING, Verdict
from capscan.inference.connection import Connection, Connections
from capscan.kube.status import StatusWriter
from capscan.model import InferenceProvider, ProviderStatus

logger = logging.getLogger(__name__)

RECHECK_S = (5.0, 10.0, 30.0, 60.0)
"""Pauses before an account that cannot be asked is looked at again; the last one repeats."""

REPORT_S = 2.0
"""How often the status of an account that is being asked is brought up to date."""

USABLE = Verdict("True", "Usable", "The provider accepts the key and knows the model.")


class Account:
    """Looks after one InferenceProvider, and answers for it."""

    def __init__(
        self,
        seen: InferenceProvider,
        sink: StatusWriter[ProviderStatus],
        connections: Connections,
        *,
        check: Callable[[str], None],
        on_change: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._seen = seen
        self._sink = sink
        self._connections = connections
        self._check_others = check
        self._on_change = on_change
        self._now = now
        self._connection: Connection | None = None
        self._fault: ProviderUnusable | None = None
        self._verdict = CHECKING
        self._doubted = True
        self._checks = 0
        self._asking = 0
        self._checked = anyio.Event()
        self._changed = anyio.Event()

    @property
    def name(self) -> str:
        """Name of the InferenceProvider."""
        return self._seen.metadata.name

    @property
    def model(self) -> str:
        """As the provider calls it."""
        return self._seen.spec.model

    @property
    def identity(self) -> str:
        """Another model, or other words, give other answers; another address of it does not."""
        return f"{self.name}/{self.model}/{PROMPT_VERSION}"

    @property
    def fallback(self) -> str:
        """Name of the InferenceProvider that stands in; empty where none does."""
        ref = self._seen.spec.fallback_ref
        return ref.name if ref else ""

    def observe(self, seen: InferenceProvider) -> None:
        """Take the newest spec; questions that wait obey it."""
        if not self._sink.observe(seen):
            return
        before, self._seen = self._seen, seen
        if before.spec != seen.spec:
            self._verdict = CHECKING
            self.doubt()

    def doubt(self) -> None:
        """Look at everything again, now."""
        self._doubted, self._checks = True, 0
        self._checked = anyio.Event()
        self._changed.set()

    # The rest of this class follows once the protocols are there.
