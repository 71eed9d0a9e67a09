"""What can be set from outside when the operator starts: the one place that says so.

Each setting has one name in three spellings: `--drain-seconds`, `CAPSCAN_DRAIN_SECONDS`, and
`drainSeconds` in the file; a flag wins over the environment, and that over the file. A setting of
type `SecretStr` is a secret: it is masked in the log and quoted in no error. The flags are made
from this model in `cli/operator.py`, the table in docs/install.md by its test.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from capscan.core.errors import WrongSettings
from capscan.kube.config import ClusterSettings

PREFIX = "CAPSCAN_"

ELSEWHERE = frozenset({"CAPSCAN_ARCHIVE_URL", "CAPSCAN_CACHE", "CAPSCAN_PLANE_DIR"})
"""Variables that other commands read."""

FOR_TESTS = frozenset({"CAPSCAN_CORPUS", "CAPSCAN_UPDATE_GOLDEN"})
"""Variables that this repository's tests read, and hand on to the operators they start."""

VALUE_CHARS_MAX = 60

NAMESPACE = "capscan-system"
"""Where manifests/ installs the operator."""

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Settings(BaseSettings):
    """Settings of one operator process. What is not given is taken from the environment, then from
    the file that `config` names. The constructor raises WrongSettings over the file and pydantic's
    own error over a value; `load` raises what is fit for people.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    config: Path | None = Field(default=None, description="Read settings from this YAML file.")
    kubeconfig: str | None = Field(
        default=None,
        description="The kubeconfig to use. Default: as kubectl, or the pod's account.",
    )
    context: str | None = Field(default=None, description="A context of the kubeconfig.")
    namespace: str | None = Field(
        default=None,
        pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=63,
        examples=["the name of a namespace"],
        description="The namespace of the Secrets that InferenceProviders name. Default: the Pod's "
        "own, or capscan-system where there is no Pod.",
    )
    probe_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Serve /livez and /readyz on this port of all interfaces. Default: nowhere.",
    )
    drain_seconds: float = Field(
        default=8.0,
        ge=0,
        le=3600,
        description="Seconds that items in flight have to finish once the operator is told to stop."
        " Keep it 5 below the Pod's terminationGracePeriodSeconds.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Lines for people, or one JSON object a line."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least serious lines that are logged."
    )

    @property
    def cluster(self) -> ClusterSettings:
        """Return which cluster to use, and as whom."""
        return ClusterSettings(self.kubeconfig, self.context)

    @property
    def secrets_namespace(self) -> str:
        """Return the namespace of the Secrets that hold API keys."""
        return self.namespace or _pods_namespace() or NAMESPACE

    def shown(self) -> dict[str, Any]:
        """Return what is set, as it would stand in a file; secrets are masked."""
        set_ = self.model_dump(mode="json", exclude_none=True)
        return {to_camel(name): value for name, value in set_.items()}

    @classmethod
    def load(cls, flags: Mapping[str, str | None]) -> Self:
        """Return the settings with these flags, by name, None where a flag is not given.

        Raises WrongSettings, which names every value that will not do and what to write instead.
        """
        given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            problems = [(str(p["loc"][0]), p["input"]) for p in error.errors()]
            lines = [
                f"{_origin(n, given)} is {cls._quoted(n, value)}: write {cls.wanted(n)}"
                for n, value in problems
            ]
            raise WrongSettings("\n".join(lines)) from None

    @classmethod
    def file_keys(cls) -> dict[str, str]:
        """Return, by its key in the file, the name of each setting that may stand there."""
        return {to_camel(name): name for name in cls.model_fields if name != "config"}

    @classmethod
    def wanted(cls, name: str) -> str:
        """Return what may be written as this setting's value. Where the type says too little, the
        field gives an example.
        """
        field = cls.model_fields[name]
        types = _types(field)
        if choices := [type_ for type_ in types if isinstance(type_, str)]:
            return f"{', '.join(choices[:-1])} or {choices[-1]}"
        if int in types or float in types:
            return f"a {'whole ' if int in types else ''}number{_range(field)}"
        if field.examples:
            return str(field.examples[0])
        return "a path" if Path in types else "text"

    @classmethod
    def _quoted(cls, name: str, value: object) -> str:
        """Return the wrong value, unless it is a secret or longer than a word can be."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if value is None or not text:
            return "empty"
        long = isinstance(value, dict | list) or len(text) > VALUE_CHARS_MAX
        if SecretStr in _types(cls.model_fields[name]) or long or not text.isprintable():
            return "not what can stand there"
        return text

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values(cls, value: object) -> object:
        """Refuse `probePort: on`, which Python would take for port 1."""
        if isinstance(value, bool):
            raise ValueError("a truth value")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Ask the flags first, then the environment, then the file."""
        return init_settings, env_settings, _File(settings_cls)


def _pods_namespace() -> str:
    try:
        return POD_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence on each variable that looks like a setting and is none."""
    ours = {name for name in environ if name.upper().startswith(PREFIX)}
    known = {variable(name) for name in Settings.model_fields} | ELSEWHERE | FOR_TESTS
    return [
        f"{name} is set, and is no setting{_nearest_variable(name)}"
        for name in sorted(ours)
        if name.upper() not in known
    ]


