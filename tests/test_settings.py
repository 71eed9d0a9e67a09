"""Settings from flags, environment and file; what is said of wrong ones; the table in the docs.

CAPSCAN_UPDATE_GOLDEN=1 writes the table anew.
"""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from pydantic.alias_generators import to_camel

from capscan.core.errors import WrongSettings
from capscan.kube.config import ClusterSettings
from capscan.settings import FOR_TESTS, Settings, flag, unknown_variables, variable

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def refused(flags: dict[str, str | None]) -> str:
    with pytest.raises(WrongSettings) as error:
        Settings.load(flags)
    return str(error.value)


def test_with_nothing_set_the_defaults_hold() -> None:
    """There are no probes and no file, and lines are for people."""
    assert Settings.load({}).shown() == {
        "drainSeconds": 8.0,
        "logFormat": "text",
        "logLevel": "info",
    }


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source is asked for what those before it left open."""
    file.write_text("context: file\nlogLevel: error\ndrainSeconds: 3\n")
    monkeypatch.setenv("CAPSCAN_CONTEXT", "environment")
    monkeypatch.setenv("CAPSCAN_LOG_LEVEL", "warning")

    found = Settings.load({"config": str(file), "context": "flag", "probe_port": None})

    assert (found.context, found.log_level, found.drain_seconds) == ("flag", "warning", 3.0)
    assert found.cluster == ClusterSettings(kubeconfig=None, context="flag")


def test_the_environment_may_name_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("probePort: 8080\n")
    monkeypatch.setenv("CAPSCAN_CONFIG", str(file))

    assert Settings.load({}).probe_port == 8080


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest has one where the value was left out."""
    monkeypatch.setenv("CAPSCAN_PROBE_PORT", "")

    assert Settings.load({}).probe_port is None


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_a_file_may_set_nothing(file: Path, text: str) -> None:
    file.write_text(text)

    assert Settings.load({"config": str(file)}).probe_port is None


def test_unknown_keys_in_the_file_are_refused_with_the_nearest(file: Path) -> None:
    """All of them are told at once; the spelling of the flags counts as near."""
    file.write_text("probeport: 8080\ndrain_seconds: 3\nzzz: 1\n")

    said = refused({"config": str(file)})

    assert said.splitlines() == [
        f"{file}: no setting is called probeport; did you mean probePort?",
        f"{file}: no setting is called drain_seconds; did you mean drainSeconds?",
        f"{file}: no setting is called zzz",
        (
            "A file may set kubeconfig, context, namespace, probePort, drainSeconds, logFormat, "
            "logLevel."
        ),
    ]


