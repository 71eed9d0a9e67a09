"""The operator that logs in by an exec plugin which works, fails for a while, and works again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.kube.plugins import entry, plugin
from tests.operator.cluster import Cluster
from tests.operator.process import Operator
from tests.proxy import CountingProxy


def kubeconfig_of(path: Path, source: Path, command: Path) -> Path:
    """Write the kubeconfig again, with a user that the plugin logs in."""
    config: dict[str, Any] = yaml.safe_load(source.read_text())
    config["users"][0]["user"] = {"exec": entry(f"./{command.name}")}
    path.write_text(yaml.safe_dump(config))
    return path


def plugin_of(folder: Path, token: str) -> tuple[Path, Path]:
    """Write a plugin that gives the token for two seconds, and fails while there is the file whose
    path comes second.
    """
    failing = folder / "failing"
    script = f"""
    [ -e '{failing}' ] && {{ echo 'the session has ended: log in again' >&2; exit 1; }}
    AT=$(date -u -d '+2 seconds' +%Y-%m-%dT%H:%M:%SZ)
    printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
    printf '"status":{{"token":"{token}","expirationTimestamp":"%s"}}}}' "$AT"
    """
    return plugin(folder / "log-in", script), failing


def test_no_request_is_anonymous_while_the_exec_plugin_fails(
    cluster: Cluster, operator: Operator, tmp_path: Path
) -> None:
    source = operator.kubeconfig
    token = yaml.safe_load(source.read_text())["users"][0]["user"]["token"]
    command, failing = plugin_of(tmp_path, token)
    cluster.create_crds(6)
    with CountingProxy(source) as proxy:
        through = proxy.write_kubeconfig(tmp_path / "through")
        operator.kubeconfig = kubeconfig_of(tmp_path / "exec", through, command)
        operator.start(latency=1.0)
        operator.until_logged("watching capabilityscans")
        cluster.until_phase(cluster.apply_scan("first"), "Completed")

        failing.touch()
        late = cluster.apply_scan("late", refresh="Always", parallelism=2)
        operator.until_logged("the session has ended: log in again")
        failing.unlink()
        cluster.until_phase(late, "Completed")
        operator.close()

    assert set(proxy.authorizations) == {f"Bearer {token}"}


def test_a_plugin_that_fails_at_the_start_ends_the_operator_with_its_words(
    operator: Operator, tmp_path: Path
) -> None:
    command, failing = plugin_of(tmp_path, "t")
    failing.touch()
    path = kubeconfig_of(tmp_path / "exec", operator.kubeconfig, command)
    ended = subprocess.run(
        [sys.executable, "-m", "capscan", "operator", f"--kubeconfig={path}"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 3
    assert "the session has ended: log in again" in ended.stderr
    assert "Traceback" not in ended.stderr
