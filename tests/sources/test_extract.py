"""Extraction of the sandbox over HTTP into a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from pulse.errors import AccessLost, AuthError, RateLimited
from pulse.sources.base import Credential
from pulse.sources.github.extract import GitHubSource
from pulse.sources.jira.extract import JiraSource
from tests.conftest import FIXTURES, ROOT, SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

EARLIER, LATER = "2026-06-10T12:00:00+00:00", "2026-06-30T12:00:00+00:00"


def test_a_second_sync_of_an_unchanged_world_writes_nothing(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    first = pipeline.extract()
    assert first.rows_written > 1000
    assert first.rows_rejected == 0
    second = pipeline.extract()
    assert second.rows_written == 0
    assert second.api_calls < first.api_calls


def test_a_page_of_pull_requests_costs_one_point(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "techcorp", repositories=["checkout"])
    pipeline.integrations[0][0].config["workflow_runs"] = False
    stats = pipeline.extract(("github",))
    assert stats.api_points <= stats.api_calls
    pulls = pipeline.rows("select count(*) from raw.github_pull_requests")[0][0]
    assert pulls > 300
    assert stats.api_calls < pulls / 24 + 40


def test_increments_give_the_tables_of_a_full_read(db: TestDatabase, sandbox: SandboxServer) -> None:
    """Days pass between two syncs: pull requests are reviewed and merged, deployments end, issues move."""
    sandbox.set_clock(EARLIER)
    stepwise = Pipeline.of(db, sandbox.url, "acme")
    stepwise.extract()
    sandbox.set_clock(LATER)
    increment = stepwise.extract()
    assert 0 < increment.rows_written < 400
    full = stepwise.copy_of(db, "acme_full")
    full.extract()
    now = datetime.fromisoformat(LATER)
    assert stepwise.comparable(now) == full.comparable(now)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "body": "<html>Bad Gateway</html>"},
        {"status": 504},
        {"status": 200, "body": {"data": None, "errors": [{"message": "Resource limits for this query exceeded"}]}},
        {"status": 200, "body": {"data": {"node": {"pullRequests": {"nodes": [None], "pageInfo": {}}}}}},
    ],
    ids=["502", "504", "resource limits", "null nodes"],
)
def test_large_pages_that_fail_are_requested_in_smaller_parts(
    db: TestDatabase, sandbox: SandboxServer, fault: dict[str, object]
) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    sandbox.add_fault(path_regex="/github/graphql", body_regex="query PullRequests", count=3, **fault)
    pipeline.extract(("github",))
    calm = pipeline.copy_of(db, "calm")
    calm.extract(("github",))
    assert len(calm.snapshot()["github_pull_requests"]) > 100
    assert pipeline.snapshot() == calm.snapshot()


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 403, "headers": {"Retry-After": "1"}, "body": {"message": "secondary rate limit"}},
        {"status": 503},
        {"cut": True},
        {"status": 200, "body": "{ broken"},
    ],
    ids=["429", "403 secondary", "503", "cut connection", "malformed JSON"],
)
def test_temporary_faults_are_survived(db: TestDatabase, sandbox: SandboxServer, fault: dict[str, object]) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["billing"])
    sandbox.add_fault(path_regex="/(github|jira)/", count=2, **fault)
    stats = pipeline.extract()
    assert stats.rows_rejected == 0
    assert len(pipeline.snapshot()["jira_issues"]) > 300


def test_an_exhausted_budget_says_when_it_is_back(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    sandbox.add_fault(path_regex="/github/", count=1, status=429, headers={"Retry-After": "1800"})
    with pytest.raises(RateLimited) as caught:
        pipeline.extract(("github",))
    assert 1700 < caught.value.resume_at.timestamp() - time.time() < 1900
    assert "acme" in str(caught.value)


def test_a_wrong_token_fails_at_once_and_is_never_shown(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    secret = "ghp_planted_secret_4711"
    for (integration, _), source in zip(pipeline.integrations, (GitHubSource, JiraSource), strict=True):
        credential = Credential("pulse@acme.example", secret)
        assert secret not in repr(credential)
        with pytest.raises(AuthError) as caught:
            source(integration, credential, db.connect("pulse_etl")).discover()
        assert secret not in f"{caught.value!r} {caught.value}"
        assert "Connection" in str(caught.value)


def test_an_unknown_owner_is_named(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    integration, credential = pipeline.integrations[0]
    wrong = type(integration)(**{**vars(integration), "config": {"organization": "nobody"}})
    with pytest.raises(AccessLost, match="nobody"):
        GitHubSource(wrong, credential, db.connect("pulse_etl")).discover()


def test_a_killed_run_ends_in_the_same_tables(db: TestDatabase, sandbox: SandboxServer) -> None:
    """kill -9 after 20, 40 and 60 more calls, of 177, then a run to the end: the rows are those of an uninterrupted run."""
    script = "import sys; from tests.support.extraction import run_from_environment; run_from_environment(sys.argv[1:])"
    broken = Pipeline.of(db, sandbox.url, "techcorp", repositories=["checkout", "payments"])
    sandbox.add_fault(path_regex="/", count=10_000, delay_seconds=0.02)
    env = {**os.environ, **db.conn_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    for calls in (20, 40, 60):
        before = sandbox.calls()
        process = subprocess.Popen([sys.executable, "-c", script, *broken.arguments()], cwd=ROOT, env=env)
        while sandbox.calls() < before + calls:
            assert process.poll() is None, "it was over before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = len(broken.snapshot()["github_pull_requests"]) + len(broken.snapshot()["github_commits"])
    assert stored > 0, "it was killed before it had stored anything"
    sandbox.reset()
    broken.extract()
    whole = broken.copy_of(db, "whole")
    whole.extract()
    assert broken.snapshot() == whole.snapshot()


@pytest.fixture
def recorded(db: TestDatabase, sandbox: SandboxServer) -> Pipeline:
    if not (Path(FIXTURES) / "recorded").is_dir():
        pytest.skip(f"no recorded payloads in {FIXTURES}")
    pipeline = Pipeline.of(db, sandbox.url, "panjf2000", slug="recorded")
    pipeline.extract()
    pipeline.transform()
    return pipeline


def test_the_recorded_world_is_stored_completely(recorded: Pipeline) -> None:
    """One of the 42 recorded issues, a pull request, is recorded twice: that leaves 41, of which 15 are pull requests. The
    recorded jobs belong to other runs than the recorded ones."""
    counts = {
        "pull requests": "select count(*) from core.github_pull_requests",
        "merged": "select count(*) from core.github_pull_requests where state = 'merged'",
        "closed": "select count(*) from core.github_pull_requests where state = 'closed'",
        "open": "select count(*) from core.github_pull_requests where state = 'open'",
        "commits": "select count(*) from core.github_pull_request_commits",
        "reviews": "select count(*) from core.github_pull_request_reviews",
        "issues": "select count(*) from core.jira_issues",
        "rejects": "select count(*) from raw.rejects",
        "deployments": "select count(*) from core.github_deployments",
        "workflow runs": "select count(*) from core.github_workflow_runs",
        "GitHub issues": "select count(*) from core.github_issues",
    }
    assert {what: recorded.rows(sql)[0][0] for what, sql in counts.items()} == {
        "pull requests": 49,
        "merged": 26,
        "closed": 19,
        "open": 4,
        "commits": 90,
        "reviews": 30,
        "issues": 33,
        "rejects": 0,
        "deployments": 7,
        "workflow runs": 35,
        "GitHub issues": 26,
    }


def test_nul_and_other_scripts(recorded: Pipeline) -> None:
    row = recorded.rows(
        "select payload -> '_sanitised', payload -> 'fields' ->> 'summary' from raw.jira_issues"
        " where record_id = '10066'"
    )[0]
    assert row[0] == ["fields.summary"]
    assert row[1]
    chinese = recorded.rows("select count(*) from core.jira_issues where summary ~ '[一-龥]'")[0][0]
    assert chinese > 0
