"""The course of the showing.

It plays with a control plane on this machine, the operator as its own ServiceAccount, a model
server with limits that nobody tells the operator, one scan, and an outage in the middle of it.
"""

import json
import shlex
import sys
from pathlib import Path

import click
import yaml

from capscan.cli.demo.kubectl import Kubectl
from capscan.cli.demo.screen import short
from capscan.cli.demo.stage import Stage
from demos.gate import server as model_server
from demos.gate.server import Server
from demos.gate.setting import (
    IN_FLIGHT_MAX,
    KEY,
    LATENCY,
    MODEL,
    PARALLELISM,
    REQUESTS_PER_MINUTE,
    Setting,
)
from demos.gate.verdict import Verdict
from demos.gate.watch import watch

ROOT = Path(__file__).parents[2]
NAMESPACE = "capscan-system"
TYPED = ".venv/bin/python -m demos.gate"
KUBECONFIG = "capscan.kubeconfig"
PROVIDER = "fake"
SCAN = "everything"
SECRET = "model-key"  # noqa: S105
SLACK_S = 120.0
"""What the scan may take beyond three times the least."""

PROVIDER_YAML = """\
apiVersion: capscan.dev/v1alpha1
kind: InferenceProvider
metadata:
  name: {name}
spec:                    # no limits: they are found out
  protocol: Anthropic
  model: {model}
  baseURL: {url}
  apiKeySecretRef:
    name: {secret}
  pricing:
    inputPerMillionTokens: "1"
    outputPerMillionTokens: "5"
"""

SCAN_YAML = f"""\
apiVersion: capscan.dev/v1alpha1
kind: CapabilityScan
metadata:
  name: {SCAN}
spec:
  providerRef:
    name: {PROVIDER}
  parallelism: {PARALLELISM}        # at most; the gate decides how many of them may ask
  progressInterval: 500ms
"""


AGAIN = f"""kubectl patch capscan {SCAN} --type=merge -p \
'{{"spec":{{"refresh":"Always","rescan":"1"}}}}'"""


