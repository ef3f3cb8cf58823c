"""Rate limits as the upstream computes them, and upstream clocks that differ from ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pulse.errors import RateLimited
from pulse.warehouse.runs import record_run
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


def github_only(pipeline: Pipeline) -> Pipeline:
    pipeline.integrations = pipeline.integrations[:1]
    return pipeline


def test_an_hours_budget_is_spent_and_the_rest_is_read_in_the_next_hour(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    """At 12:40 the hour's 15 points are used up. The run says that it resumes at 13:00, and does."""
    pipeline = github_only(Pipeline.of(db, sandbox.url, "acme", repositories=["portal"]))
    calm = pipeline.copy_of(db, "calm")
    sandbox.set_clock("2026-06-30T12:40:00+00:00")
    calm.extract()
    sandbox.reset()
    sandbox.set_clock("2026-06-30T12:40:00+00:00")
    sandbox.set(limit=15)
    with pytest.raises(RateLimited) as caught:
        pipeline.extract()
    assert 1190 < (caught.value.resume_at - datetime.now(UTC)).total_seconds() < 1210
    # A call without budget would count against other limits, so the client stops before.
    assert sandbox.counters()["points"]["acme"] <= 30
    hours = 1
    while True:
        sandbox.set_clock(f"2026-06-30T{12 + hours}:40:00+00:00")
        try:
            pipeline.extract()
            break
        except RateLimited:
            hours += 1
            assert hours < 8
    assert hours >= 2
    sandbox.set(limit=5000)
    sandbox.set_clock("2026-07-01T12:40:00+00:00")
    pipeline.extract()
    calm.extract()
    now = datetime(2026, 7, 1, 12, 40, tzinfo=UTC)
    assert pipeline.comparable(now) == calm.comparable(now)


def test_limits_per_minute_are_obeyed(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """900 REST points per minute: the sandbox refuses with 403 and Retry-After 60; the client waits or defers."""
    sandbox.set(secondary=True, others_points=900)
    monkeypatch.setattr("pulse.sources.http.MAX_WAIT_SECONDS", 50.0)
    pipeline = github_only(Pipeline.of(db, sandbox.url, "acme", repositories=["portal"]))
    with pytest.raises(RateLimited) as caught:
        pipeline.extract()
    assert 50 < (caught.value.resume_at - datetime.now(UTC)).total_seconds() <= 61


def test_a_run_records_the_remaining_budget_and_when_it_resumes(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = github_only(Pipeline.of(db, sandbox.url, "acme", repositories=["portal"]))
    conn = db.connect("pulse_etl")
    resume_at = datetime(2026, 7, 1, tzinfo=UTC)

    def run() -> None:
        with record_run(conn, client_id=pipeline.client_id, dag_run_id="r", task_id="t") as stats:
            stats.note_budget(7)
            stats.note_budget(12)
            stats.warn("the token ends soon")
            raise RateLimited(client="acme", source="github", message="no budget", resume_at=resume_at)

    with pytest.raises(RateLimited):
        run()
    assert pipeline.rows("select state, budget_remaining, resume_at, warnings from core.etl_runs") == [
        ("deferred", 7, resume_at, ["the token ends soon"])
    ]


@pytest.mark.parametrize("skew", [-200, 200])
def test_a_date_header_that_is_off_by_minutes_loses_nothing(
    db: TestDatabase, sandbox: SandboxServer, skew: int
) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    sandbox.set_clock("2026-06-20T10:00:00+00:00")
    sandbox.set(skew_seconds=skew)
    pipeline.extract()
    for moment in ("2026-06-22T10:00:00", "2026-06-22T10:02:00", "2026-06-25T16:00:00", "2026-06-26T16:03:00"):
        sandbox.set_clock(f"{moment}+00:00")
        sandbox.mutate(
            "acme", 7, 4, actions=["review", "edit", "deploy", "open_issue", "move_issue"], repository="portal"
        )
        pipeline.extract()
    sandbox.set(skew_seconds=0)
    full = pipeline.copy_of(db, "full")
    full.extract()
    now = datetime(2026, 6, 26, 16, 3, tzinfo=UTC)
    assert pipeline.comparable(now) == full.comparable(now)
