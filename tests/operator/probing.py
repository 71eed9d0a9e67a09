"""Asks a probe of the operator again and again, as the kubelet does, and notes how it answers."""

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Self

PAUSE_S = 0.005
TIMEOUT_S = 5.0
"""As in manifests/deployment.yaml."""


@dataclass
class Probing:
    """One connection to /livez, in a thread of its own for as long as the block lasts."""

    port: int
    answers: list[tuple[int, float]] = field(default_factory=list)
    """Status, or 0 where there was no answer in time, and the seconds that it took."""

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def slowest_s(self) -> float:
        """The longest that an answer took: the event loop was held for no longer."""
        return max(took_s for _, took_s in self.answers)

    @property
    def statuses(self) -> set[int]:
        """Every status that was seen."""
        return {status for status, _ in self.answers}

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        while not self._ended.is_set():
            began_s = time.monotonic()
            try:
                connection.request("GET", "/livez")
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            self.answers.append((status, time.monotonic() - began_s))
            self._ended.wait(PAUSE_S)
        connection.close()
