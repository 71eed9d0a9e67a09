"""Pins the keys under which answers are stored, as version 0.1 computed them.

Answers that 0.1 stored must stay valid: a key that changes asks every CRD of every cluster again,
and bills for it. So a change of these values needs a reason, and one of the two versions raised.
"""

from datetime import UTC, datetime

import pytest

from capscan.core.answer.prompt import PROMPT_VERSION
from capscan.core.crd.digest import DIGEST_VERSION, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.run.plan import fingerprint, inputs_hash, plan_key
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connections
from capscan.inference.offline.heuristic import OfflineAnalysis
from capscan.model import CrdRef, ProviderSpec, ProviderStatus, ScanSpec, SecretKeyRef
from capscan.model.api_key import ApiKey
from capscan.model.provider import ApiProtocol
from tests.core.crd.golden_crds import GOLDEN


async def no_key(_: SecretKeyRef) -> ApiKey:
    raise AssertionError


def identities() -> dict[str, str]:
    """What each kind of provider calls itself in a key."""
    spec = ProviderSpec(protocol=ApiProtocol.ANTHROPIC, model="claude-haiku-4-5")
    allowance = Allowance("claude", spec, ProviderStatus(), lambda: datetime.now(UTC))
    paid = Account("claude", spec, Connections(), no_key, allowance)
    return {"offline": OfflineAnalysis().identity, "paid": paid.identity}


def ref(name: str) -> CrdRef:
    return CrdRef(name=f"{name}.example.com", uid=f"uid-of-{name}", generation=7)


def test_the_versions_that_are_part_of_every_key_are_those_of_0_1() -> None:
    assert (DIGEST_VERSION, PROMPT_VERSION) == (1, 1)


def test_the_identities_that_are_part_of_every_key_are_those_of_0_1() -> None:
    assert identities() == {"offline": "offline/rules/1", "paid": "claude/claude-haiku-4-5/1"}


@pytest.mark.parametrize(
    ("name", "asked", "key"),
    [
        ("plain", "offline", "576d7369ede488fe55f5"),
        ("plain", "paid", "366d7cf5236685fae4b9"),
        ("passport", "offline", "8a39aa8eaa08618b9396"),
        ("passport", "paid", "4ccbfe6dc571548ffe91"),
        ("no-schema", "offline", "4fd5a65d0a72b8c8579c"),
        ("no-schema", "paid", "00ea2e55c27066959b58"),
    ],
)
def test_a_golden_crd_has_the_fingerprint_of_0_1(name: str, asked: str, key: str) -> None:
    digest = digest_crd(parse_crd(GOLDEN[name]))

    assert fingerprint(digest, identities()[asked]) == key


@pytest.mark.parametrize(
    ("name", "asked", "key"),
    [
        ("plain", "offline", "c494fc671799b8fe46e6"),
        ("plain", "paid", "a6f0a356291a50d89fcb"),
        ("passport", "offline", "9db883514e448cf4a0a2"),
        ("passport", "paid", "4dbc16c4bb56779164ee"),
    ],
)
def test_a_crd_has_the_plan_key_of_0_1(name: str, asked: str, key: str) -> None:
    assert plan_key(ref(name), identities()[asked]) == key


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({}, "d18085fb2e785e5ea654"),
        ({"providerRef": {"name": "claude"}}, "5a3914ef44f48a987e62"),
        (
            {
                "selector": {
                    "include": ["*.example.com", "a*"],
                    "exclude": ["b*"],
                    "matchLabels": {"team": "a"},
                },
                "refresh": "Always",
                "dryRun": True,
            },
            "d725ade85f4e5aba5a0a",
        ),
    ],
)
def test_a_scan_has_the_inputs_hash_of_0_1(spec: dict[str, object], key: str) -> None:
    assert inputs_hash(ScanSpec.model_validate(spec)) == key