class Showing:
    """One showing, from beginning to end."""

    def __init__(self, folder: Path, setting: Setting, *, keep: bool) -> None:
        self._folder = folder
        self._setting = setting
        self._stage = Stage(folder, keep=keep, typed=TYPED, others=[model_server.NAME])
        self._screen = self._stage.screen

    def run(self) -> None:
        """Show all steps. Raises ClickException where the scan was not completed."""
        self._screen.title(
            "capscan and a model server whose limits it is not told. The server is a fake on this "
            "machine;\nits limits, its delays and its refusals are real."
        )
        self._stage.run(self._show)
        self._screen.title(f"\nThat took {self._screen.elapsed_s:.0f} s.")

    def _show(self) -> None:
        screen = self._screen
        screen.heading("A control plane: etcd and kube-apiserver")
        kubectl = self._stage.up()

        screen.heading("capscan, as its own ServiceAccount, which may read no Secret so far")
        self._install(kubectl)

        screen.heading(f"{self._setting.crds} CRDs, made up: ten kinds for each of many teams")
        self._load_crds(kubectl)

        screen.heading("A fake model server, with limits that the InferenceProvider does not name")
        server = self._start_server()

        screen.heading("Its key in a Secret, the right to read that one, and the InferenceProvider")
        self._tell_of_server(kubectl, server)

        outage = self._setting.outage
        screen.heading(f"{outage.at_s:.0f} s from now it goes down for {outage.for_s:g} s. Ask!")
        verdict = self._scan(kubectl, server)

        screen.heading("What became of it, by the server's own books and the scan's status")
        self._stage.shown(kubectl, "get", "capabilityscan", SCAN)
        self._stage.shown(kubectl, "get", "inferenceprovider", PROVIDER)
        screen.lines(verdict.lines())
        if not verdict.good:
            raise click.ClickException(
                f"the scan was not completed: {verdict.status.phase}, {verdict.lost} of "
                f"{self._setting.crds} CRDs without an answer. {verdict.status.message}"
            )
        self._say_how_it_ends(server)

    def _install(self, kubectl: Kubectl) -> None:
        self._screen.command(f"kubectl apply -k {short(ROOT / 'manifests')}")
        kubectl("apply", "-k", str(ROOT / "manifests"))
        self._screen.note("there is no node here to run its Pod, so it runs beside:")
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        token = kubectl("create", "token", "capscan", "-n", NAMESPACE, "--duration=2h").strip()
        kubeconfig = self._folder.absolute() / KUBECONFIG
        _write_kubeconfig(kubeconfig, kubectl.kubeconfig, token)
        self._stage.start_operator(kubeconfig)

    def _load_crds(self, kubectl: Kubectl) -> None:
        file = self._write("crds.json", json.dumps(_list(self._setting)))
        # Not checked by kubectl: that takes it longer than to apply them.
        args = ("apply", "--server-side", "--validate=false", "-f", file)
        self._screen.command(f"kubectl {shlex.join(args)}")
        applied = kubectl(*args).splitlines()
        self._screen.note(f"{applied[0]} … and {len(applied) - 1} more")

    def _start_server(self) -> Server:
        setting = self._setting
        ledger = self._folder / "ledger.jsonl"
        command = model_server.command(sys.executable, setting.behaviour, ledger.absolute())
        self._screen.command(
            f"{shlex.join(['python', *command[1:-1], str(ledger)])} > "
            f"{shlex.quote(str(self._stage.log(model_server.NAME)))} &"
        )
        server = model_server.start(self._stage, command, ledger)
        self._screen.note(
            f"{server.url}: {REQUESTS_PER_MINUTE} requests a minute after the first "
            f"{setting.rate.burst:.0f}, {IN_FLIGHT_MAX} at once, {LATENCY.mean_s} s an answer"
        )
        return server

    def _tell_of_server(self, kubectl: Kubectl, server: Server) -> None:
        own = ("-n", NAMESPACE, "create")
        read = ("--verb=get", "--resource=secrets", f"--resource-name={SECRET}")
        account = (f"--role={SECRET}", f"--serviceaccount={NAMESPACE}:capscan")
        for args in (
            (*own, "secret", "generic", SECRET, f"--from-literal=api-key={KEY}"),
            (*own, "role", SECRET, *read),
            (*own, "rolebinding", SECRET, *account),
        ):
            self._stage.shown(kubectl, *args)
        body = PROVIDER_YAML.format(name=PROVIDER, model=MODEL, url=server.url, secret=SECRET)
        self._apply(kubectl, f"{PROVIDER}.yaml", body)
        ready = ("--for=condition=Ready", f"inferenceprovider/{PROVIDER}", "--timeout=30s")
        self._stage.shown(kubectl, "wait", *ready)

    def _scan(self, kubectl: Kubectl, server: Server) -> Verdict:
        outage = self._setting.outage
        told = model_server.change(outage)
        self._screen.command(f"curl -d {shlex.quote(told)} {server.url}/_control")
        server.plan(outage)
        self._apply(kubectl, f"{SCAN}.yaml", SCAN_YAML)
        names = {"capabilityscan": SCAN, "inferenceprovider": PROVIDER}
        timeout_s = 3 * self._setting.bound_s(outage.at_s) + SLACK_S
        seen = watch(kubectl, names, server, self._screen, timeout_s)
        return Verdict(
            self._setting, seen.scan, server.books, server.up_for_s(), seen.circuit_opened
        )

    def _apply(self, kubectl: Kubectl, name: str, body: str) -> None:
        file = self._write(name, body)
        self._screen.command(f"cat {shlex.quote(file)}")
        self._screen.output(body)
        self._stage.shown(kubectl, "apply", "-f", file)

    def _write(self, name: str, text: str) -> str:
        file = self._folder / name
        file.write_text(text, encoding="utf-8")
        return str(file)

    def _say_how_it_ends(self, server: Server) -> None:
        if not self._stage.keep:
            self._screen.heading("The end: operator, model server and control plane are stopped")
            return
        commands = (
            f"kubectl describe inferenceprovider {PROVIDER}",
            "kubectl get capabilities",
            f"curl {server.url}/_control",
            AGAIN,
            f"kubectl get capscan {SCAN} --watch",
        )
        self._stage.say_what_is_left(commands, self._folder / KUBECONFIG)


def _list(setting: Setting) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": list(setting.bodies())}


def _write_kubeconfig(path: Path, administrators: Path, token: str) -> None:
    """Write the administrator's kubeconfig with the token of the operator's account."""
    config = yaml.safe_load(administrators.read_text(encoding="utf-8"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
