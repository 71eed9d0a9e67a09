"""The control plane itself: the real programs, started, killed and stopped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from capscan.localplane.errors import ForeignFolder, PlaneDown, PortTaken, ServerFailed
from capscan.localplane.folder import PlaneFolder
from capscan.localplane.plane import Plane, PlaneInfo
from capscan.localplane.programs import API_SERVER, CONTROLLER_MANAGER, ETCD
from tests.kubectl import Kubectl, KubectlError
from tests.localplane.waiting import eventually

OWNED = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]
"""


def kubectl_for(info: PlaneInfo) -> Kubectl:
    return Kubectl(info.kubectl, info.kubeconfig)


def states(plane: Plane) -> dict[str, str]:
    return {server.name: server.state for server in plane.status()}


def state_of(folder: Path) -> Path:
    return folder / "my plane's data" / "state.json"


def kill_all(plane: Plane) -> None:
    for server in plane.status():
        os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: set(states(plane).values()) == {"Stopped"})


def test_a_service_account_gets_a_token_and_only_its_rights(kubectl: Kubectl) -> None:
    """TokenRequest works and RBAC is on: tests can run as the operator's own account."""
    kubectl("create", "serviceaccount", "robot")
    try:
        token = kubectl("create", "token", "robot").strip()
        name = kubectl("--token", token, "auth", "whoami", "-o", "jsonpath={.status.userInfo}")
        assert "system:serviceaccount:default:robot" in name
        with pytest.raises(KubectlError, match="cannot list resource"):
            kubectl("--kubeconfig=/dev/null", *server_flags(kubectl), "--token", token, "get", "ns")
    finally:
        kubectl("delete", "serviceaccount", "robot")


def server_flags(kubectl: Kubectl) -> list[str]:
    """Return flags that say where the server is, without the administrator's credentials."""
    server = kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    return ["--server", server, "--insecure-skip-tls-verify"]


def test_a_plane_lives_through_up_up_kill_up_and_down(
    own_plane: Plane, said: io.StringIO, tmp_path: Path
) -> None:
    """This is one story, because starting takes seconds: each step needs the one before."""
    info = own_plane.up()
    kubectl = kubectl_for(info)
    assert states(own_plane) == {ETCD: "Ready", API_SERVER: "Ready"}
    assert stat.S_IMODE(info.kubeconfig.stat().st_mode) == 0o600
    assert "gitVersion: v1.36" in kubectl("version", "-o", "yaml")

    # A second `up` changes nothing and says so; what the first left undone when it was killed, the
    # kubeconfig, it does.
    info.kubeconfig.unlink()
    before = own_plane.status()
    assert own_plane.up() == info
    assert own_plane.status() == before
    assert said.getvalue().endswith("the control plane is already up\n")

    kubectl("create", "configmap", "kept")

    # The API server alone goes and comes back: same port, same objects.
    own_plane.stop_api_server(by_force=True)
    assert states(own_plane) == {ETCD: "Ready", API_SERVER: "Stopped"}
    with pytest.raises(PlaneDown, match="is down"):
        own_plane.info()
    own_plane.start_api_server()
    own_plane.stop_api_server()
    own_plane.start_api_server()
    assert "kept" in kubectl("get", "configmaps")

    # After `kill -9` of everything, `up` brings the same plane back.
    kill_all(own_plane)
    assert own_plane.up() == info
    assert "kept" in kubectl("get", "configmaps")

    # An etcd that listens on a port, as capscan 0.1 started it, is started again without one.
    state = json.loads(state_of(tmp_path).read_text())
    state["servers"][ETCD]["port"] = 23456
    state_of(tmp_path).write_text(json.dumps(state))
    with pytest.raises(PlaneDown, match="is down"):
        own_plane.info()
    assert own_plane.up() == info
    assert "kept" in kubectl("get", "configmaps")

    # `down` leaves no process and no file.
    pids = [server.pid for server in own_plane.status()]
    assert own_plane.down()
    assert not (tmp_path / "my plane's data").exists()
    assert own_plane.status() == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_two_planes_stand_side_by_side(plane: Plane, own_plane: Plane) -> None:
    """What is made in one is not in the other, and the end of one is not the other's."""
    ours, theirs = kubectl_for(own_plane.up()), kubectl_for(plane.info())
    ours("create", "configmap", "only-here")

    assert "only-here" in ours("get", "configmaps")
    assert "only-here" not in theirs("get", "configmaps")
    assert own_plane.down()
    assert set(states(plane).values()) == {"Ready"}
    assert "default" in theirs("get", "namespaces")