def test_wrong_values_are_named_as_the_user_spelt_them(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are told at once, from whichever source, each with what to write instead."""
    file.write_text("drainSeconds: soon\nnamespace: My Team\nkubeconfig: {token: hush}\n")
    monkeypatch.setenv("CAPSCAN_PROBE_PORT", "66000")

    said = refused({"config": str(file), "log_level": "loud"})

    assert said.splitlines() == [
        f"kubeconfig in {file} is not what can stand there: write text",
        f"namespace in {file} is My Team: write the name of a namespace",
        "CAPSCAN_PROBE_PORT is 66000: write a whole number from 0 to 65535",
        f"drainSeconds in {file} is soon: write a number from 0 to 3600",
        "--log-level is loud: write debug, info, warning or error",
    ]


@pytest.mark.parametrize("value", ["on", "true", ".nan", ".inf", "-1", "8080.5", "null x", "[1]"])
def test_what_is_almost_a_port_is_refused(file: Path, value: str) -> None:
    """YAML takes `on` for a truth value, and Python that for the number 1."""
    file.write_text(f"probePort: {value}\n")

    assert "write a whole number from 0 to 65535" in refused({"config": str(file)})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It is missing, a folder, or not text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")

    assert refused({"config": str(tmp_path / "gone")}).endswith(
        "gone cannot be read: No such file or directory"
    )
    assert refused({"config": str(tmp_path)}).endswith("cannot be read: Is a directory")
    assert refused({"config": str(binary)}).endswith("cannot be read: it is not UTF-8")


def test_a_file_that_is_no_mapping_is_refused(file: Path) -> None:
    """The line is named; what stands in it is not repeated."""
    file.write_text("probePort: 8080\nlogLevel: [hush\n")
    broken = refused({"config": str(file)})
    file.write_text("- probePort\n")
    listing = refused({"config": str(file)})

    assert broken.startswith(f"{file} is not YAML: line 3: ")
    assert "hush" not in broken
    assert listing == f"{file} holds no settings: write lines such as `probePort: 8080`"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text())
def test_any_text_is_a_file_or_is_refused(file: Path, text: str) -> None:
    """No other exception than ours is raised."""
    file.write_text(text, encoding="utf-8", errors="replace")

    try:
        Settings.load({"config": str(file)})
    except WrongSettings as error:
        assert str(error)  # noqa: PT017


def test_a_variable_that_is_no_setting_is_told_with_the_nearest() -> None:
    """Variables of other commands and of the tests are none of its business."""
    environ = dict.fromkeys(
        ["CAPSCAN_LOGFORMAT", "CAPSCAN_QQQ", "CAPSCAN_CACHE", "CAPSCAN_CONFIG", "PATH"], "hush"
    )

    assert unknown_variables(environ | dict.fromkeys(FOR_TESTS, "")) == [
        "CAPSCAN_LOGFORMAT is set, and is no setting; did you mean CAPSCAN_LOG_FORMAT?",
        "CAPSCAN_QQQ is set, and is no setting",
    ]


def test_every_variable_of_the_source_is_known() -> None:
    """A new one of another command would be told as a mistake."""
    found = {
        name
        for file in (ROOT / "operator").rglob("*.py")
        for name in re.findall(r"CAPSCAN_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))
    }

    assert unknown_variables(dict.fromkeys(found, "")) == []


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load({}).probe_port = 1  # type: ignore[misc]


def test_every_setting_is_described_and_bounded() -> None:
    """Each has a sentence for people, and each number has two bounds."""
    for name, field in Settings.model_fields.items():
        wanted = Settings.wanted(name)
        assert (field.description or "").endswith("."), name
        assert wanted, name
        assert "number" not in wanted or re.search(r"number from \S+ to \S+$", wanted), name


DOCS = ROOT / "docs" / "install.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def table() -> str:
    """Return the table of the model, in Markdown."""
    rows = ["| In the file | Flag | Variable | May be | Default | What it does |", "|" + "---|" * 6]
    for name, field in Settings.model_fields.items():
        key = "" if name == "config" else f"`{to_camel(name)}`"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(
            f"| {key} | `{flag(name)}` | `{variable(name)}` | {Settings.wanted(name)} | {default} "
            f"| {field.description} |"
        )
    return "\n".join(rows) + "\n"


def test_the_table_in_the_docs_is_that_of_the_model() -> None:
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    if os.environ.get("CAPSCAN_UPDATE_GOLDEN"):
        DOCS.write_text(before + BEGIN + table() + END + after, encoding="utf-8")
        return

    assert table() == written


class Numbers(Settings):
    """Settings with bounds of every kind."""

    at_least: int = Field(default=1, ge=1, description="A number with a lower bound.")
    at_most: float = Field(default=1.0, le=9, description="A number with an upper bound.")
    any_number: float = Field(default=1.0, description="A number without a bound.")


def test_a_number_with_one_bound_or_none_is_described() -> None:
    with pytest.raises(WrongSettings) as caught:
        Numbers.load({"at_least": "0", "at_most": "10", "any_number": "many"})

    assert str(caught.value).splitlines() == [
        "--at-least is 0: write a whole number from 1",
        "--at-most is 10: write a number up to 9",
        "--any-number is many: write a number",
    ]
