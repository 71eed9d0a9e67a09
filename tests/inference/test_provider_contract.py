"""What every provider owes the engine. A new one joins by its opener in PROVIDERS."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.inference.accounts.registry import Accounts
from capscan.inference.offline.heuristic import OfflineAnalysis
from capscan.model import Analysis, Completion, InferenceProvider, ObjectMeta, SecretKeyRef
from capscan.model.api_key import ApiKey
from capscan.scan.ports import Provider
from tests.builders import crd, wide
from tests.fakes import flight
from tests.inference.accounts.keepers import KEY, Sink, provider
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.server import ModelServer

Open = Callable[[], AbstractAsyncContextManager[Provider]]


@asynccontextmanager
async def offline() -> AsyncIterator[Provider]:
    yield OfflineAnalysis()


@asynccontextmanager
async def paid(protocol: str) -> AsyncIterator[Provider]:
    """The way of a scan's questions over a keeper to a model server, over real HTTP. That caches no
    prompts, since what an answer costs would depend on what was asked before.
    """

    async def read_key(_: SecretKeyRef) -> ApiKey:
        return ApiKey(KEY)

    def sink(_: InferenceProvider) -> Sink:
        return Sink()

    behaviour = Behaviour(keys=(KEY,), cache_tokens_min=10**9)
    async with ModelServer(behaviour) as server, anyio.create_task_group() as group:
        accounts = Accounts(
            group,
            read_key=read_key,
            sink=sink,
            tell=lambda *_: None,
            now=lambda: datetime.now(UTC),
        )
        accounts.observe(provider(server.url, protocol=protocol))
        yield await accounts.find("model", ObjectMeta(name="all", uid="s1"))
        group.cancel_scope.cancel()


PROVIDERS: dict[str, Open] = {
    "offline": offline,
    "paid, Anthropic": partial(paid, "Anthropic"),
    "paid, OpenAI": partial(paid, "OpenAI"),
}

pytestmark = pytest.mark.anyio


@pytest.fixture(params=list(PROVIDERS.values()), ids=list(PROVIDERS))
def opened(request: pytest.FixtureRequest) -> Open:
    opener: Open = request.param
    return opener


def digest(**options: object) -> Digest:
    body = crd(**options)  # type: ignore[arg-type]
    return digest_crd(parse_crd(body))


def odd_digests() -> dict[str, Digest]:
    """Return digests of CRDs that clusters hold besides the ordinary ones."""
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
    """Return a question of a scan that bounds nothing."""
    return Question(about, "all", 1)


async def test_it_says_who_it_is(opened: Open) -> None:
    """Names are shown to users; the identity decides what is asked again."""
    async with opened() as asked, opened() as again:
        assert asked.name
        assert asked.model
        assert asked.identity
        assert asked.identity == again.identity


@pytest.mark.parametrize("case", odd_digests())
async def test_it_answers_every_digest(opened: Open, case: str) -> None:
    """The answer is an analysis that a person can read."""
    async with opened() as asked:
        completion = await asked.complete(question(odd_digests()[case]), flight())

        assert isinstance(completion, Completion)
        assert completion.identity == asked.identity
    found = completion.analysis
    assert found.description
    assert found.use_case
    assert found.capabilities
    assert Analysis.model_validate(found.to_wire()) == found


async def test_answers_do_not_depend_on_what_was_asked_before(opened: Open) -> None:
    """One provider serves all workers of all runs."""
    async with opened() as asked:
        first = await asked.complete(question(digest(plural="backups")), flight())
        await asked.complete(question(digest(plural="certificates")), flight())

        assert await asked.complete(question(digest(plural="backups")), flight()) == first