def flag(name: str) -> str:
    """Return the flag for this setting."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Return the environment variable for this setting."""
    return f"{PREFIX}{name.upper()}"


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return `; did you mean X?` where some X is close to what was written, otherwise nothing."""
    spelt = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f"; did you mean {prefix}{spelt[found[0]]}?" if found else ""


def _nearest_variable(name: str) -> str:
    """Compare what comes after the prefix, which is the same in all variables."""
    return nearest(name[len(PREFIX) :], map(str.upper, Settings.model_fields), PREFIX)


class _File(PydanticBaseSettingsSource):
    """Reads the YAML file that the sources before this one name."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config")
        keys = self.settings_cls.file_keys()  # type: ignore[attr-defined]
        return _read(Path(path), keys) if path else {}


def _read(path: Path, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what the file sets, by the settings' names. Raises WrongSettings."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongSettings(f"{path} cannot be read: {reason}") from None
    except yaml.YAMLError as error:
        raise WrongSettings(f"{path} is not YAML{_place(error)}") from None
    if not isinstance(content, dict):
        if content is None:
            return {}
        raise WrongSettings(f"{path} holds no settings: write lines such as `probePort: 8080`")
    if unknown := [str(key) for key in content if key not in keys]:
        raise WrongSettings(
            "\n".join(f"{path}: no setting is called {k}{nearest(k, keys)}" for k in unknown)
            + f"\nA file may set {', '.join(keys)}."
        )
    return {keys[key]: value for key, value in content.items()}


def _place(error: yaml.YAMLError) -> str:
    """Return where the error is, without the snippet that the error itself would show."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f": line {error.problem_mark.line + 1}: {error.problem}"
    return ""


def _types(field: FieldInfo) -> tuple[Any, ...]:
    """Return the types of a union, or the choices of a Literal, or the one type that there is."""
    return get_args(field.annotation) or (field.annotation,)


def _range(field: FieldInfo) -> str:
    """Return the bounds of a number in words; nothing where it has none."""
    bounds = {k: getattr(m, k) for m in field.metadata for k in ("ge", "le") if hasattr(m, k)}
    least = f" from {bounds['ge']}" if "ge" in bounds else ""
    if "le" not in bounds:
        return least
    return f"{least} to {bounds['le']}" if least else f" up to {bounds['le']}"


def _origin(name: str, flags: Mapping[str, object]) -> str:
    """Return where the value was found that this setting has, as the user spells it."""
    environ = {key.upper(): value for key, value in os.environ.items() if value}
    if name in flags:
        return flag(name)
    if variable(name) in environ:
        return variable(name)
    return f"{to_camel(name)} in {flags.get('config') or environ.get(variable('config'))}"
