"""How each server is started, and how one sees that it is ready.

This knows flags and probes only; `plane.py` decides when to start. A server that finds its port
taken is told apart from one that failed, because another port is all that it needs.
"""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from capscan.localplane.console import Console, elapsed
from capscan.localplane.errors import PortTaken, ServerFailed, tail
from capscan.localplane.folder import PlaneFolder
from capscan.localplane.processes import Process, is_running
from capscan.localplane.programs import API_SERVER, CONTROLLER_MANAGER, ETCD

HOST = "127.0.0.1"
PORTS = range(20_000, 30_000)
"""Below every system's ephemeral range. Inside it, a client that keeps dialling a stopped server
may be given that very port for its own end, connects to itself, and the server cannot come back."""
PORT_TRIES = 20
READY_TIMEOUT_S = 90.0
READY_POLL_S = 0.1
PROBE_TIMEOUT_S = 5.0
GARBAGE_COLLECTION = "garbage-collector-controller,namespace-controller,serviceaccount-controller"

Ports = Mapping[str, int]


def arguments(name: str, folder: PlaneFolder, ports: Ports) -> list[str]:
    """Return the flags of a server, given the ports of itself and of those it talks to."""
    return {ETCD: _etcd, API_SERVER: _api_server, CONTROLLER_MANAGER: _controller_manager}[name](
        folder, ports
    )


def _etcd(folder: PlaneFolder, _: Ports) -> list[str]:
    # It asks nobody for a password, so it listens where nobody else can connect: on sockets in a
    # folder of the user's own. What it advertises must be a URL with a port, which nobody dials.
    nowhere = f"http://{HOST}:0"
    return [
        f"--data-dir={folder.etcd_data}",
        f"--listen-client-urls=unix://{folder.socket}",
        f"--advertise-client-urls={nowhere}",
        f"--listen-peer-urls=unix://{folder.peer_socket}",
        f"--initial-advertise-peer-urls={nowhere}",
        f"--initial-cluster=default={nowhere}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(folder: PlaneFolder, ports: Ports) -> list[str]:
    # The key of the serving certificate signs ServiceAccount tokens too: the server makes it in
    # --cert-dir before it reads the two key flags, so no other program has to make one.
    key = folder.certificates / "apiserver.key"
    return [
        f"--etcd-servers=unix://{folder.socket}",
        f"--cert-dir={folder.certificates}",
        f"--secure-port={ports[API_SERVER]}",
        f"--bind-address={HOST}",
        # Otherwise it looks for a default route, and does not start on a machine without network.
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",
        f"--token-auth-file={folder.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
    ]


def _controller_manager(folder: PlaneFolder, ports: Ports) -> list[str]:
    return [
        f"--kubeconfig={folder.kubeconfig}",
        f"--controllers={GARBAGE_COLLECTION}",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={ports[CONTROLLER_MANAGER]}",
        f"--cert-dir={folder.certificates}",
    ]


def is_ready(name: str, folder: PlaneFolder, port: int, token: str) -> bool:
    """Return whether the server does its work now."""
    if name == ETCD:
        return _answers(_SocketConnection(folder.socket), "/health")
    if name == CONTROLLER_MANAGER:
        return _answers_tls(folder.certificates / f"{name}.crt", port, "/healthz", "")
    # /readyz is ok a moment before the namespace `default` exists, and everybody wants that.
    certificate = folder.certificates / "apiserver.crt"
    return all(
        _answers_tls(certificate, port, path, token)
        for path in ("/readyz", "/api/v1/namespaces/default")
    )


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PROBE_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PROBE_TIMEOUT_S)
        self.sock.connect(str(self._path))


def _answers_tls(certificate: Path, port: int, path: str, token: str) -> bool:
    try:
        trust = ssl.create_default_context(cafile=certificate)
    except (FileNotFoundError, ssl.SSLError):
        return False  # not there yet, or half-written
    connection = http.client.HTTPSConnection(HOST, port, timeout=PROBE_TIMEOUT_S, context=trust)
    return _answers(connection, path, token)


def _answers(connection: http.client.HTTPConnection, path: str, token: str = "") -> bool:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_ports(*preferred: int) -> Iterator[int]:
    """Yield ports that are free as they are taken from here, the preferred ones first."""
    for port in (*preferred, *random.sample(PORTS, PORT_TRIES)):
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def await_ready(
    name: str, process: Process, ready: Callable[[], bool], log: Path, console: Console, *,
    log_from: int = 0, timeout_s: float = READY_TIMEOUT_S,
) -> None:  # fmt: skip
    """Wait until `ready()`. Raises PortTaken or ServerFailed with the end of the server's log."""
    began = time.monotonic()
    while is_running(process):
        if ready():
            console.clear()
            return
        if time.monotonic() - began > timeout_s:
            raise ServerFailed(_failure(f"{name} was not ready in {elapsed(began)}", log, log_from))
        console.waiting(f"waiting for {name}: {elapsed(began)}")
        time.sleep(READY_POLL_S)
    console.clear()
    ending = _failure(f"{name} ended instead of serving", log, log_from)
    raise PortTaken(ending) if "address already in use" in ending else ServerFailed(ending)


def _failure(what: str, log: Path, log_from: int) -> str:
    return f"{what}. The end of {log}:\n{tail(log, log_from)}"
