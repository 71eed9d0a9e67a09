"""Objects with every field set, which the API server is to store without a change."""

from datetime import UTC, datetime, timedelta

from capscan.model import (
    Analysis,
    Capability,
    Complexity,
    Condition,
    Estimate,
    FailedItem,
    FinishedRun,
    LastAttempt,
    Phase,
    Progress,
    Provenance,
    Resource,
    Run,
    RunLatency,
    RunUsage,
    ScanSpec,
    ScanStatus,
    Selector,
    Summary,
    Trigger,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

FULL_SPEC = ScanSpec(
    selector=Selector(
        include=["*.cert-manager.io", "postgres?.acid.zalan.do"],
        exclude=["challenges.*"],
        match_labels={"app.kubernetes.io/part-of": "cert-manager", "tier": "", "Team": "a_B.c-1"},
    ),
    parallelism=256,
    max_attempts=20,
    item_timeout=timedelta(hours=1),
    max_failed_percent=0,
    rescan="2026-01-01",
    progress_interval=timedelta(milliseconds=500),
)

FULL_STATUS = ScanStatus(
    observed_generation=3,
    phase=Phase.COMPLETED_WITH_FAILURES,
    message="m" * 1024,
    run=Run(
        id="r2",
        trigger=Trigger.SPEC_CHANGED,
        inputs_hash="abc",
        owner="capscan-0",
        start_time=NOW,
        completion_time=NOW,
        duration=timedelta(seconds=150),
        resumed=1,
    ),
    last_handled_rescan="1",
    last_handled_requested_at="2",
    progress=Progress(
        total=4,
        completed=1,
        unchanged=1,
        failed=1,
        skipped=1,
        in_flight=0,
        percent=100,
        summary="4/4",
        failed_by_reason={"Timeout": 1},
    ),
    eta="3m20s",
    estimated_completion_time=NOW,
    provider="builtin",
    model="rules-1",
    throughput_per_minute=12.5,
    latency=RunLatency(average="1.8s", p50="1.5s", p95="4.2s"),
    speedup=9.5,
    usage=RunUsage(
        requests=5,
        input_tokens=9_000,
        cached_input_tokens=3_000,
        output_tokens=1_200,
        total_tokens=10_200,
        cost="0.045",
    ),
    estimate=Estimate(
        crds=4,
        items=2,
        requests=2,
        input_tokens=4_000,
        output_tokens=600,
        cost="0.021",
        duration=timedelta(seconds=6),
    ),
    last_handled_schedule="0 3 * * * UTC",
    next_schedule_time=NOW,
    in_flight=["a.example.com"],
    failed_items=[
        FailedItem(
            name="b.example.com",
            reason="Timeout",
            message="took too long",
            attempts=4,
            retryable=True,
            time=NOW,
        )
    ],
    failed_items_omitted=2,
    last_run=FinishedRun(
        id="r1", phase=Phase.COMPLETED, start_time=NOW, completion_time=NOW, summary="3/3", failed=0
    ),
    conditions=[
        Condition(
            type="Ready",
            status="True",
            observed_generation=3,
            last_transition_time=NOW,
            reason="SomeItemsFailed",
            message="1 of 4 CRDs failed",
        )
    ],
)

CAPABILITY = Capability(
    resource=Resource(
        group="crds-test.example",
        kind="Widget",
        plural="widgets",
        scope="Namespaced",
        version="v1",
        versions=["v1", "v1beta1"],
    ),
    summary=Summary(providers="AWS, Postgres", description="Makes widgets"),
    analysis=Analysis(
        capabilities=["make widgets"],
        providers=["AWS", "Postgres"],
        abstractions=["Widget"],
        complexity=Complexity.LOW,
        description="Makes widgets.",
        use_case="When a widget is needed.",
        confidence=0.25,
    ),
    provenance=Provenance(
        scan="crds-test",
        run_id="r1",
        provider="builtin",
        model="rules-1",
        digest_version=1,
        fingerprint="abc",
        crd_uid="u",
        crd_generation=1,
        analyzed_at=NOW,
        attempts=1,
    ),
    last_attempt=LastAttempt(
        run_id="r2", reason="Timeout", message="slow", attempts=4, retryable=True, time=NOW
    ),
)
