"""Whoever may edit InferenceProviders, and nothing else, tries to get a key that is bound."""

import base64
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest

from tests.installation import account_kubeconfig
from tests.modelserver.process import ModelServerProcess
from tests.operator.api import CAPSCAN, Api, Refused
from tests.operator.cluster import MODEL_KEY, Cluster, Json
from tests.operator.process import Operator

pytestmark = pytest.mark.slow

EDITOR = "provider-editor"
CA_BUNDLE = base64.b64encode(
    Path(certifi.where()).read_bytes().partition(b"-----END CERTIFICATE-----\n")[0]
    + b"-----END CERTIFICATE-----\n"
).decode()
"""The first CA of many."""


class Thief(http.server.BaseHTTPRequestHandler):
    """Answers everything, as a server or as a proxy, and keeps what it was sent."""

    taken: list[str]

    def do_GET(self) -> None:
        self.taken.append(f"{self.requestline}\n{self.headers}")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def thief() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server of somebody else's, and what it was sent."""
    taken: list[str] = []
    handler = type("ThisThief", (Thief,), {"taken": taken})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()


def edit_only(cluster: Cluster, folder: Path) -> Api:
    """Return the API server for an account that may edit InferenceProviders alone, by its token."""
    rbac, role = "rbac.authorization.k8s.io", {"name": EDITOR}
    rule: Json = {
        "apiGroups": ["capscan.dev"],
        "resources": ["inferenceproviders"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }
    subject = {"kind": "ServiceAccount", "name": EDITOR, "namespace": "capscan-system"}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": EDITOR, "namespace": "capscan-system"},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": role,
            "rules": [rule],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": role,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": EDITOR},
            "subjects": [subject],
        },
    )
    return Api(account_kubeconfig(cluster.kubectl, folder, EDITOR))


def test_an_editor_of_providers_takes_a_bound_key_nowhere(
    cluster: Cluster, operator: Operator, model: ModelServerProcess, tmp_path: Path
) -> None:
    """Each try is told in the status, without the key, and can be taken back."""
    cluster.create_crds(2)
    ref = cluster.set_key(MODEL_KEY, allowed_origin=f"https://models.example.com, {model.url}")
    right = {"baseURL": model.url, "proxyURL": "", "caBundle": ""}
    provider = cluster.apply_provider(apiKeySecretRef=ref, **right)
    operator.start()
    cluster.ready(provider, "Usable")
    scan = cluster.apply_scan(providerRef={"name": provider}, suspend=True)

    with thief() as (foreign, taken), edit_only(cluster, tmp_path) as editor:
        with pytest.raises(Refused, match="cannot get"):
            editor.get(f"/api/v1/namespaces/capscan-system/secrets/{ref['name']}")
        tries: list[Json] = [
            {"baseURL": foreign},
            {"baseURL": foreign, "protocol": "OpenAI"},
            {"baseURL": "", "caBundle": "", "proxyURL": foreign},
            {"proxyURL": foreign},
            {"proxyURL": foreign, "caBundle": CA_BUNDLE},
            {"baseURL": model.url.replace("127.0.0.1", "localhost"), "proxyURL": foreign},
        ]
        for number, one in enumerate(tries):
            fields = right | {"protocol": "Anthropic"} | one
            editor.patch(f"{CAPSCAN}/inferenceproviders/{provider}", {"spec": fields})
            generation = cluster.generation(provider)
            said = cluster.ready(provider, "KeyNotAllowed", generation)["message"]
            assert "let whoever owns the Secret" in said
            assert MODEL_KEY not in said
            if number == 0:
                cluster.patch(scan, {"suspend": False})
                cluster.stalled(scan, "KeyNotAllowed")
        assert taken == []

        editor.patch(
            f"{CAPSCAN}/inferenceproviders/{provider}",
            {"spec": right | {"protocol": "Anthropic"}},
        )
        cluster.until_phase(scan, "Completed")
        assert taken == []
    assert MODEL_KEY not in operator.log
