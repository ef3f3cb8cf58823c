"""GitHub: how an extraction handles a changing world, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.errors import AuthError, ConfigError
from pulse.sources.base import Credential
from pulse.sources.github import actions, app, streams
from pulse.sources.github.extract import GitHubSource
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline
from tests.support.keys import app_key

LATER = "2026-07-02T09:00:00+00:00"
DELETIONS = {
    "delete_deployment": "github_deployments",
    "delete_issue": "github_issues",
    "delete_release": "github_releases",
}


def portal(db: TestDatabase, sandbox: SandboxServer, slug: str = "acme", **config: Any) -> Pipeline:
    """A client that reads acme/portal on GitHub."""
    pipeline = Pipeline.of(db, sandbox.url, "acme", slug=slug, repositories=["portal"])
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.integrations[0][0].config.update(config)
    return pipeline


@pytest.mark.parametrize("action", DELETIONS)
def test_what_is_deleted_upstream_is_marked_at_the_next_sync(
    db: TestDatabase, sandbox: SandboxServer, action: str
) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract()
    table = DELETIONS[action]
    sandbox.mutate("acme", 1, 2, actions=[action], repository="portal")
    pipeline.extract()
    assert pipeline.rows(f"select count(*) from raw.{table} where deleted_at is not null") == [(2,)]
    ((upstream, stored, missing, removed),) = pipeline.rows(
        "select upstream_count, stored_count, missing_count, removed_count from core.etl_census where entity = %s",
        table,
    )
    assert (upstream, stored, missing, removed) == (stored, stored, 0, 2)
    assert pipeline.extract().rows_written == 0


def test_a_missing_row_is_fetched(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract()
    whole = pipeline.snapshot()
    conn = db.connect("pulse_owner")
    conn.execute(
        "delete from raw.github_pull_requests where record_id in (select min(record_id) from raw.github_pull_requests)"
    )
    conn.execute("delete from core.etl_checkpoints where stream = 'probe'")
    conn.commit()
    pipeline.extract()
    assert pipeline.snapshot() == whole


def test_an_incomplete_list_marks_nothing(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract()
    sandbox.mutate("acme", 1, 1, actions=["delete_issue"], repository="portal")
    sandbox.add_fault(path_regex="/github/", body_regex="query Census", count=200, status=500)
    (warning,) = pipeline.extract().warnings
    assert "census could not be read, everything else was" in warning
    assert "HTTP 500" in warning
    assert pipeline.rows("select count(*) from raw.github_issues where deleted_at is not null") == [(0,)]
    sandbox.reset()
    sandbox.mutate("acme", 1, 1, actions=["delete_issue"], repository="portal")
    again = pipeline.extract()
    assert pipeline.rows("select count(*) from raw.github_issues where deleted_at is not null") == [(1,)]
    assert again.rows_written == 1, "nothing else is read again"


def test_a_renamed_repository_keeps_its_rows(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["*"])
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.extract()
    before = pipeline.snapshot()["github_pull_requests"]
    sandbox.set_clock(LATER)
    sandbox.mutate("acme", 3, 1, actions=["rename"], repository="billing")
    sandbox.mutate("acme", 3, 1, actions=["start_run"], repository="billing--1")
    pipeline.extract()
    names = pipeline.rows("select payload ->> 'nameWithOwner', deleted_at from raw.github_repositories order by 1")
    assert names == [("acme/billing--1", None), ("acme/portal", None), ("acme/warehouse-api", None)]
    assert len(pipeline.snapshot()["github_pull_requests"]) >= len(before)


def test_a_declared_name_follows_a_rename(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["acme/billing"])
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.extract()
    sandbox.mutate("acme", 3, 1, actions=["rename"], repository="billing")
    integration, credential = pipeline.integrations[0]
    (scope,) = GitHubSource(integration, credential, db.connect("pulse_etl")).discover()
    assert scope.label == "acme/billing--1"


def test_repositories_no_longer_selected_are_not_requested(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "thirty")
    integration, credential = pipeline.integrations[0]
    GitHubSource(integration, credential, db.connect("pulse_etl")).discover()
    integration.config["exclude_repositories"] = ["service-0*"]
    source = GitHubSource(integration, credential, db.connect("pulse_etl"))
    assert len(source.discover()) == 21
    assert source.stats.api_calls == 1
    assert pipeline.rows("select count(*) from raw.github_repositories where deleted_at is not null") == [(0,)]


def test_thirty_idle_repositories_cost_one_call(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "thirty")
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.extract()
    assert pipeline.rows("select count(*) from raw.github_repositories") == [(30,)]
    for night in ("2026-06-30T23:00:00+00:00", "2026-07-01T00:30:00+00:00"):
        sandbox.set_clock(night)
        pipeline.extract()  # what moved recently settles
    idle = pipeline.extract()
    assert (idle.api_calls, idle.api_points, idle.rows_written) == (1, 1, 0)


def test_only_what_moved_is_read(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "thirty", workflow_runs=False)
    pipeline.integrations[0][0].config["workflow_runs"] = False
    pipeline.integrations = pipeline.integrations[:1]
    sandbox.set_clock("2026-06-30T23:00:00+00:00")
    pipeline.extract()
    sandbox.mutate("thirty", 5, 1, actions=["edit"], repository="service-07")
    integration, credential = pipeline.integrations[0]
    source = GitHubSource(integration, credential, db.connect("pulse_etl"))
    (scope,) = source.discover()
    assert scope.label == "thirty/service-07"
    assert scope.data["due"] == ["pull_requests"]
    source.extract(scope)
    assert source.stats.api_calls == 2  # the probe, and one page
    assert source.stats.rows_written == 1


def test_a_hundred_complete_pull_requests_cost_five_calls_and_points(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox, pull_request_files=True, workflow_runs=False)
    pipeline.extract()
    sandbox.reset()
    conn = db.connect("pulse_owner")
    conn.execute("delete from core.etl_checkpoints where stream = 'pull_requests_with_files'")
    conn.execute(
        "update core.etl_checkpoints set cursor_data = cursor_data #- '{seen,pull_requests}' where stream = 'probe'"
    )
    conn.commit()
    stats = pipeline.extract()
    ((count, files),) = pipeline.rows(
        "select count(*), count(*) filter (where jsonb_array_length(payload -> 'files') > 0) from raw.github_pull_requests"
    )
    assert files > 300
    assert stats.api_calls - 1 >= 4 * count / 100  # they were read
    assert stats.api_calls - 1 <= 5 * count / 100
    assert stats.api_points - 1 <= 5 * count / 100


def test_turning_on_files_reads_every_pull_request_again(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract()
    without = "select count(*) from raw.github_pull_requests where not payload ? 'files'"
    assert pipeline.rows(without) == [(346,)]
    pipeline.integrations[0][0].config["pull_request_files"] = True
    pipeline.extract()
    assert pipeline.rows(without) == [(0,)]
    pipeline.transform()
    assert pipeline.rows("select count(*) > 600 from core.github_pull_request_files where path like 'services/%%'") == [
        (True,)
    ]


def test_a_long_history_is_read_newest_first_in_bounded_runs(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = tuple(replace(stream, pages_per_run=4) for stream in streams.STREAMS)
    calm = portal(db, sandbox, "calm")
    sandbox.set_clock(LATER)
    calm.extract()
    sandbox.set_clock(None)
    monkeypatch.setattr(streams, "STREAMS", bounded)
    pipeline = portal(db, sandbox)
    first = pipeline.extract()
    assert first.unfinished > 0
    newest = pipeline.rows("select min(payload ->> 'updatedAt'), count(*) from raw.github_pull_requests")[0]
    older = calm.rows("select count(*) from raw.github_pull_requests where payload ->> 'updatedAt' < %s", newest[0])[0][
        0
    ]
    assert newest[1] == 4 * 24
    assert older > 100
    # The world keeps changing while older history is read; new records come first.
    sandbox.set_clock(LATER)
    runs = 1
    while pipeline.extract().unfinished:
        runs += 1
        assert runs < 10
    assert runs >= 3
    assert pipeline.snapshot() == calm.snapshot()


def test_a_pull_request_from_rest_alone_is_the_same(db: TestDatabase, sandbox: SandboxServer) -> None:
    broken, calm = portal(db, sandbox), portal(db, sandbox, "calm")
    calm.extract()
    sandbox.add_fault(path_regex="/github/", body_regex=r"query PullRequests\(", count=5, status=502)
    stats = broken.extract()
    assert stats.rows_rejected == 0
    assert sum(1 for path in sandbox.counters()["calls"] if "/pulls/" in path) >= 4
    assert broken.snapshot() == calm.snapshot()


def test_runs_of_a_busy_repository_are_read_in_halved_windows(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = portal(db, sandbox, "calm")
    calm.extract()
    monkeypatch.setattr(actions, "RESULTS", 60)
    monkeypatch.setattr(actions, "REST_PAGE", 20)
    pipeline = portal(db, sandbox)
    pipeline.extract()
    assert pipeline.snapshot()["github_workflow_runs"] == calm.snapshot()["github_workflow_runs"]
    assert len(calm.snapshot()["github_workflow_runs"]) > 600


def test_the_jobs_of_a_large_matrix_are_all_stored(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    sandbox.mutate("acme", 9, 1, actions=["start_matrix"], repository="portal")
    sandbox.set_clock("2026-06-30T15:00:00+00:00")
    pipeline.extract()
    rows = pipeline.rows(
        "select count(*), count(distinct payload ->> 'completedAt') from raw.github_workflow_jobs"
        " where payload ->> 'name' like 'shard %%'"
    )
    assert rows == [(230, 1)]


def test_a_run_in_progress_is_followed_and_a_repeated_one_keeps_its_past(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract()
    sandbox.mutate("acme", 9, 1, actions=["start_run"], repository="portal")
    query = (
        "select payload ->> 'run_attempt', payload ->> 'status' from raw.github_workflow_runs"
        " where payload ->> 'created_at' = '2026-06-30T12:00:00Z' order by record_id"
    )
    pipeline.extract()
    assert pipeline.rows(query) == [("1", "in_progress")]
    sandbox.set_clock("2026-06-30T14:00:00+00:00")
    pipeline.extract()
    assert pipeline.rows(query) == [("1", "completed")]
    sandbox.mutate("acme", 9, 1, actions=["repeat_run"], repository="portal")
    sandbox.set_clock("2026-06-30T20:30:00+00:00")
    pipeline.extract()
    assert [row[1] for row in pipeline.rows(query)] == ["completed"] * len(pipeline.rows(query))
    attempts = pipeline.rows(
        "select count(*), count(distinct payload ->> 'id') from raw.github_workflow_runs where deleted_at is null"
    )[0]
    assert attempts[0] > attempts[1]


def test_a_github_app_reads_like_a_token_and_renews_its_own(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RENEW_AGAIN_SECONDS", 0.3)
    private, public = app_key()
    # Tokens that expire after a second: the extraction survives the 401s that follow.
    sandbox.add_github_app(app_id="12345", public_key=public, organisation="acme", token_seconds=1.0)
    by_token = portal(db, sandbox, "bytoken")
    by_token.extract()
    by_app = portal(db, sandbox)
    masked: list[str] = []
    integration, _ = by_app.integrations[0]
    by_app.integrations = [(integration, Credential("12345", private, mask=masked.append))]
    sandbox.add_fault(path_regex="/github/graphql", count=10_000, delay_seconds=0.08)
    by_app.extract()
    assert by_app.snapshot() == by_token.snapshot()
    assert len(masked) > 1
    assert all(len(token) > 300 for token in masked)


@pytest.mark.parametrize(
    ("login", "key", "error", "expected"),
    [
        (None, "good", ConfigError, "App id"),
        (
            "12345",
            "-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END RSA PRIVATE KEY-----",
            ConfigError,
            "private key",
        ),
        ("99999", "good", AuthError, "Check the App's id"),
    ],
    ids=["no id", "broken key", "unknown app"],
)
def test_a_wrong_app_gives_a_clear_error_without_secrets(
    db: TestDatabase, sandbox: SandboxServer, login: str | None, key: str, error: type[Exception], expected: str
) -> None:
    private, public = app_key()
    sandbox.add_github_app(app_id="12345", public_key=public, organisation="acme")
    pipeline = portal(db, sandbox)
    integration, _ = pipeline.integrations[0]
    pipeline.integrations = [(integration, Credential(login, private if key == "good" else key))]
    with pytest.raises(error, match=expected) as caught:
        pipeline.extract()
    assert "PRIVATE KEY" not in f"{caught.value!r}"
    assert "nonsense" not in f"{caught.value!r}"


@pytest.mark.parametrize(("ends", "warned"), [("2026-07-10 00:00:00 UTC", True), ("2026-12-01 00:00:00 UTC", False)])
def test_a_token_that_expires_soon_causes_a_warning(
    db: TestDatabase, sandbox: SandboxServer, ends: str, warned: bool
) -> None:
    source_of = portal(db, sandbox).integrations[0]
    source = GitHubSource(*source_of, db.connect("pulse_etl"))
    sandbox.add_header("github-authentication-token-expiration", ends)
    source.discover()
    assert any("2026-07-10" in warning and "github__acme" in warning for warning in source.stats.warnings) is warned
