"""One CapabilityScan on the loopback server, and what its status is made to say."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from capscan.kube.client import KubeClient
from capscan.kube.status import StatusWriter
from capscan.model import ScanStatus
from tests.kube.apiserver import ApiServer, Seen, ok, refusal

Api = tuple[ApiServer, KubeClient]
Writer = StatusWriter[ScanStatus]
PATH = "/apis/capscan.dev/v1alpha1/capabilityscans"


class Scan:
    """One CapabilityScan on the server, with the server's rules about resourceVersions."""

    def __init__(self, status: dict[str, Any] | None = None) -> None:
        self.body: dict[str, Any] = {
            "metadata": {"name": "all", "uid": "u1", "generation": 1, "resourceVersion": "10"},
            "spec": {},
            "status": status or {},
        }

    def touch(self, **changes: Any) -> None:
        """Somebody else writes."""
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        metadata = {**self.body["metadata"], "resourceVersion": version}
        self.body = {**self.body, **changes, "metadata": metadata}

    def recreate(self) -> None:
        """Deleted, and created again under its name."""
        metadata = {**self.body["metadata"], "uid": "u2", "resourceVersion": "99"}
        self.body = {"metadata": metadata, "spec": {}}

    async def __call__(self, seen: Seen) -> web.Response:
        if seen.method == "GET" and seen.path == f"{PATH}/all":
            return ok(self.body)
        if (seen.method, seen.path) != ("PATCH", f"{PATH}/all/status"):
            return refusal(405)
        if isinstance(seen.body, list):
            test, add = seen.body
            if test["value"] != self.body["metadata"]["uid"]:
                return refusal(
                    422, "the server rejected our request due to an error in our request"
                )
            self.touch(status=add["value"])
            return ok(self.body)
        if seen.body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            return refusal(409)
        status = {**self.body["status"], **seen.body["status"]}
        self.touch(status={key: value for key, value in status.items() if value is not None})
        return ok(self.body)


def says(message: str) -> Callable[[ScanStatus], ScanStatus]:
    return lambda previous: previous.model_copy(update={"message": message})


def methods(api: Api) -> list[str]:
    return [seen.method for seen in api[0].seen]
