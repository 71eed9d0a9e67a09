"""A real API server refuses each mistake in a CapabilityScan, and says what to write."""

from typing import Any

import pytest
import yaml

from tests.kubectl import Kubectl
from tests.manifests.asking import refusal, scan

GLOB = "only * and ? are wildcards"
LABEL = "write app.kubernetes.io/part-of: cert-manager"
ITEM_TIMEOUT = "write a duration from 1s to 1h, such as 90s or 2m30s"
AMOUNT = 'write a decimal number in quotes, with at most six decimals, such as "3" or "0.25"'
FIELDS = "write the five fields of a cron line"
ZONE = "write a name of the IANA database, such as Europe/Berlin, or UTC"
NAME = "an RFC 1123 subdomain); write the name of an InferenceProvider, such as anthropic, or none"
INTERVAL = "write a duration from 500ms to 10m, such as 2s"

BAD_SPECS: dict[str, tuple[Any, str, str]] = {
    "a provider's name with a space": (
        {"providerRef": {"name": "Fake Provider"}},
        'spec.providerRef.name: Invalid value: "Fake Provider"',
        NAME,
    ),
    "a provider's name in upper case": (
        {"providerRef": {"name": "Anthropic"}},
        "spec.providerRef.name",
        NAME,
    ),
    "a provider's name that ends in a dash": (
        {"providerRef": {"name": "anthropic-"}},
        "spec.providerRef.name",
        NAME,
    ),
    "a provider's name with two dots in a row": (
        {"providerRef": {"name": "claude..haiku"}},
        "spec.providerRef.name",
        NAME,
    ),
    "a glob with a character class": (
        {"selector": {"include": ["*", "[ab]*"]}},
        'spec.selector.include[1]: Invalid value: "[ab]*"',
        GLOB,
    ),
    "a glob in upper case": (
        {"selector": {"exclude": ["*.Cert-Manager.io"]}},
        "spec.selector.exclude[0]",
        "write *.cert-manager.io",
    ),
    "an empty glob": (
        {"selector": {"include": [""]}},
        "spec.selector.include[0]",
        "should be at least 1 chars long",
    ),
    "no glob at all": (
        {"selector": {"include": []}},
        "spec.selector.include",
        "should have at least 1 items",
    ),
    "a glob that is not in a list": (
        {"selector": {"include": "*"}},
        "spec.selector.include",
        'must be of type array: "string"',
    ),
    "a label key with a space": (
        {"selector": {"matchLabels": {"a b": "x"}}},
        "spec.selector.matchLabels",
        LABEL,
    ),
    "a label key whose prefix no domain has": (
        {"selector": {"matchLabels": {"app..io/part-of": "x"}}},
        "spec.selector.matchLabels",
        LABEL,
    ),
    "a label value with a wildcard": (
        {"selector": {"matchLabels": {"app": "x*"}}},
        "spec.selector.matchLabels",
        LABEL,
    ),
    "nothing in flight": (
        {"parallelism": 0},
        "spec.parallelism",
        "should be greater than or equal to 1",
    ),
    "too much in flight": (
        {"parallelism": 5000},
        "spec.parallelism",
        "should be less than or equal to 256",
    ),
    "a number in quotes": (
        {"parallelism": "10"},
        "spec.parallelism",
        'must be of type integer: "string"',
    ),
    "no attempts": ({"maxAttempts": 0}, "spec.maxAttempts", "greater than or equal to 1"),
    "over a hundred percent": (
        {"maxFailedPercent": 101},
        "spec.maxFailedPercent",
        "should be less than or equal to 100",
    ),
    "words for a duration": ({"itemTimeout": "2 minutes"}, "spec.itemTimeout", ITEM_TIMEOUT),
    "an empty duration": ({"itemTimeout": ""}, "spec.itemTimeout", ITEM_TIMEOUT),
    "a duration too short": ({"itemTimeout": "100ms"}, "spec.itemTimeout", ITEM_TIMEOUT),
    "a duration too long": ({"itemTimeout": "1h1s"}, "spec.itemTimeout", ITEM_TIMEOUT),
    "a negative duration": ({"itemTimeout": "-5s"}, "spec.itemTimeout", ITEM_TIMEOUT),
    "a duration no clock holds": ({"itemTimeout": "99999999999h"}, "itemTimeout", ITEM_TIMEOUT),
    "a duration without unit": (
        {"itemTimeout": 120},
        "spec.itemTimeout",
        'must be of type string: "integer"',
    ),
    "a status write each millisecond": (
        {"progressInterval": "1ms"},
        'spec.progressInterval: Invalid value: "1ms"',
        INTERVAL,
    ),
    "a status write each hour": ({"progressInterval": "1h"}, "spec.progressInterval", INTERVAL),
    "a word that refresh does not know": (
        {"refresh": "Sometimes"},
        'spec.refresh: Unsupported value: "Sometimes"',
        '"IfChanged", "Always"',
    ),
    "a yes that is no boolean": (
        {"suspend": "yes"},
        "spec.suspend",
        'must be of type boolean: "string"',
    ),
    "a text too long": ({"rescan": "x" * 254}, "spec.rescan", "may not be more than 253 bytes"),
    "a field misspelt": (
        {"paralelism": 3},
        "strict decoding error",
        'unknown field "spec.paralelism"',
    ),
    "a field of a later version": (
        {"batching": {"maxItems": 3}},
        "strict decoding error",
        'unknown field "spec.batching"',
    ),
    "a schedule by name": ({"schedule": "@daily"}, "spec.schedule", FIELDS),
    "a schedule of six fields": ({"schedule": "0 0 3 * * *"}, "spec.schedule", FIELDS),
    "a schedule in words": ({"schedule": "every day at 3:00"}, "spec.schedule", FIELDS),
    "a schedule too long": (
        {"schedule": "0 3 * * " + ",".join(["1"] * 50)},
        "spec.schedule",
        "may not be more than 100 bytes",
    ),
    "a budget in words": ({"budget": {"maxCost": "10 euros"}}, "spec.budget.maxCost", AMOUNT),
    "a negative budget": ({"budget": {"maxCost": "-1"}}, "spec.budget.maxCost", AMOUNT),
    "a budget of less than nothing": (
        {"budget": {"maxTokens": -1}},
        "spec.budget.maxTokens",
        "greater than or equal to 0",
    ),
    "an empty time zone": ({"timeZone": ""}, "spec.timeZone", ZONE),
    "an offset for a time zone": ({"timeZone": "+02:00"}, "spec.timeZone", ZONE),
    "a path for a time zone": ({"timeZone": "../etc/passwd"}, "spec.timeZone", ZONE),
}


