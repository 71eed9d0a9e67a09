"""What inference needs of the flight that is handed down beside a question.

The scan has the class (`scan/flight.py`); it conforms without knowing these Protocols.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio

from capscan.model import Usage


class RequestUnderWay(Protocol):
    """One request, from the moment it is sent until it has ended."""

    usage: Usage
    """What it took, set by whoever sends it as soon as that is known."""


class Flight(Protocol):
    """The requests that one question leads to, one after the other."""

    def request(self) -> AbstractAsyncContextManager[RequestUnderWay]:
        """Enter it for as long as one request is under way. A question that was cancelled just
        before does not get in. Raises ItemTimeout once the time of the question's item is used up.
        """
        ...

    def cancel_between_requests(self, scope: anyio.CancelScope) -> None:
        """Cancel that scope at once, or when the request that is under way has ended."""
        ...