def test_a_garbage_collector_can_be_added(own_plane: Plane) -> None:
    """The plane that runs is not disturbed; then what is owned goes with its owner."""
    kubectl = kubectl_for(own_plane.up())
    before = own_plane.status()
    kubectl("create", "configmap", "owner")
    uid = kubectl("get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
    kubectl("create", "-f", "-", input=OWNED.format(uid=uid))

    own_plane.up(gc=True)
    kubectl("delete", "configmap", "owner")
    kubectl("wait", "--for=delete", "configmap/owned", "--timeout=60s")

    assert own_plane.status()[:2] == before
    assert states(own_plane)[CONTROLLER_MANAGER] == "Ready"


def test_a_taken_port_is_replaced_by_another(own_plane: Plane) -> None:
    """Somebody took the ports while the plane was dead: it comes up elsewhere with its data."""
    own_plane.up()
    kill_all(own_plane)
    old = {server.name: server.port for server in own_plane.status() if server.port}
    with contextlib.ExitStack() as sockets:
        for port in old.values():
            thief = sockets.enter_context(socket.socket())
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", port))
            thief.listen()
        with pytest.raises(PortTaken, match="address already in use"):
            own_plane.start_api_server()
        info = own_plane.up()

    assert not set(old.values()) & {server.port for server in own_plane.status()}
    assert "default" in kubectl_for(info)("get", "namespaces")


def test_a_half_made_folder_is_made_anew(own_plane: Plane, tmp_path: Path) -> None:
    """`up` was killed before it had written anything that makes sense."""
    folder = PlaneFolder(tmp_path / "my plane's data")
    folder.claim()
    (folder.path / "state.json").write_text('{"token": ')
    (folder.path / "etcd").mkdir()
    (folder.path / "etcd" / "rubbish").touch()

    own_plane.up()

    assert states(own_plane) == {ETCD: "Ready", API_SERVER: "Ready"}
    assert not (folder.path / "etcd" / "rubbish").exists()


def test_data_that_etcd_cannot_read_is_said_with_the_log(own_plane: Plane, tmp_path: Path) -> None:
    """The message carries etcd's own words."""
    folder = PlaneFolder(tmp_path / "my plane's data")
    folder.claim()
    folder.begin("kubectl")
    folder.etcd_data.touch()

    with pytest.raises(ServerFailed, match=r"(?s)etcd ended instead of serving.*etcd\.log.*\n  "):
        own_plane.up()


def test_down_never_stops_a_process_with_a_recycled_pid(tmp_path: Path) -> None:
    """The state names a pid that is somebody else's by now."""
    folder = PlaneFolder(tmp_path / "plane")
    folder.claim()
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        launched = {"program": "x", "port": 1, "process": {"pid": stranger.pid, "birth": "then"}}
        state = {"token": "t", "kubectl": "k", "servers": {API_SERVER: launched}}
        (folder.path / "state.json").write_text(json.dumps(state))

        assert Plane(folder.path).down()
        assert stranger.poll() is None
        stranger.kill()
    assert not folder.path.exists()


def test_a_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    """Neither `up` nor `down` touches what they did not make."""
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(ForeignFolder, match="Choose a folder that does not exist yet"):
        Plane(tmp_path).up()
    assert not Plane(tmp_path).down()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_without_a_plane_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """There is no folder, no state, and no side effect."""
    plane = Plane(tmp_path / "nothing")

    with pytest.raises(PlaneDown, match="there is no control plane in"):
        plane.info()
    with pytest.raises(PlaneDown):
        plane.stop_api_server()
    assert plane.status() == []
    assert not (tmp_path / "nothing").exists()
