"""One go at a run in this process: list, plan, then work the plan off.

A run may take several sessions: each suspend, edit, stall or restart ends one. The next one plans
anew from the store, so it needs nothing of this one but what was reported.
"""

import logging
from collections.abc import Callable, Iterable
from math import inf

import anyio

from capscan.core.answer import capability
from capscan.core.errors import InvalidBudget
from capscan.core.eta.forecast import Load, Throughput, add_item, eta_s
from capscan.core.money.budget import exhausted, needs_prices
from capscan.core.money.spending import Spending
from capscan.core.pace import Pace
from capscan.core.run import progress
from capscan.core.run.events import CrdFailed, ScanEvent, Settled
from capscan.core.run.plan import ScanPlan, plan
from capscan.core.run.progress import Tally
from capscan.core.status.rendering import Live
from capscan.model import Estimate, FailedItem, Phase, Run, ScanSpec, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.scan_status import FAILED_ITEMS_MAX
from capscan.scan.dry_run import Estimator
from capscan.scan.engine import PAID_GRACE_S, Engine, Settle
from capscan.scan.item import Settler
from capscan.scan.ports import Ports, Provider
from capscan.scan.within_budget import WithinBudget

logger = logging.getLogger(__name__)


class Session:
    """Works on `run` until it is done, stopped, or cannot go on."""

    def __init__(
        self,
        ports: Ports,
        *,
        scan: str,
        run: Run,
        spec: Callable[[], ScanSpec],
        before: Tally | None,
        spending: Spending,
        on_change: Callable[[], None],
    ) -> None:
        self._ports = ports
        self._scan = scan
        self._run = run
        self._spec = spec
        self._on_change = on_change
        self._discovering = anyio.CancelScope()
        self._engine: Engine | None = None
        self._plan: ScanPlan | None = None
        self._working_since_s: float | None = None
        self._before = before
        self._dry = run.dry_run
        self._estimator: Estimator | None = None
        self._throughput = Throughput()
        self._learnt = spending
        self._spending: WithinBudget | None = None
        self._budget = spec().budget
        self.provider: Provider | None = None
        self.tally = before
        self.stopped = False

    @property
    def spending(self) -> Spending:
        """What the budget has taught, in this session and before it."""
        return self._spending.spending if self._spending else self._learnt

    @property
    def planned(self) -> bool:
        """Whether the CRDs were listed."""
        return self._plan is not None

    @property
    def listed(self) -> int:
        """CRDs in the cluster; 0 before they were listed."""
        return self._plan.listed if self._plan else 0

    @property
    def working_s(self) -> float:
        """Seconds since the first item of this session was due."""
        since_s = self._working_since_s
        return 0.0 if since_s is None else anyio.current_time() - since_s

    @property
    def pace(self) -> Pace:
        """How fast the provider may be asked now."""
        if self.provider is None:
            return Pace()
        return self.provider.pace(self._scan, self._spec().priority.weight)

    @property
    def eta_s(self) -> float | None:
        """Seconds until the run is done; None while too little is known."""
        tally = self.tally
        if tally is None or self._working_since_s is None:
            return None
        now_s = anyio.current_time()
        load = Load(
            queued=max(0, tally.remaining - len(tally.in_flight)),
            ages_s=[now_s - at_s for at_s in tally.in_flight.values()],
            latencies=tally.latencies,
            in_vain=tally.in_vain,
            throughput=self._throughput,
        )
        return eta_s(load, self.pace, self._spec().parallelism, now_s)

    @property
    def live(self) -> Live:
        """What is to be said of it now."""
        return Live(
            tally=self.tally,
            working_s=self.working_s,
            eta_s=self.eta_s,
            pace=self.pace,
            provider=self.provider.name if self.provider else None,
            model=self.provider.model if self.provider else None,
        )

    @property
    def failed(self) -> bool:
        """Whether more items failed than the spec allows."""
        limit = self._spec().max_failed_percent
        return self.tally is not None and progress.too_many_failed(self.tally, limit)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do in this run."""
        if self._plan is None or self.tally is None:
            return False
        return self.tally.remaining == 0 or self.failed

    @property
    def final_phase(self) -> Phase:
        """How a finished run ended."""
        return progress.final_phase(self.tally or Tally(), self._spec().max_failed_percent)

    @property
    def estimate(self) -> Estimate | None:
        """What a run would take, once a dry run has found out."""
        if not (self._estimator and self.finished and self._plan):
            return None
        return self._estimator.estimate(self._plan.total)

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is in flight after `grace_s` seconds."""
        self.stopped = True
        self._discovering.cancel()
        if self._engine:
            self._engine.stop(grace_s)

    def obey(self) -> None:
        """The spec may say otherwise how many items may be in flight, and what they may use."""
        spec = self._spec()
        if self._engine:
            self._engine.resize(spec.parallelism)
        if self._engine and self._spending and spec.budget != self._budget:
            self._spending.look_again()
            if self._spending.is_overdrawn:
                # What is under way finishes; what has room all the same is planned once more.
                self._engine.stop(grace_s=inf)
        self._budget = spec.budget

    async def discover(self) -> None:
        """List and plan; Capabilities whose CRD is gone are removed. Raises ScanError."""
        with self._discovering:
            provider = await self._ports.providers.find(self._spec().provider_ref.name)
            self.provider = provider
            self._check_budget(provider)
            # Stored first: whatever is in that listing had its CRD before the CRDs are listed, so
            # one that is missing then is gone, not new.
            stored = await self._ports.store.list_refs()
            listed = await self._ports.crds.list_refs()
            todo = plan(listed, stored, self._spec(), self._run, provider.identity)
            if todo.pending and not self._dry:
                await self._ports.store.check()
            for orphan in () if self._dry else todo.orphaned:
                logger.info(
                    "%s: its CRD is gone, removing the Capability", orphan.name,
                    extra=self._fields(orphan.name),
                )  # fmt: skip
                await self._ports.store.remove(orphan)
            items = await self._failures(todo)
            self.tally = progress.start(todo, self._before, items)
            self._plan = todo

    def _check_budget(self, provider: Provider) -> None:
        if needs_prices(self._spec().budget) and not provider.is_priced:
            raise InvalidBudget(
                f"spec.budget.maxCost cannot be kept: the InferenceProvider {provider.name}, or a "
                "fallback of it, says no prices. Set its spec.pricing, or use "
                "spec.budget.maxTokens."
            )

    async def scan(self) -> None:
        """Work the plan off. Raises ScanError."""
        if self._plan is None or self.provider is None or self.stopped or self.failed:
            return
        self._engine = Engine(
            self._settler(self.provider), self._on_event, self._spec().parallelism
        )
        self._working_since_s = anyio.current_time()
        await self._engine.run(self._plan.pending)
        if not (self.finished or self.stopped):
            self._check_budget(self.provider)

    def _settler(self, provider: Provider) -> Settle:
        if self._dry:
            found = Estimator(self._ports, provider, scan=self._scan, spec=self._spec)
            self._estimator = found
            return found
        self._spending = within = WithinBudget(
            provider,
            budget=lambda: self._spec().budget,
            used=lambda: self._used,
            before=self._learnt,
            on_exhausted=self._out_of_budget,
        )
        return Settler(self._ports, within, scan=self._scan, run=self._run, spec=self._spec)

    @property
    def _used(self) -> Usage:
        return self.tally.usage if self.tally else NO_USAGE

    def _out_of_budget(self) -> None:
        if self._engine:
            self._engine.stop(grace_s=inf)

    def _on_event(self, event: ScanEvent) -> None:
        tally = self.tally = progress.fold(self.tally or Tally(), event)
        if isinstance(event, Settled):
            self._throughput = add_item(
                self._throughput,
                anyio.current_time(),
                pace=self.pace,
                parallelism=self._spec().parallelism,
                in_flight=len(tally.in_flight),
            )
        if isinstance(event, CrdFailed):
            item = event.item
            logger.warning(
                "%s: %s failed: %s: %s", self._scan, item.name, item.reason, item.message,
                extra=self._fields(item.name)
                | {"reason": item.reason, "attempts": item.attempts},
            )  # fmt: skip
            if self.failed and self._engine:
                self._engine.stop(PAID_GRACE_S)
        if self._engine and exhausted(self._spec().budget, self._used):
            self._engine.stop(grace_s=inf)
        self._on_change()

    def _fields(self, crd: str) -> dict[str, object]:
        """What a log line is about."""
        return {"scan": self._scan, "run": self._run.id, "crd": crd}

    async def _failures(self, todo: ScanPlan) -> Iterable[FailedItem]:
        """Details of what failed earlier in this run: reported ones first, then from the store."""
        shown = self._before.failed_items if self._before else ()
        items = {item.name: item for item in shown if item.name in todo.failed}
        for name in todo.failed:
            if len(items) >= FAILED_ITEMS_MAX:
                break
            if name in items:
                continue
            known = await self._ports.store.read(name)
            if known and known.last_attempt:
                items[name] = capability.failed_item(name, known.last_attempt)
        return items.values()
