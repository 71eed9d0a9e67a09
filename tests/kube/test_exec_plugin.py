"""Running exec plugins: what they print, how they fail, and what is shown of that."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from capscan.core.kube_errors import NoCluster
from capscan.kube.exec_plugin import ExecCredential, run
from capscan.kube.kubeconfig_entries import Cluster, Exec
from tests.kube.plugins import credential, entry, plugin, printing

pytestmark = pytest.mark.anyio

CLUSTER = Cluster.model_validate(
    {
        "server": "https://kube.example.com",
        "certificate-authority-data": "Q0E=",
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"id": "a"}}],
    }
)


async def told(command: Path | str, timeout_s: float = 30.0, **more: Any) -> ExecCredential:
    found = Exec.model_validate(entry(command, **more))
    return await run(found, CLUSTER, timeout_s=timeout_s)


async def words(command: Path | str, timeout_s: float = 30.0, **more: Any) -> str:
    with pytest.raises(NoCluster) as raised:
        await told(command, timeout_s, **more)
    return str(raised.value)


async def test_a_plugin_prints_a_token_that_ends_at_a_time(tmp_path: Path) -> None:
    output = credential(token=" word\n", expirationTimestamp="2031-02-03T04:05:06Z")
    found = await told(printing(tmp_path / "p", output))

    assert found.token == "word"
    assert found.expires_at
    assert found.expires_at.isoformat() == "2031-02-03T04:05:06+00:00"


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("", "is no JSON"),
        ("hello", "is no JSON"),
        ("[]", "is no ExecCredential"),
        ("{}", "is no ExecCredential"),
        (credential("client.authentication.k8s.io/v1beta1", token="t"), "apiVersion"),
        (credential(), "neither a token nor a client certificate"),
        (credential(token=""), "neither a token nor a client certificate"),
        (credential(token=3), "token that is no text"),
        (credential(clientCertificateData="c"), "half a client certificate"),
        (credential(token="t", clientKeyData="k"), "half a client certificate"),
        (credential(token="t", expirationTimestamp="soon"), "no time of RFC 3339"),
        (credential(token="t").replace('{"token": "t"}', "null"), "has no status"),
        (credential(token="t").replace('{"token": "t"}', "[]"), "has no status"),
    ],
)
async def test_an_output_that_is_no_credential_is_refused(
    tmp_path: Path, output: str, fault: str
) -> None:
    assert fault in await words(printing(tmp_path / "p", output))


async def test_what_a_failing_plugin_says_is_shown_clean_and_without_a_key(tmp_path: Path) -> None:
    key = "a1" * 20
    script = f"printf '\\033[31msession expired\\033[0m\\nlog in again, not with {key}' >&2; exit 7"
    said = await words(plugin(tmp_path / "p", script))

    assert "failed with exit code 7. It said: session expired log in again" in said
    assert key not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "said",
    [
        "aws_secret_access_key=wJalrXUt/K7MDENG/bPxRfi",
        "token: short",
        "AKIDabcdefghijklmnopqrst",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "proxy https://me:word@proxy.example.com:3128 refused",
        "Authorization: Basic bWU6d29yZA==",
        "sk-ant.abcdef.ghijkl.mnopqr.0",
    ],
)
async def test_no_shape_of_a_key_that_a_plugin_says_is_shown(said: str, tmp_path: Path) -> None:
    shown = await words(plugin(tmp_path / "plugin", f"echo 'it failed: {said}' >&2; exit 1"))

    assert "it failed" in shown
    assert "[hidden]" in shown
    secrets = ("wJalr", "short", "AKID", "me:word", "bWU6", "sk-ant")
    assert not any(secret in shown for secret in secrets)


async def test_much_on_stderr_hangs_nothing_and_its_end_is_shown(tmp_path: Path) -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' 'x' >&2; echo ' no session' >&2; exit 1"
    said = await words(plugin(tmp_path / "p", script))

    assert said.endswith("no session")
    assert len(said) < 1000


async def test_much_on_stderr_beside_a_credential_is_no_fault(tmp_path: Path) -> None:
    script = f"head -c 300000 /dev/zero | tr '\\0' 'x' >&2; echo '{credential(token='t')}'"

    assert (await told(plugin(tmp_path / "p", script))).token == "t"


async def test_output_without_end_is_refused(tmp_path: Path) -> None:
    assert "printed more than" in await words(plugin(tmp_path / "p", "exec yes"))


async def test_a_plugin_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 600 & echo $! > '{mark}'; wait"
    said = await words(plugin(tmp_path / "p", script), timeout_s=0.5)

    assert "did not end within 0.5 s" in said
    with anyio.fail_after(10):
        while _runs(int(mark.read_text())):  # noqa: ASYNC110
            await anyio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_a_child_that_goes_on_does_not_keep_the_plugin_from_ending(tmp_path: Path) -> None:
    script = f"sleep 5 & echo '{credential(token='t')}'"

    with anyio.fail_after(4):
        assert (await told(plugin(tmp_path / "p", script))).token == "t"


async def test_a_plugin_gets_no_stdin(tmp_path: Path) -> None:
    script = f"read line && exit 1; echo '{credential(token='t')}'"

    assert (await told(plugin(tmp_path / "p", script))).token == "t"


async def test_a_plugin_is_told_of_the_cluster_where_it_wants_to(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"echo \"$KUBERNETES_EXEC_INFO $A\" > '{seen}'; echo '{credential(token='t')}'"
    command = plugin(tmp_path / "p", script)

    await told(command, env=[{"name": "A", "value": "b"}])
    assert json.loads(seen.read_text().rpartition(" ")[0])["spec"] == {"interactive": False}
    assert seen.read_text().endswith(" b\n")
    await told(command, provideClusterInfo=True, env=None)
    assert json.loads(seen.read_text())["spec"]["cluster"] == {
        "server": "https://kube.example.com",
        "certificate-authority-data": "Q0E=",
        "config": {"id": "a"},
    }


async def test_a_plugin_that_is_not_there_is_told_with_the_hint_to_install_it() -> None:
    said = await words("no-such-plugin-here", installHint="\x1b[1mget it from the wiki\x1b[0m")

    assert "is not installed" in said
    assert said.endswith("get it from the wiki")


async def test_a_plugin_that_may_not_be_executed_is_told(tmp_path: Path) -> None:
    path = printing(tmp_path / "p", "x")
    path.chmod(0o644)

    assert "cannot be started" in await words(path)
    assert "cannot be started" in await words(tmp_path / "missing")


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
        ({"apiVersion": ""}, "write client.authentication.k8s.io/v1"),
        ({"interactiveMode": "Always"}, "has no terminal"),
    ],
)
async def test_a_plugin_that_kubectl_or_an_operator_cannot_run_is_refused(
    tmp_path: Path, more: dict[str, Any], fault: str
) -> None:
    ran = plugin(tmp_path / "p", 'touch "$0.ran"')

    assert fault in await words(ran, **more)
    assert not await anyio.Path(f"{ran}.ran").exists()
