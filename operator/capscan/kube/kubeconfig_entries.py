"""The entries of a kubeconfig, as frozen values; every field is named as the file names it."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Entry(BaseModel):
    """What a kubeconfig says of one thing. Its errors quote no value, which may be a secret."""

    model_config = ConfigDict(frozen=True, alias_generator=_kebab, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: object) -> object:
        """A null says nothing, as it does for kubectl."""
        if not isinstance(body, dict):
            return body
        return {key: value for key, value in body.items() if value is not None}

    def placed(self, folder: Path) -> Self:  # noqa: ARG002
        """Return the entry with its relative paths made absolute: they start from `folder`."""
        return self


class Extension(Entry):
    """What another program has put there. An exec plugin may be handed one of them."""

    name: str
    extension: Any = None


class Cluster(Entry):
    """Where an API server is, and how it proves that it is the right one."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Extension] = []

    def placed(self, folder: Path) -> Self:
        return self.model_copy(
            update={"certificate_authority": _below(folder, self.certificate_authority)}
        )


class Variable(Entry):
    """One variable of the environment of an exec plugin."""

    name: str
    value: str = ""


class Exec(Entry):
    """A program that prints credentials."""

    model_config = ConfigDict(alias_generator=_camel)

    api_version: str = ""
    command: str
    args: list[str] = []
    env: list[Variable] = []
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(Entry):
    """A way to log in that kubectl has, or once had, built in."""

    name: str
    config: dict[str, Any] | None = None


class User(Entry):
    """Who one is at the API server."""

    token: str = ""
    token_file: str = Field("", alias="tokenFile")
    username: str = ""
    password: str = ""
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    impersonated: str = Field("", alias="as")
    impersonated_uid: str = Field("", alias="as-uid")
    impersonated_groups: list[str] = Field([], alias="as-groups")
    impersonated_extra: dict[str, list[str]] | None = Field(None, alias="as-user-extra")
    exec: Exec | None = None
    auth_provider: AuthProvider | None = None

    def placed(self, folder: Path) -> Self:
        paths = ("token_file", "client_certificate", "client_key")
        changes: dict[str, Any] = {name: _below(folder, getattr(self, name)) for name in paths}
        if self.exec and os.sep in self.exec.command:
            command = _below(folder, self.exec.command)
            changes["exec"] = self.exec.model_copy(update={"command": command})
        return self.model_copy(update=changes)


class Context(Entry):
    """A cluster and a user of it."""

    cluster: str = ""
    user: str = ""


def _below(folder: Path, path: str) -> str:
    return str(folder / path) if path else ""
