"""Runs the exec plugin of a kubeconfig: the program that prints credentials for the API server.

The protocol is client.authentication.k8s.io, v1 and v1beta1. A plugin never gets this process's
stdin, has a limited time, and is killed with all that it started when that is over. What it says on
stderr is shown, shortened, where it fails. When it is run again is decided in `login.py`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process

from capscan.core.kube_errors import NoCluster
from capscan.core.text import fold, shorten
from capscan.kube.kubeconfig_entries import Cluster, Exec

TIMEOUT_S = 60.0
"""A plugin that takes longer waits for a person, or for something that does not come."""
STDOUT_BYTES_MAX = 2**20
STDERR_BYTES_MAX = 4000
"""So much of the end of what a plugin says is kept; the rest is read and dropped."""
WORDS_CHARS_MAX = 400
GOODBYE_S = 1.0
"""After a plugin has ended, a child of it may hold its output open for so long."""

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CLUSTER_EXTENSION = "client.authentication.k8s.io/exec"
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,32}[@-~]?|[^\[]?)", re.DOTALL)
"""Marks that colour a terminal."""
_LONG_RUN = re.compile(r"[\w+/.=~-]{20,}", re.ASCII)
"""What may be a token or a key, where a digit is in it, or capital and small letters are mixed."""
_NAMED = re.compile(
    r"((?:key|token|secret|password|passwd)[\"']?[ \t]{0,3}[=:][ \t]{0,3}|\b(?:basic|bearer) )"
    r"[^\s,;]{1,4096}",
    re.IGNORECASE,
)
"""What is said to be a key, however short it is."""
_USER_IN_URL = re.compile(r"(?<=://)[^\s/@]{1,4096}@")


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What a plugin printed: a token, or a client certificate with its key, or all three."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires_at: datetime | None = None
    """None where the plugin said no time."""


@dataclass(frozen=True, slots=True)
class _Output:
    stdout: bytes
    stderr: bytes
    """The end of it."""
    code: int
    """The exit code."""


async def run(plugin: Exec, cluster: Cluster, *, timeout_s: float = TIMEOUT_S) -> ExecCredential:
    """Run the plugin once. Raises NoCluster, with what the plugin said, where it gives no
    credentials.
    """
    check(plugin)
    output = None
    with anyio.move_on_after(timeout_s):
        output = await _output(plugin, _environment(plugin, cluster))
    if output is None:
        raise _failed(plugin, f"did not end within {timeout_s:g} s")
    if len(output.stdout) > STDOUT_BYTES_MAX:
        raise _failed(plugin, f"printed more than {STDOUT_BYTES_MAX} bytes", output.stderr)
    if output.code:
        raise _failed(plugin, f"failed with exit code {output.code}", output.stderr)
    try:
        return credential_of(json.loads(output.stdout), plugin.api_version)
    except ValueError as error:
        odd = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
        fault = f"printed no credentials: its output {'is no JSON' if odd else error}"
        raise _failed(plugin, fault, output.stderr) from None


def check(plugin: Exec) -> None:
    """Raise NoCluster where the plugin is not to be run at all, with what to write instead."""
    if plugin.api_version not in _VERSIONS:
        raise _failed(
            plugin, f"has the apiVersion {plugin.api_version!r}; write {_VERSIONS[0]}, or v1beta1"
        )
    if plugin.interactive_mode == "Always":
        raise _failed(
            plugin,
            "has the interactiveMode Always: it asks a person, and the operator has no terminal. "
            "Use a plugin that asks nobody, with interactiveMode Never, or a token",
        )


def credential_of(answer: object, api_version: str) -> ExecCredential:
    """Return what the plugin printed. Raises ValueError, whose words say what is wrong with it and
    quote none of it.
    """
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise ValueError("is no ExecCredential")
    if answer.get("apiVersion") != api_version:
        raise ValueError(f"does not have the apiVersion {api_version}")
    status = answer.get("status")
    if not isinstance(status, dict):
        raise ValueError("has no status")
    token, certificate, key = (
        _text(status, name) for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if bool(certificate) != bool(key):
        raise ValueError("has half a client certificate: clientCertificateData and clientKeyData")
    if not token and not certificate:
        raise ValueError("has neither a token nor a client certificate in its status")
    return ExecCredential(token, certificate, key, _time(_text(status, "expirationTimestamp")))


async def _output(plugin: Exec, environment: dict[str, str]) -> _Output:
    """Return what the plugin printed, once it has ended. Raises NoCluster where it cannot be
    started. More than STDOUT_BYTES_MAX on stdout end it.
    """
    try:
        process = await anyio.open_process(
            [_program(plugin, environment), *plugin.args],
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(plugin, f"cannot be started: {error.strerror or error}") from error
    stdout, stderr = bytearray(), bytearray()

    async def read_stdout() -> None:
        async for data in _chunks(process.stdout):
            stdout.extend(data)
            if len(stdout) > STDOUT_BYTES_MAX:
                _kill(process)
                return

    async def read_stderr() -> None:
        async for data in _chunks(process.stderr):
            stderr.extend(data)
            del stderr[:-STDERR_BYTES_MAX]

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(read_stdout)
            group.start_soon(read_stderr)
            code = await process.wait()
            group.cancel_scope.deadline = anyio.current_time() + GOODBYE_S
    finally:
        if process.returncode is None:
            _kill(process)
        await process.aclose()
    return _Output(bytes(stdout), bytes(stderr), code)


async def _chunks(stream: ByteReceiveStream | None) -> AsyncIterator[bytes]:
    if stream:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for data in stream:
                yield data


def _kill(process: Process) -> None:
    """End the plugin and whatever it has started: it leads a process group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _program(plugin: Exec, environment: dict[str, str]) -> str:
    if os.sep in plugin.command:
        return plugin.command
    if found := shutil.which(plugin.command, path=environment.get("PATH")):
        return found
    hint = f" {_clean(plugin.install_hint)}" if plugin.install_hint else ""
    raise _failed(plugin, f"is not installed: there is no such program on the PATH.{hint}")


