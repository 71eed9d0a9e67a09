"""A mirror of the archive on loopback, and a proxy before it: real sockets, small files."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from capscan.localplane.archive import PROGRAMS, Archive

MEMBERS = tuple(f"controller-tools/envtest/{name}" for name in PROGRAMS)
PROGRAM = b"#!/bin/sh\necho Kubernetes v1.36.2\n"


def packed(members: Iterable[str] = MEMBERS) -> bytes:
    """Return a tar.gz with small programs under these names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in members:
            info = tarfile.TarInfo(name)
            info.size = len(PROGRAM)
            archive.addfile(info, io.BytesIO(PROGRAM))
    return buffer.getvalue()


@dataclass
class Mirror:
    """What it serves, and what it was asked for. With `cut`, it closes before that byte."""

    content: bytes
    cut: int | None = None
    chunked: bool = False
    every_path: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def archive(self, sha512: str | None = None) -> Archive:
        """Return a pin of what the mirror serves, unless another sum is wanted."""
        sha512 = sha512 or hashlib.sha512(self.content).hexdigest()
        return Archive(f"{self.url}/archive.tar.gz", sha512, "archive")


@contextmanager
def serving(mirror: Mirror, *, held: bool = False) -> Iterator[Mirror]:
    """Serve while the block lasts; with `held`, answers come only after `mirror.release.set()`."""

    class Handler(_Quiet):
        def do_GET(self) -> None:
            mirror.asked.append(self.path)
            if not mirror.release.wait(20):
                return
            if not mirror.every_path and self.path != "/archive.tar.gz":
                self.send_error(404)
                return
            self.send_response(200)
            if not mirror.chunked:
                self.send_header("Content-Length", str(len(mirror.content)))
            self.end_headers()
            with suppress(ConnectionError):  # who reads it may have stopped
                self.wfile.write(mirror.content[: mirror.cut])

    if not held:
        mirror.release.set()
    with _running(Handler) as mirror.port:
        try:
            yield mirror
        finally:
            mirror.release.set()


@contextmanager
def proxying(asked: list[str], to: str) -> Iterator[int]:
    """Run a forward proxy that passes every request on to `to`, whatever host it names."""

    class Handler(_Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            with urllib.request.urlopen(f"{to}/archive.tar.gz") as answer:
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.read())

    with _running(Handler) as port:
        yield port


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
