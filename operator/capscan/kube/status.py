"""Writes the status of capscan's own objects, under a lock.

A write is a function from the newest status to the wanted one. The difference is sent with the
resourceVersion it was computed from. On a conflict the object is read and the function applied
again. A lost response needs no special care: the repeat conflicts, the re-read shows our own
write, and the difference is empty.

Somebody who writes without a lock can win every time, and would bring a run to a halt. So after a
few conflicts the status is sent whole, under no lock but the object's UID: it is capscan's to say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from capscan.core.errors import ObjectGone, StatusRejected
from capscan.core.kube_errors import Conflict, Forbidden, Invalid, NotFound, ServerError
from capscan.core.merge_patch import merge_patch
from capscan.kube.client import KubeClient
from capscan.kube.permissions import RbacRule
from capscan.kube.transport import Json
from capscan.model import ObjectMeta
from capscan.model.base import Wire
from capscan.model.meta import GROUP, VERSION, readable

CONFLICTS_MAX = 3
"""After so many conflicts in a row the status is written whole. Two operators, or a user, never
cause that many."""

S = TypeVar("S", bound=Wire)
S_co = TypeVar("S_co", bound=Wire, covariant=True)


class HasStatus(Protocol[S_co]):
    """An object of capscan's own kinds, as it was last seen."""

    @property
    def metadata(self) -> ObjectMeta: ...
    @property
    def status(self) -> S_co: ...
    @property
    def raw_status(self) -> Json: ...


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """The parts of an object that a status needs; its spec may be one that this version cannot
    read."""

    metadata: ObjectMeta
    status: S
    raw_status: Json


class StatusWriter(Generic[S]):
    """Writes the status of one object, and of no other that takes its name later."""

    def __init__(
        self,
        client: KubeClient,
        seen: HasStatus[S],
        *,
        plural: str,
        model: type[S],
    ) -> None:
        self._client = client
        self._seen = seen
        self._plural = plural
        self._model = model
        self._conflicts = 0
        self._path = f"/apis/{GROUP}/{VERSION}/{plural}/{seen.metadata.name}"

    def observe(self, seen: HasStatus[S]) -> bool:
        """Take a version that a watch brought. Return False if a newer one is known already."""
        if seen.metadata.version < self._seen.metadata.version:
            return False
        self._seen = seen
        return True

    async def update(self, render: Callable[[S], S]) -> bool:
        """Make the status what `render` makes of the newest one. Return whether anything was sent.

        Raises ObjectGone, MissingPermission, StatusRejected.
        """
        while True:
            seen = self._seen
            wanted = render(seen.status).to_wire()
            patch = merge_patch(seen.raw_status, wanted)
            if not patch:
                return False
            try:
                if self._conflicts < CONFLICTS_MAX:
                    self.observe(await self._patch(seen, patch))
                    self._conflicts = 0
                else:
                    self.observe(await self._replace(seen, wanted))
                    # The next write tries the lock once, to find out whether the race is over.
                    self._conflicts = CONFLICTS_MAX - 1
            except Conflict:
                self._conflicts += 1
                await self._read_again()
            else:
                return True

    async def _patch(self, seen: HasStatus[S], patch: Json) -> HasStatus[S]:
        """Send the difference. The API server takes it only for the version that it was made
        from.
        """
        metadata = {"resourceVersion": seen.metadata.resource_version}
        return await self._send(
            self._client.merge_patch(
                f"{self._path}/status", {"metadata": metadata, "status": patch}
            )
        )

    async def _replace(self, seen: HasStatus[S], wanted: Json) -> HasStatus[S]:
        """Send the whole status, for whatever version there is of this very object."""
        operations: list[Json] = [
            {"op": "test", "path": "/metadata/uid", "value": seen.metadata.uid},
            {"op": "add", "path": "/status", "value": wanted},
        ]
        try:
            return await self._send(self._client.json_patch(f"{self._path}/status", operations))
        except StatusRejected:
            # A failed `test` is a refusal like any other; reading raises ObjectGone after one.
            await self._read_again()
            raise

    async def _send(self, sending: Awaitable[Json]) -> HasStatus[S]:
        try:
            return self._parse(await sending)
        except NotFound as error:
            raise ObjectGone(str(error)) from error
        except Forbidden as error:
            rule = RbacRule(GROUP, f"{self._plural}/status", "patch")
            raise rule.missing(error, verb="patch") from error
        except (Invalid, ServerError) as error:
            raise StatusRejected(
                f"The API server does not take the status: {error}. Are its CRDs older than the "
                "operator? kubectl apply -k crds/"
            ) from error

    def _parse(self, body: Json) -> HasStatus[S]:
        raw = body.get("status") or {}
        metadata = ObjectMeta.model_validate(body["metadata"])
        return Stored(metadata, readable(self._model, raw), raw)

    async def _read_again(self) -> None:
        try:
            body = await self._client.get(self._path)
        except NotFound as error:
            raise ObjectGone(str(error)) from error
        except Forbidden as error:
            rule = RbacRule(GROUP, self._plural, "get, list, watch")
            raise rule.missing(error, verb=rule.verbs) from error
        except (Invalid, ServerError) as error:
            raise StatusRejected(f"The API server does not say what it has: {error}") from error
        seen = self._parse(body)
        if seen.metadata.uid != self._seen.metadata.uid:
            raise ObjectGone(f"{self._path} was deleted and created again")
        self.observe(seen)
