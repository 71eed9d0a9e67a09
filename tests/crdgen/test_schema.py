"""crdgen: what it makes of a model, and what it refuses to make a CRD of."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from capscan.crdgen.__main__ import main
from capscan.crdgen.schema import structural


class Inner(BaseModel):
    """Words on
    two lines."""

    size: int = Field(default=3, ge=1, le=9, description="How big.")


class Outer(BaseModel):
    """Outer."""

    must: str = Field(description="Has no default.")
    may: str | None = Field(default=None, description="May be absent.")
    inner: Inner | None = Field(default=None, description="Beside the reference.")
    always: Inner = Field(default=Inner(), description="Filled in.")
    many: list[Inner] = Field(default=[], description="A list.")
    serial: int = Field(description="Unbounded.")


def properties() -> dict[str, Any]:
    fields: dict[str, Any] = structural(Outer)["properties"]
    return fields


def test_fields_keep_the_order_of_the_model() -> None:
    """A reader finds the fields in the order in which they were written."""

    assert list(properties()) == ["must", "may", "inner", "always", "many", "serial"]


def test_only_fields_without_a_default_are_required() -> None:
    """An optional field has the default None, and so is none of them."""

    assert structural(Outer)["required"] == ["must", "serial"]


def test_an_optional_field_is_the_plain_type() -> None:
    """No anyOf, no null, no default."""

    assert properties()["may"] == {"description": "May be absent.", "type": "string"}


def test_a_reference_is_replaced_and_what_stands_beside_it_wins() -> None:
    """The field's own description, not that of the model it holds."""

    assert properties()["inner"]["description"] == "Beside the reference."
    assert properties()["inner"]["properties"]["size"]["default"] == 3


def test_an_item_is_described_by_its_model_on_one_line() -> None:
    """Line breaks of a docstring mean nothing to kubectl explain."""

    assert properties()["many"]["items"]["description"] == "Words on two lines."


def test_defaults_below_an_object_are_left_to_the_server() -> None:
    """One place for each default."""

    assert properties()["always"]["default"] == {}


def test_integers_say_how_wide_they_are() -> None:
    """Their upper bound decides."""

    assert properties()["always"]["properties"]["size"]["format"] == "int32"
    assert properties()["serial"]["format"] == "int64"


def test_a_list_without_merge_rule_is_replaced_as_a_whole() -> None:
    """The API server's own default, written down."""

    assert properties()["many"]["x-kubernetes-list-type"] == "atomic"


class Undescribed(BaseModel):
    """Has a field that says nothing."""

    mute: str


class Patterned(BaseModel):
    """Has a keyword nobody has thought about."""

    text: Annotated[str, Field(pattern="^a", description="Text.")]


class Untyped(BaseModel):
    """Has a field that can be anything."""

    anything: Any = Field(description="Whatever.")


class Either(BaseModel):
    """Has a field of two types."""

    either: int | str = Field(description="Two types.")


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (Undescribed, "Undescribed.mute: no description"),
        (Patterned, r"Patterned.text: keywords \['pattern'\]"),
        (Untyped, "Untyped.anything: type None"),
        (Either, "Either.either: more than one type"),
    ],
)
def test_a_model_that_makes_no_crd_is_refused(model: type[BaseModel], complaint: str) -> None:
    """The complaint names the field."""

    with pytest.raises(ValueError, match=complaint):
        structural(model)


def test_check_accepts_the_files_that_were_just_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writing says what it wrote, once."""

    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("wrote ") == 3
    assert main(["--check", str(tmp_path)]) == 0
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_stale_or_missing_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` leaves the file as it is."""

    main([str(tmp_path)])
    edited, gone = tmp_path / "capabilities.yaml", tmp_path / "capabilityscans.yaml"
    edited.write_text("edited")
    gone.unlink()

    assert main(["--check", str(tmp_path)]) == 1
    complaints = capsys.readouterr().err
    assert f"{edited} is not what the models say; run `make render`" in complaints
    assert str(gone) in complaints
    assert edited.read_text() == "edited"
