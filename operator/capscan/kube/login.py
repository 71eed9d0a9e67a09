"""Keeps credentials fresh, for all connections of this process, and never hands out none instead.

They are read again when they are stale, and when the API server refuses them: once for everybody
who waits for that. Where they cannot be read, the pauses between the tries grow, whoever asks; an
exec plugin is a program, and it is not started for each request. How they are made is in
`credentials.py`.
"""

import logging
import time
from collections.abc import Awaitable, Callable

import anyio

from capscan.core.kube_errors import NoCluster, Unavailable
from capscan.core.retry import stepped_s
from capscan.kube.credentials import Credentials

logger = logging.getLogger(__name__)

RENEWAL_PAUSE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses after credentials were read before they are read once more; the last one repeats. After
the API server took them, the first one comes next."""


class Login:
    """The credentials of one cluster; all methods belong to one event loop."""

    def __init__(self, load: Callable[[], Awaitable[Credentials]]) -> None:
        """`load` reads the credentials anew. Raises NoCluster."""
        self._load = load
        self._current: Credentials | None = None
        self._renewing = anyio.Lock()
        self._fault = ""
        """Why the last try gave none; empty where it did."""
        self._tries = 0
        self._not_before_s = 0.0

    async def first(self) -> Credentials:
        """Read the credentials for the first time. Raises NoCluster."""
        self._current = await self._load()
        return self._current

    async def current(self) -> Credentials:
        """Return credentials that are not stale. Raises Unavailable where there are none now."""
        if self._current is None:
            raise RuntimeError("first() comes first")
        if time.time() < self._current.stale_at:
            return self._current
        stale = self._current
        async with self._renewing:
            if self._current is not stale:
                return self._current
            return await self._renewed(stale)

    async def _renewed(self, stale: Credentials) -> Credentials:
        usable = stale.is_lasting or not self._fault
        if anyio.current_time() < self._not_before_s:
            if usable:
                return stale
            raise Unavailable(self._fault)
        try:
            await self._renew()
        except Unavailable as error:
            if not stale.is_lasting:
                raise
            logger.warning("%s; the credentials that were read before are used on", error)
            return stale
        return self._current or stale

    async def refused(self, credentials: Credentials) -> None:
        """Read the credentials again after the API server has refused these, unless that was done
        already. Raises Unavailable where there are none now, or where they were read just now.
        """
        async with self._renewing:
            if self._current is not credentials:
                return
            if anyio.current_time() < self._not_before_s:
                raise Unavailable(self._fault or "it refuses the credentials, which are new")
            await self._renew()

    def accepted(self, credentials: Credentials) -> None:
        """Take note that the API server has taken these."""
        if credentials is self._current and not self._fault:
            self._tries = 0

    async def _renew(self) -> None:
        try:
            self._current = await self._load()
        except NoCluster as error:  # the file is being written, or its exec plugin failed
            if str(error) != self._fault:
                logger.warning("the credentials cannot be read again: %s", error)
            self._fault = str(error)
            raise Unavailable(self._fault) from error
        else:
            self._fault = ""
        finally:
            pause_s = stepped_s(RENEWAL_PAUSE_S, self._tries)
            self._tries += 1
            self._not_before_s = anyio.current_time() + pause_s
