"""The verdicts of kstatus, Flux and Argo CD on an object, computed in Python.

The rules of kstatus follow its source (fluxcd/cli-utils, pkg/kstatus/status); the health checks of
docs/gitops run in Python's CEL and Lua. main.go asks the tools themselves: their verdicts, recorded
in `verdicts.json`, are the ones that count.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import celpy
import yaml
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from lupa import lua51

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FLUX = ROOT / "docs" / "gitops" / "flux.yaml"
ARGO = ROOT / "docs" / "gitops" / "argocd-cm.yaml"
ARGO_KEY = "resource.customizations.health."
ARGO_CODES = {"Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing"}
LUA_STEPS_MAX = 1_000_000
"""Argo CD ends a script after a second; a count of steps is the same on every machine."""


def kstatus(body: Json) -> str:
    """Return what `status.Compute` says of a kind that kstatus has no rules of its own for."""
    if body["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if _is_ahead(body):
        return "InProgress"
    conditions = _status(body).get("conditions") or []
    for condition in conditions:  # the first that is True decides
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return "InProgress"
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return "Failed"
    for condition in conditions:  # its observedGeneration does not matter
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"


def flux_checks(file: Path = FLUX) -> Json:
    """Return the expressions of all Kustomizations by apiVersion and kind."""
    return {
        f"{check['apiVersion']}/{check['kind']}": check
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        for check in document["spec"]["healthCheckExprs"]
    }


def flux(body: Json, check: Json) -> str:
    """Return what Flux's `StatusEvaluator` says by one entry of healthCheckExprs; an error is
    Unknown.
    """
    if _is_ahead(body):
        return "InProgress"
    try:
        for key, verdict in (("inProgress", "InProgress"), ("failed", "Failed")):
            if key in check and _holds(check[key], body):
                return verdict
        return "Current" if _holds(check["current"], body) else "InProgress"
    except CELEvalError:
        return "Unknown"


def _holds(expression: str, body: Json) -> bool:
    found = _program(expression).evaluate({key: json_to_cel(value) for key, value in body.items()})
    return bool(found)


@cache
def _program(expression: str) -> celpy.Runner:
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment()  # raises the limit for the whole process
    finally:
        sys.setrecursionlimit(limit)
    return environment.program(environment.compile(expression))


def argo_script(kind: str, file: Path = ARGO) -> str:
    """Return the Lua script that the ConfigMap has for a kind."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))["data"]
    return str(data[f"{ARGO_KEY}capscan.dev_{kind}"])


def argo(body: Json, script: str) -> str:
    """Return the health that Argo CD computes with a script; "" where the script returns
    nothing.
    """
    if body["metadata"].get("deletionTimestamp"):
        return "Progressing"
    lua = _sandbox()
    lua.globals().obj = _to_lua(lua, body)
    try:
        found = lua.execute(script)
    except lua51.LuaError:
        return "Unknown"
    if found is None:
        return ""
    code = str(found["status"])
    return code if code in ARGO_CODES else "Unknown"


def _sandbox() -> lua51.LuaRuntime:
    """Return a Lua with the libraries base and table, as in Argo CD: without string, math, and the
    methods of strings.
    """
    lua = lua51.LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    lua.execute(
        """
        debug.sethook(function() error("out of time") end, "", ...)
        getmetatable("").__index = nil
        for name in pairs({string = 1, math = 1, io = 1, os = 1, debug = 1, coroutine = 1,
                           python = 1, dofile = 1, loadfile = 1}) do
          _G[name] = nil
          package.loaded[name] = nil
        end
        """,
        LUA_STEPS_MAX,
    )
    return lua


def _to_lua(lua: lua51.LuaRuntime, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, inner) for key, inner in value.items()})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, inner) for inner in value])
    return value


def _is_ahead(body: Json) -> bool:
    """Whether the object has an observedGeneration that is not its generation. kstatus and Flux
    both ask for that.
    """
    observed = _status(body).get("observedGeneration")
    return observed is not None and observed != body["metadata"]["generation"]


def _status(body: Json) -> Json:
    status: Json = body.get("status") or {}
    return status
