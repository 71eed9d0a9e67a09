"""Talks to the API server without kubectl, where something is timed or happens often.

An `Api` is one connection and belongs to one thread. `Watch` records what a watcher sees, and when;
`Storm` plays other controllers that write a scan's status although it is not theirs.
"""

import contextlib
import http.client
import itertools
import json
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.proxy import trusting

Json = dict[str, Any]

CAPSCAN = "/apis/capscan.dev/v1alpha1"
SCANS = f"{CAPSCAN}/capabilityscans"
TIMEOUT_S = 30.0
IDLE_S_MAX = 60.0
"""An API server closes connections that nobody uses; sooner than that it does not."""


class Refused(Exception):
    """The API server said no."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """One connection, with the rights of the user in a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._headers = {"Authorization": f"Bearer {user['token']}"}
        self._host = urllib.parse.urlsplit(cluster["server"]).netloc
        self._context = trusting(cluster)
        self._connection = self._connect()
        self._used_at_s = time.monotonic()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def get(self, path: str) -> Json:
        """Return one object, or a list."""
        return self.send("GET", path)

    def edit(self, name: str, **spec: Any) -> int:
        """Change these fields of a scan's spec; return the resourceVersion that it makes."""
        body = self.patch(f"{SCANS}/{name}", {"spec": spec})
        return int(body["metadata"]["resourceVersion"])

    def apply(self, body: Json) -> Json:
        """Send what `kubectl apply --server-side` sends, which is strict about unknown fields.

        kubectl asks for the OpenAPI of the kind as well, which the API server makes anew after each
        new CRD.
        """
        query = "fieldManager=kubectl&fieldValidation=Strict"
        path = f"{collection(body)}/{body['metadata']['name']}?{query}"
        return self.send("PATCH", path, body, "application/apply-patch+yaml")

    def patch(self, path: str, body: Json) -> Json:
        """Send a merge patch; return the object as it then is."""
        return self.send("PATCH", path, body, "application/merge-patch+json")

    def send(
        self, method: str, path: str, body: object = None, content: str = "application/json"
    ) -> Json:
        """Return what the API server answers. Raises Refused, and what `http.client` raises."""
        data = None if body is None else json.dumps(body)
        if time.monotonic() - self._used_at_s > IDLE_S_MAX:
            self.close()
        try:
            self._connection.request(method, path, data, {**self._headers, "Content-Type": content})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._used_at_s = time.monotonic()
        if response.status >= 300:  # plain text where a kind is not served yet
            raise Refused(response.status, answer.decode(errors="replace")[:1000])
        found: Json = json.loads(answer)
        return found

    def stream(self, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Return an answer that goes on, and the connection by which to end it."""
        connection = self._connect()
        connection.request("GET", path, headers=self._headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return connection, response

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, context=self._context, timeout=TIMEOUT_S)


def collection(body: Json) -> str:
    """Return the path of the collection that an object belongs to."""
    group, namespace = body["apiVersion"], body["metadata"].get("namespace")
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    plural = re.sub("y$", "ie", body["kind"].lower()) + "s"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


@dataclass(frozen=True)
class Version:
    """One version of an object, as a watcher saw it."""

    at_s: float
    """By `time.time`, as a ledger has it."""
    type: str
    body: Json

    @property
    def number(self) -> int:
        """Its resourceVersion."""
        return int(self.body["metadata"]["resourceVersion"])


def ended(version: Version) -> bool:
    """Return whether a version reports a run that is over."""
    return "completionTime" in (version.body.get("status") or {}).get("run", {})


class Watch:
    """Records every version of one scan from now on, while the `with` block lasts."""

    def __init__(self, kubeconfig: Path, name: str) -> None:
        self.versions: list[Version] = []
        with Api(kubeconfig) as api:
            since = api.get(SCANS)["metadata"]["resourceVersion"]
            query = {
                "watch": "true",
                "resourceVersion": since,
                "fieldSelector": f"metadata.name={name}",
            }
            path = f"{SCANS}?{urllib.parse.urlencode(query)}"
            self._connection, self._response = api.stream(path)
        self._closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(TIMEOUT_S)

    @property
    def bodies(self) -> list[Json]:
        """The objects that were seen, without deletions."""
        return [version.body for version in self.versions if version.type != "DELETED"]

    def catch_up(self, number: int) -> None:
        """Wait until that version, or a later one, was seen."""
        self.until(lambda version: version.number >= number, f"version {number}")

    def until(
        self, wanted: Callable[[Version], bool], what: str, timeout_s: float = TIMEOUT_S
    ) -> Version:
        """Wait for the first version that is wanted, and return it. Raises TimeoutError."""
        deadline_s, looked_at = time.monotonic() + timeout_s, 0
        while time.monotonic() < deadline_s:
            for version in itertools.islice(self.versions, looked_at, None):
                looked_at += 1
                if wanted(version):
                    return version
            time.sleep(0.01)
        raise TimeoutError(f"{what} was never seen")

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while not self._closed and (line := self._response.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise AssertionError(event)
                self.versions.append(Version(time.time(), event["type"], event["object"]))
        self._response.close()
        self._connection.close()


Write = Callable[[Api, str, str], Json]
"""One act of another controller on the scan of that name, with a text that no other act has; the
object as it then is."""


def says(text: str = "", **status: Any) -> Write:
    """Return a write of another message and of these fields: a merge patch without a lock."""

    def write(api: Api, name: str, mark: str) -> Json:
        body = {"status": {"message": f"{mark}{text}", **status}}
        return api.patch(f"{SCANS}/{name}/status", body)

    return write


def removes_status(api: Api, name: str, _: str) -> Json:
    """Remove the whole status, as `kubectl edit --subresource=status` can."""
    operation = [{"op": "remove", "path": "/status"}]
    return api.send("PATCH", f"{SCANS}/{name}/status", operation, "application/json-patch+json")


@dataclass
class Storm:
    """Runs `writers` other controllers, each acting `per_s` times a second, in a `with` block."""

    kubeconfig: Path
    name: str
    acts: Sequence[Write]
    writers: int = 1
    per_s: float = 20.0
    versions: set[int] = field(default_factory=set)
    """resourceVersions that they made: nobody of ours said that."""
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Storm":
        for n in range(self.writers):
            thread = threading.Thread(target=self._write, args=(n,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _write(self, first: int) -> None:
        with Api(self.kubeconfig) as api:
            # Not all at the same act at the same moment.
            self._over.wait(first / self.writers / self.per_s)
            due_s = time.monotonic()
            for n in itertools.count(first):
                if self._over.is_set():
                    return
                with contextlib.suppress(Refused):  # deleted, or too many at once
                    body = self.acts[n % len(self.acts)](api, self.name, f"{first}/{n} ")
                    self.versions.add(int(body["metadata"]["resourceVersion"]))
                due_s += 1 / self.per_s
                self._over.wait(max(0.0, due_s - time.monotonic()))
