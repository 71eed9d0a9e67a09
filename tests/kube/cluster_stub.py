"""A loopback API server without objects, by TLS or not, that records who asks it and how."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

NAME = "kube.stub.example.com"
"""The name in the server's certificate; 127.0.0.1 is not in it."""

_KINDS = {
    "/api/v1": {"namespaces": "Namespace", "events": "Event"},
    "/apis/apiextensions.k8s.io/v1": {"customresourcedefinitions": "CustomResourceDefinition"},
    "/apis/capscan.dev/v1alpha1": {
        "capabilityscans": "CapabilityScan",
        "inferenceproviders": "InferenceProvider",
    },
}
"""What there is, by the path of its group and version; kopf looks for its own two first."""


def _discovery() -> dict[str, Any]:
    """What an API server says of its kinds, by path."""
    groups = []
    for path in _KINDS:
        _, _, group, *version = path.split("/")
        if version:
            served = {"groupVersion": f"{group}/{version[0]}", "version": version[0]}
            groups.append({"name": group, "versions": [served], "preferredVersion": served})
    return {"/api": {"versions": ["v1"]}, "/apis": {"groups": groups}} | {
        path: {
            "resources": [
                {
                    "name": plural,
                    "singularName": kind.lower(),
                    "namespaced": False,
                    "kind": kind,
                    "verbs": ["get", "list", "watch", "patch"],
                }
                for plural, kind in kinds.items()
            ]
        }
        for path, kinds in _KINDS.items()
    }


DISCOVERY = _discovery()


@dataclass(frozen=True)
class Asked:
    """One request: whether it was a watch, and the headers that say who asks."""

    path: str
    watch: bool
    headers: list[tuple[str, str]]

    def all(self, prefix: str) -> list[tuple[str, str]]:
        """The headers whose names begin so."""
        return [(k, v) for k, v in self.headers if k.lower().startswith(prefix.lower())]

    @property
    def authorization(self) -> str:
        """Empty where there is none."""
        return next((v for _, v in self.all("authorization")), "")


@dataclass
class ClusterStub:
    """Lists nothing, and watches in silence."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The server name that each TLS connection asked for."""
    takes: Callable[[str], bool] = bool
    """Which Authorization is taken; 401 for others."""
    gone: bool = False
    """Whether its kinds were deleted."""
    refused: list[Asked] = field(default_factory=list)
    """The requests that were answered 401."""
    streams: set[str] = field(default_factory=set)
    """The kinds whose watch is open."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Serve until the block ends."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        if tls:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            self.end_watches()
            await runner.cleanup()

    def end_watches(self) -> None:
        """End every watch that is open."""
        self._over.set()
        self._over = asyncio.Event()

    @property
    def watched(self) -> set[str]:
        """The kinds of which a watch that tells of objects was asked for."""
        return {one.path for one in self.asked if one.watch}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch") == "true"
        one = Asked(request.path, watch and "resourceVersion" in request.query,
                    list(request.headers.items()))  # fmt: skip
        self.asked.append(one)
        if not self.takes(one.authorization):
            self.refused.append(one)
            return web.json_response({"kind": "Status", "code": 401, "message": "no"}, status=401)
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        if self.gone:
            return web.Response(status=404, text="404 page not found\n")
        if not watch:
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        if not one.watch:  # somebody looks whether a watch is allowed
            return response
        self.streams.add(one.path)
        try:
            await self._over.wait()
        finally:
            self.streams.discard(one.path)
        return response


def kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    """Write a kubeconfig with one context."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return path


@dataclass(frozen=True)
class Pki:
    """A certificate for NAME that signs itself, as many home-made CAs do: without a key usage."""

    certificate: Path
    key: Path

    @classmethod
    def made(cls, folder: Path) -> "Pki":
        """Make it with the openssl program."""
        pki = cls(folder / "cert.pem", folder / "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", pki.key, "-out", pki.certificate, "-days", "2",
             "-subj", "/CN=stub", "-addext", f"subjectAltName=DNS:{NAME}"],
            check=True, capture_output=True,
        )  # fmt: skip
        return pki

    def server(self) -> ssl.SSLContext:
        """Return what a server of that name uses."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context
