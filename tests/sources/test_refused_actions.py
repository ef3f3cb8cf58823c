"""Workflow runs, their jobs and the count are optional: one that fails is told, and asked for again alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.github import PERMISSION, count, forbidden, github, numbers_come

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["workflow_runs"], None),
        (["workflow_runs", 0], None),
        (["workflow_runs", 0, "id"], None),
        (["workflow_runs", 0, "status"], None),
        (["workflow_runs", 0, "run_attempt"], 10**12),
        (["workflow_runs", 0, "created_at"], "2026-W05-1"),
        (["workflow_runs", 0, "actor"], None),
        (["total_count"], None),
    ],
)
def test_odd_workflow_runs_hold_nothing_else_up(
    db: TestDatabase, sandbox: SandboxServer, place: list[Any], value: Any
) -> None:
    pipeline, calm = github(db, sandbox), github(db, sandbox, slug="calm")
    calm.extract()
    sandbox.add_fault(path_regex="actions/runs$", count=50, changes=[{"path": place, "value": value}])
    pipeline.extract()
    assert count(pipeline, "pull_requests") == count(calm, "pull_requests")
    if place != ["workflow_runs"]:
        kept = pipeline.rows("select count(*) from raw.rejects where entity = 'github_workflow_runs'")[0][0]
        missing = count(calm, "workflow_runs") - count(pipeline, "workflow_runs")
        # A run that is odd in one list may be read well in another. Entries without an id look alike, and are one reject.
        assert 0 <= missing <= (kept if place[-1] not in (0, "id") else missing * kept)
        assert kept == 0 or value is not None or place[-1] in (0, "id")
    numbers_come(pipeline)
    pipeline.extract()  # what is stored of it stops no later run


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 200, "body": {"data": None, "errors": [{"message": "Something went wrong"}]}},
        {"status": 200, "body": "{ broken"},
        {"changes": [{"path": ["data", "nodes", "*", "checkSuite", "checkRuns"], "value": None}]},
    ],
)
def test_jobs_that_fail_are_asked_for_again_alone(
    db: TestDatabase, sandbox: SandboxServer, fault: dict[str, Any]
) -> None:
    pipeline, calm = github(db, sandbox), github(db, sandbox, slug="calm")
    calm.extract()
    sandbox.add_fault(path_regex="graphql", body_regex=r"query Jobs\(", count=10_000, **fault)
    (warning,) = pipeline.extract().warnings
    assert "the jobs of some workflow runs could not be read, everything else was" in warning
    assert count(pipeline, "workflow_runs") == count(calm, "workflow_runs")
    assert count(pipeline, "workflow_jobs") == 0
    sandbox.faults_end()
    sandbox.set_clock("2026-06-30T14:00:00+00:00")
    pipeline.extract()
    assert count(pipeline, "workflow_jobs") == count(calm, "workflow_jobs")


def test_jobs_that_are_forbidden_are_no_reason_for_a_visit(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = github(db, sandbox)
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=r"query Jobs\(",
        count=10_000,
        changes=[{"path": ["data", "nodes", "*", "checkSuite"], "value": None}],
        errors=[forbidden(["nodes", place, "checkSuite"], PERMISSION) for place in range(100)],
    )
    (warning,) = pipeline.extract().warnings
    assert PERMISSION in warning
    for hour in (14, 15):
        sandbox.set_clock(f"2026-06-30T{hour}:00:00+00:00")
        pipeline.extract()
    before = sandbox.calls()
    pipeline.extract()
    assert sandbox.calls() - before == 1


def test_a_count_that_fails_every_week_reads_nothing_anew(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = github(db, sandbox)
    pipeline.extract()
    sandbox.set_clock("2026-07-08T12:00:00+00:00")
    sandbox.add_fault(path_regex="graphql", body_regex="query Census", count=10_000, status=500)
    assert "census could not be read" in " ".join(pipeline.extract().warnings)
    sandbox.set_clock("2026-07-08T20:00:00+00:00")
    before = sandbox.counters()["calls"].get("/github/graphql", 0)
    assert "census could not be read" in " ".join(pipeline.extract().warnings)
    assert sandbox.counters()["calls"].get("/github/graphql", 0) - before <= 3
    sandbox.faults_end()
    assert pipeline.extract().warnings == []
    assert pipeline.rows("select count(*) > 0 from core.etl_census where counted_at is not null") == [(True,)]
