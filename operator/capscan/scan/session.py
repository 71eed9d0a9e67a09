"""One go at a run in this process: list, plan, then work the plan off.

A run may take several sessions: each suspend, edit, stall or restart ends one. The next one plans
anew from the store, so it needs nothing of this one but what was reported. The two halves are in
`discovery.py` and `work.py`.
"""

from collections.abc import Callable

import anyio

from capscan.core.money.spending import Spending
from capscan.core.pace import Pace
from capscan.core.run import progress
from capscan.core.run.progress import Tally
from capscan.core.status.rendering import Live
from capscan.model import Estimate, Phase
from capscan.scan.discovery import check_budget, discover
from capscan.scan.job import Job
from capscan.scan.mode import mode_of
from capscan.scan.ports import Provider
from capscan.scan.work import Work


class Session:
    """Works on the run of `job` until it is done, stopped, or cannot go on."""

    def __init__(self, job: Job, on_change: Callable[[], None]) -> None:
        self.stopped = False
        self._job = job
        self._mode = mode_of(dry_run=job.run.dry_run)
        self._on_change = on_change
        self._discovering = anyio.CancelScope()
        self._provider: Provider | None = None
        """None until it was found."""
        self._work: Work | None = None
        """None until the CRDs were listed."""

    @property
    def tally(self) -> Tally | None:
        """The counts of the run; None before there are any."""
        return self._work.tally if self._work else self._job.before

    @property
    def tally_to_keep(self) -> Tally | None:
        """The counts that the next session goes on from; None in a mode that does not count."""
        return self.tally if self._mode.counts else None

    @property
    def spending(self) -> Spending:
        """What the budget has taught, in this session and before it."""
        return self._work.mode.spending if self._work else self._job.spending

    @property
    def planned(self) -> bool:
        """Whether the CRDs were listed."""
        return self._work is not None

    @property
    def listed(self) -> int:
        """CRDs in the cluster; 0 before they were listed."""
        return self._work.found.plan.listed if self._work else 0

    @property
    def live(self) -> Live:
        """What the status says of it now."""
        work, provider = self._work, self._provider
        return Live(
            tally=self.tally,
            working_s=work.working_s if work else 0.0,
            eta_s=work.eta_s if work else None,
            pace=self._job.pace(provider) if provider else Pace(),
            provider=provider.name if provider else None,
            model=provider.model if provider else None,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do in this run."""
        return self._work is not None and self._work.finished

    @property
    def final_phase(self) -> Phase:
        """How a finished run ended."""
        limit = self._job.spec().max_failed_percent
        return progress.final_phase(self.tally or Tally(), limit)

    @property
    def estimate(self) -> Estimate | None:
        """What a run would take, once a rehearsal has found out."""
        work = self._work
        return work.mode.estimate(work.found.plan.total) if work and work.finished else None

    def stop(self, grace_s: float) -> None:
        """Start nothing more; give up what is in flight after `grace_s` seconds."""
        self.stopped = True
        self._discovering.cancel()
        if self._work:
            self._work.stop(grace_s)

    def obey(self) -> None:
        """Obey the newest spec as far as it concerns what is under way."""
        if self._work:
            self._work.obey()

    async def discover(self) -> None:
        """List and plan. Raises ScanError."""
        job = self._job
        with self._discovering:
            self._provider = await job.ports.providers.find(job.spec().provider_ref.name, job.about)
            found = await discover(job, self._provider, writes=self._mode.writes)
            self._work = Work(job, found, self._mode, self._on_change)

    async def scan(self) -> None:
        """Work the plan off. Raises ScanError."""
        work = self._work
        if work is None or self.stopped:
            return
        await work.run()
        if not (self.finished or self.stopped):
            check_budget(self._job.spec(), work.found.provider)
