"""A setting that is a secret: it works like any other, and is shown nowhere."""

import logging
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import Field, SecretStr, ValidationError

from capscan.cli.operator import flags_of
from capscan.core.errors import WrongSettings
from capscan.settings import Settings

SECRET = "postgres://capscan:hush@db"


class WithSecrets(Settings):
    """The operator's settings, and two that nobody may see."""

    database: SecretStr | None = Field(
        default=None,
        min_length=8,
        examples=["the address of a database"],
        description="Where answers are kept.",
    )
    password: SecretStr = Field(default=SecretStr("hush-default"), description="A password.")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def database(settings: WithSecrets) -> str | None:
    return settings.database.get_secret_value() if settings.database else None


def test_a_secret_comes_from_a_flag_the_environment_or_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("database: from-the-file\n")
    flags = {"config": str(file)}

    assert database(WithSecrets.load(flags)) == "from-the-file"
    monkeypatch.setenv("CAPSCAN_DATABASE", "from-the-environment")
    assert database(WithSecrets.load(flags)) == "from-the-environment"
    assert database(WithSecrets.load(flags | {"database": "from-a-flag"})) == "from-a-flag"


def test_a_secret_is_masked_wherever_settings_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    """In the line that the operator logs at its start, and where somebody logs all of them."""
    settings = WithSecrets.load({"database": SECRET})

    with caplog.at_level(logging.INFO):
        logging.getLogger().info("%s %r %s", settings, settings, settings.shown())

    assert settings.shown()["database"] == settings.shown()["password"] == "*" * 10
    assert "hush" not in caplog.text


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_a_wrong_secret_is_named_and_not_quoted(
    source: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: dict[str, str | None] = {}
    match source:
        case "flag":
            flags, named = {"database": "hush"}, "--database"
        case "environment":
            monkeypatch.setenv("CAPSCAN_DATABASE", "hush")
            named = "CAPSCAN_DATABASE"
        case _:
            file.write_text("database: hush\n")
            flags, named = {"config": str(file)}, f"database in {file}"

    with pytest.raises(WrongSettings) as caught:
        WithSecrets.load(flags)

    assert str(caught.value) == (
        f"{named} is not what can stand there: write the address of a database"
    )


def test_an_empty_secret_is_called_empty(file: Path) -> None:
    file.write_text("database: ''\n")

    with pytest.raises(WrongSettings, match=r"is empty: write the address"):
        WithSecrets.load({"config": str(file)})


def test_the_error_of_the_constructor_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        WithSecrets(database="hush")

    assert "hush" not in str(caught.value)


def test_the_help_shows_no_default() -> None:
    @click.command()
    @flags_of(WithSecrets)
    def command(**_: object) -> None:
        """Do nothing."""

    shown = CliRunner().invoke(command, ["--help"]).output

    assert "--password" in shown
    assert "hush" not in shown
