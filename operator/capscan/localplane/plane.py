"""The local control plane: up, down, status, and a stop of the API server alone for tests.

Servers build on one another in the order of `ORDER`: they are started in it and stopped in the
reverse, because an API server whose etcd has gone does not end when asked. Everything that was
started is written down at once, so that whatever dies, the next command finds what is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capscan.localplane.build import kubernetes_version
from capscan.localplane.console import Console
from capscan.localplane.errors import PlaneDown, PortTaken
from capscan.localplane.folder import Launched, PlaneFolder, State
from capscan.localplane.processes import TERM_PATIENCE_S, is_running, kill, spawn, stop
from capscan.localplane.programs import API_SERVER, CONTROLLER_MANAGER, ETCD, KUBECTL, find_programs
from capscan.localplane.servers import HOST, arguments, await_ready, free_ports, is_ready

ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER)
NO_PORT = 0


@dataclass(frozen=True)
class PlaneInfo:
    """How to reach a control plane that is up."""

    server: str
    kubeconfig: Path
    kubectl: Path


@dataclass(frozen=True)
class ServerStatus:
    """One line of `capscan local status`; `state` is Ready, NotReady or Stopped."""

    name: str
    pid: int
    port: int
    state: str


class Plane:
    """The control plane whose data lies in `folder`."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self._folder = PlaneFolder(folder)
        self._console = console or Console()

    def up(self, *, gc: bool = False) -> PlaneInfo:
        """Start what does not run yet; data and ports of an earlier `up` stay what they were.

        With `gc` a controller manager collects orphans and empties deleted namespaces. Raises
        ForeignFolder, NoPrograms, ServerFailed.
        """
        self._folder.claim()
        with self._folder.lock(self._console):
            known = self._folder.read()
            servers = ORDER if gc or (known and CONTROLLER_MANAGER in known.servers) else ORDER[:2]
            if known and not _first_stopped(known, servers):
                self._await_all(known)
                self._console.say("the control plane is already up")
            else:
                known = self._launch(servers, known)
        return self._info(known)

    def down(self) -> bool:
        """Stop what `up` started and remove the data. Return False if there was nothing."""
        if not self._folder.is_ours():
            return False
        with self._folder.lock(self._console):
            if state := self._folder.read():
                self._stop(state, ORDER)
            self._folder.remove()
        return True

    def status(self) -> list[ServerStatus]:
        """Return every server that was ever started in this folder; none if there is no plane."""
        state = self._folder.read() if self._folder.is_ours() else None
        return [self._look(name, state) for name in ORDER if state and name in state.servers]

    def info(self) -> PlaneInfo:
        """Return where the control plane is. Raises PlaneDown if its processes do not run."""
        state = self._state()
        if _first_stopped(state, ORDER[:2]):
            raise PlaneDown(f"the control plane in {self._folder.path} is down")
        return self._info(state)

    def stop_api_server(self, *, by_force: bool = False) -> None:
        """Stop the API server and leave etcd; `by_force` does what `kill -9` does."""
        process = self._state().servers[API_SERVER].process
        kill(process) if by_force else stop(process)

    def start_api_server(self) -> None:
        """Start the API server on the same port with the same data, and wait until it is ready."""
        state = self._state()
        before = state.servers[API_SERVER]
        if not is_running(before.process):
            with self._folder.lock(self._console):
                self._start(API_SERVER, before.program, [before.port], state)

    def _launch(self, servers: Sequence[str], state: State | None) -> State:
        programs = find_programs([*servers, KUBECTL], self._console)
        began = time.monotonic()
        state = state or self._folder.begin(str(programs[KUBECTL]))
        # What builds on a stopped server is restarted with it: the other may come back elsewhere.
        stopped = _first_stopped(state, servers)
        pending = servers[servers.index(stopped) :] if stopped else ()
        self._stop(state, pending)
        for name in pending:
            before = [state.servers[name].port] if name in state.servers else []
            ports = [NO_PORT] if name == ETCD else free_ports(*before)
            state = self._start(name, str(programs[name]), ports, state)
        took = time.monotonic() - began
        self._console.say(f"Kubernetes {kubernetes_version()} is up after {took:.1f} s")
        return state

    def _start(self, name: str, program: str, ports: Iterable[int], state: State) -> State:
        """Start one server on the first of `ports` that nobody else has."""
        log = self._folder.log(name)
        taken: PortTaken | None = None
        for port in ports:
            others = {other: launched.port for other, launched in state.servers.items()}
            command = [program, *arguments(name, self._folder, others | {name: port})]
            log_from = log.stat().st_size if log.exists() else 0
            launched = Launched(program, port, spawn(command, log))
            state = state.having(name, launched)
            self._folder.write(state)
            try:
                self._await(name, state, log_from)
            except PortTaken as error:
                taken = error
                continue
            return state
        raise taken or PortTaken(f"there is no free port for {name}")

    def _await(self, name: str, state: State, log_from: int = 0) -> None:
        launched, log = state.servers[name], self._folder.log(name)

        def ready() -> bool:
            return is_ready(name, self._folder, launched.port, state.token)

        await_ready(name, launched.process, ready, log, self._console, log_from=log_from)
        if name == API_SERVER:  # now its certificate is there, even if the `up` before was killed
            self._folder.write_kubeconfig(_url(launched.port), state.token)

    def _await_all(self, state: State) -> None:
        for name in state.servers:
            self._await(name, state)

    def _stop(self, state: State, names: Sequence[str]) -> None:
        for name in reversed(names):
            if name in state.servers:
                self._console.waiting(f"stopping {name}")
                forlorn = _first_stopped(state, ORDER[: ORDER.index(name)])
                patience_s = 0 if forlorn else TERM_PATIENCE_S
                stop(state.servers[name].process, patience_s=patience_s)
        self._console.clear()

    def _look(self, name: str, state: State) -> ServerStatus:
        launched = state.servers[name]
        if not is_running(launched.process):
            health = "Stopped"
        else:
            ready = is_ready(name, self._folder, launched.port, state.token)
            health = "Ready" if ready else "NotReady"
        return ServerStatus(name, launched.process.pid, launched.port, health)

    def _state(self) -> State:
        state = self._folder.read() if self._folder.is_ours() else None
        if state is None or API_SERVER not in state.servers:
            raise PlaneDown(f"there is no control plane in {self._folder.path}")
        return state

    def _info(self, state: State) -> PlaneInfo:
        url = _url(state.servers[API_SERVER].port)
        return PlaneInfo(url, self._folder.kubeconfig, Path(state.kubectl))


def _first_stopped(state: State, names: Sequence[str]) -> str | None:
    for name in names:
        launched = state.servers.get(name)
        if launched is None or not is_running(launched.process) or _is_open(name, launched):
            return name
    return None


def _is_open(name: str, launched: Launched) -> bool:
    """Return whether this is an etcd on a port, as capscan 0.1 started it: anybody can connect."""
    return name == ETCD and launched.port != NO_PORT


def _url(port: int) -> str:
    return f"https://{HOST}:{port}"
