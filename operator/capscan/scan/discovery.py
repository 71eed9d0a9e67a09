"""The first half of a session: list CRDs and Capabilities, and plan what is to be asked.

What the plan leads to is done in `work.py`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from capscan.core.answer import capability
from capscan.core.errors import InvalidBudget
from capscan.core.money.budget import needs_prices
from capscan.core.run import progress
from capscan.core.run.plan import ScanPlan, plan
from capscan.core.run.progress import Tally
from capscan.model import FailedItem, ScanSpec
from capscan.model.scan_status import FAILED_ITEMS_MAX
from capscan.scan.job import Job
from capscan.scan.ports import Provider

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a session has to work on."""

    provider: Provider
    plan: ScanPlan
    tally: Tally
    """The counts before the first item is settled."""


async def discover(job: Job, provider: Provider, *, writes: bool) -> Discovery:
    """List and plan. A run that `writes` checks first that the store lets it, and removes the
    Capabilities whose CRD is gone. Raises ScanError.
    """
    check_budget(job.spec(), provider)
    # Capabilities are listed first: whatever is in that listing had its CRD before the CRDs are
    # listed, so one that is missing then is gone, not new.
    stored = await job.ports.store.list_refs()
    listed = await job.ports.crds.list_refs()
    todo = plan(listed, stored, job.spec(), job.run, provider.identity)
    if writes:
        await _prepare_store(job, todo)
    failures = await _failures(job, todo)
    return Discovery(provider, todo, progress.start(todo, job.before, failures))


def check_budget(spec: ScanSpec, provider: Provider) -> None:
    """Raise InvalidBudget where the budget is in money, and the provider says no prices."""
    if needs_prices(spec.budget) and not provider.is_priced:
        raise InvalidBudget(
            f"spec.budget.maxCost cannot be kept: the InferenceProvider {provider.name}, or a "
            "fallback of it, says no prices. Set its spec.pricing, or use "
            "spec.budget.maxTokens."
        )


async def _prepare_store(job: Job, todo: ScanPlan) -> None:
    if todo.pending:
        await job.ports.store.check()
    for orphan in todo.orphaned:
        logger.info(
            "%s: its CRD is gone, removing the Capability",
            orphan.name,
            extra=job.fields(orphan.name),
        )
        await job.ports.store.remove(orphan)


async def _failures(job: Job, todo: ScanPlan) -> Iterable[FailedItem]:
    """Return what failed earlier in this run: first what a status showed, then from the store."""
    shown = job.before.failed_items if job.before else ()
    items = {item.name: item for item in shown if item.name in todo.failed}
    for name in todo.failed:
        if len(items) >= FAILED_ITEMS_MAX:
            break
        if name in items:
            continue
        known = await job.ports.store.read(name)
        if known and known.last_attempt:
            items[name] = capability.failed_item(name, known.last_attempt)
    return items.values()