def _environment(plugin: Exec, cluster: Cluster) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster)
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    own = {variable.name: variable.value for variable in plugin.env}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _cluster_info(cluster: Cluster) -> dict[str, Any]:
    said = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": cluster.certificate_authority_data,
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": next(
            (e.extension for e in cluster.extensions if e.name == _CLUSTER_EXTENSION), None
        ),
    }
    return {name: value for name, value in said.items() if value}


def _failed(plugin: Exec, fault: str, stderr: bytes = b"") -> NoCluster:
    words = _clean(stderr.decode(errors="replace"))
    said = f". It said: {words}" if words else ""
    return NoCluster(f"the exec plugin {plugin.command} of the kubeconfig {fault}{said}")


def _clean(words: str) -> str:
    """Return the end of the words on one line, without colours and without what may be a key."""
    line = _USER_IN_URL.sub("[hidden]@", fold(_ESCAPES.sub("", words)))
    line = _LONG_RUN.sub(_hidden, _NAMED.sub(r"\1[hidden]", line))
    return shorten(line[-WORDS_CHARS_MAX:].strip(), WORDS_CHARS_MAX)


def _hidden(run: re.Match[str]) -> str:
    """A path and a name with dots have words in one case, and no digits but few."""
    text = run[0]
    mixed = any(mark.isupper() for mark in text) and any(mark.islower() for mark in text)
    return "[hidden]" if mixed or any(mark.isdigit() for mark in text) else text


def _text(status: dict[str, Any], name: str) -> str:
    value = status.get(name) or ""
    if not isinstance(value, str):
        raise ValueError(f"has a {name} that is no text")
    return value.strip()


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("has an expirationTimestamp that is no time of RFC 3339") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