@pytest.mark.parametrize(("spec", "where", "what"), BAD_SPECS.values(), ids=BAD_SPECS)
def test_bad_input_is_refused_with_a_message(
    installed: Kubectl, spec: dict[str, Any], where: str, what: str
) -> None:
    """The message names the field and says what to write."""
    said = refusal(installed, "apply", "-f", "-", manifest=scan("crds-bad", spec=spec))

    assert where in said
    assert what in said


def test_two_mistakes_are_reported_together(installed: Kubectl) -> None:
    """One round of corrections is enough."""
    spec = {"itemTimeout": "2h", "selector": {"include": ["{a,b}.example.com"]}}

    said = refusal(installed, "apply", "-f", "-", manifest=scan("crds-bad", spec=spec))

    assert ITEM_TIMEOUT in said
    assert GLOB in said


@pytest.mark.parametrize(
    "spec",
    [
        {"providerRef": {"name": ""}},
        {"providerRef": {"name": "claude-4.5-haiku"}},
        {"schedule": ""},
        {"schedule": "*/15 8-18 * JAN,feb mon#1", "timeZone": "America/Argentina/Buenos_Aires"},
        {"schedule": "0 3 L * *", "timeZone": "Etc/GMT+9"},
        {"selector": {"include": ["a.example.com"], "exclude": ["*"]}},
        {"suspend": True, "rescan": "x" * 253},
    ],
)
def test_a_spec_that_makes_sense_is_accepted(installed: Kubectl, spec: dict[str, Any]) -> None:
    """A selector that excludes all it includes is accepted: the status reports it."""
    body = yaml.safe_dump(scan("crds-good", spec=spec))

    assert "created" in installed("apply", "--dry-run=server", "-f", "-", input=body)
