"""What every provider owes the engine. A new one joins by its factory in PROVIDERS."""

from collections.abc import Callable

import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.inference.offline.heuristic import OfflineAnalysis
from capscan.model import Analysis, Completion
from capscan.scan.ports import Provider
from tests.builders import crd, wide
from tests.fakes import flight

Factory = Callable[[], Provider]

PROVIDERS: dict[str, Factory] = {"offline": OfflineAnalysis}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=list(PROVIDERS.values()), ids=list(PROVIDERS))
def factory(request: pytest.FixtureRequest) -> Factory:
    made: Factory = request.param
    return made


def digest(**options: object) -> Digest:
    body = crd(**options)  # type: ignore[arg-type]
    return digest_crd(parse_crd(body))


def odd_digests() -> dict[str, Digest]:
    """What clusters hold besides the ordinary."""
    no_schema, open_root = crd(), crd()
    del no_schema["spec"]["versions"][0]["schema"]
    open_root["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return {
        "plain": digest(),
        "no schema": digest_crd(parse_crd(no_schema)),
        "open root": digest_crd(parse_crd(open_root)),
        "not served": digest(versions=[{"name": "v1", "served": False}]),
        "no version": digest(versions=[]),
        "large": digest(schema=wide(2_900_000)),
        "not ASCII": digest(description="Größe – 大きさ 𝕏"),
        "no description": digest(description=""),
        "nothing": digest_crd(parse_crd({})),
    }


def question(about: Digest) -> Question:
    """One of a scan that bounds nothing."""
    return Question(about, "all", 1)


async def test_it_says_who_it_is(factory: Factory) -> None:
    """Names are shown to users; the identity decides what is asked again."""
    provider = factory()

    assert provider.name
    assert provider.model
    assert provider.identity
    assert provider.identity == factory().identity


@pytest.mark.parametrize("case", odd_digests())
async def test_it_answers_every_digest(factory: Factory, case: str) -> None:
    """With an analysis that a person can read."""
    completion = await factory().complete(question(odd_digests()[case]), flight())

    assert isinstance(completion, Completion)
    found = completion.analysis
    assert found.description
    assert found.use_case
    assert found.capabilities
    assert Analysis.model_validate(found.to_wire()) == found


async def test_answers_do_not_depend_on_what_was_asked_before(factory: Factory) -> None:
    """One provider serves all workers of all runs."""
    provider = factory()
    first = await provider.complete(question(digest(plural="backups")), flight())
    await provider.complete(question(digest(plural="certificates")), flight())

    assert await provider.complete(question(digest(plural="backups")), flight()) == first
