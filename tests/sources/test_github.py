"""GitHub: what a walk survives, and what it must not miss."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pulse.errors import ConfigError, RateLimited, UpstreamError
from pulse.sources.base import Scope
from pulse.sources.github import queries
from pulse.sources.github.client import graphql_url
from pulse.sources.github.extract import GitHubSource
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import Page, RawRow
from sandbox.github.api import cost
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


def test_a_page_is_as_wide_as_one_point_allows() -> None:
    assert cost(queries.PULL_REQUESTS, {"first": queries.PULL_REQUEST_PAGES[0]})[0] == 1
    assert cost(queries.PULL_REQUESTS, {"first": queries.PULL_REQUEST_PAGES[0] + 1})[0] == 2
    assert cost(queries.PULL_REQUESTS_WITH_FILES, {"first": queries.PULL_REQUEST_WITH_FILES_PAGES[0]})[0] == 1
    assert cost(queries.PULL_REQUESTS_WITH_FILES, {"first": queries.PULL_REQUEST_WITH_FILES_PAGES[0] + 1})[0] == 2
    assert cost(queries.REPOSITORIES, {"first": queries.PROBE_PAGES[0]})[0] == 1
    assert cost(queries.repositories_named(["a/b"] * queries.PROBED_TOGETHER), {})[0] == 1
    assert cost(queries.ISSUES, {"first": queries.PAGES[0]})[0] == 1
    assert cost(queries.JOBS, {"ids": ["x"] * queries.NODES})[0] == 1
    assert cost(queries.DEPLOYMENTS, {"first": queries.DEPLOYMENT_PAGES[0]})[0] == 1
    assert cost(queries.HISTORY, {"first": queries.PAGES[0]})[0] == 1


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://git.acme.example/api/v3/", "https://git.acme.example/api/graphql"),
        ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("http://127.0.0.1:9/github", "http://127.0.0.1:9/github/graphql"),
    ],
)
def test_the_address_follows_from_the_base_url(base: str, expected: str) -> None:
    assert graphql_url(base) == expected


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*"], [], {"portal", "billing", "warehouse-api"}),
        (["B*", "portal"], [], {"billing", "portal"}),
        (["*"], ["b*", "acme/portal"], {"warehouse-api"}),
        (["acme/billing"], [], {"billing"}),
        (["acme/*"], ["warehouse-api"], {"billing", "portal"}),
    ],
)
def test_repositories_are_selected_by_name_and_pattern(
    db: TestDatabase, sandbox: SandboxServer, include: list[str], exclude: list[str], expected: set[str]
) -> None:
    source = github(Pipeline.of(db, sandbox.url, "acme", repositories=include), exclude_repositories=exclude)
    assert {scope.label.partition("/")[2] for scope in source.discover()} == expected


def test_patterns_that_select_no_repository_are_a_config_error(db: TestDatabase, sandbox: SandboxServer) -> None:
    with pytest.raises(ConfigError, match="nothing-like-this"):
        github(Pipeline.of(db, sandbox.url, "acme", repositories=["nothing-like-this"])).discover()


def test_syncs_over_weeks_give_the_tables_of_one_full_read(db: TestDatabase, sandbox: SandboxServer) -> None:
    """The gaps exceed the deployments' lookback, so deployments that were active then have been replaced meanwhile."""
    sandbox.set_clock("2026-05-02T09:00:00+00:00")
    stepwise = Pipeline.of(db, sandbox.url, "acme")
    stepwise.extract()
    for moment in ("2026-05-09T15:10:00", "2026-05-28T14:33:00", "2026-06-02T14:41:00", "2026-06-30T12:00:00"):
        sandbox.set_clock(f"{moment}+00:00")
        stepwise.extract()
    full = stepwise.copy_of(db, "full")
    full.extract()
    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    assert stepwise.comparable(now) == full.comparable(now)


def test_a_pull_request_too_large_for_one_answer_is_assembled(db: TestDatabase, sandbox: SandboxServer) -> None:
    """If even one pull request per page fails, its commits, reviews and so on are read page by page."""
    broken, calm = portal(db, sandbox), portal(db, sandbox, "calm")
    sandbox.add_fault(path_regex="/github/", body_regex=r"query PullRequests\(", count=5, status=502)
    broken.extract(("github",))
    sandbox.reset()
    calm.extract(("github",))
    assert broken.snapshot() == calm.snapshot()


def test_an_undeliverable_pull_request_is_kept_as_a_reject_and_requested_again(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    broken, calm = portal(db, sandbox), portal(db, sandbox, "calm")
    sandbox.add_fault(path_regex="/github/", body_regex=r"query PullRequests\(", count=5, status=504)
    sandbox.add_fault(path_regex="/github/repos/.*/pulls/", count=1, status=422)
    sandbox.add_fault(path_regex="/github/", body_regex="query PullRequestsById", count=2, status=504)
    assert broken.extract(("github",)).rows_rejected == 1
    rejects = "select payload::jsonb ->> 'number', reason, replayed_at is null from raw.rejects"
    ((number, reason, is_open),) = broken.rows(rejects)
    assert is_open
    assert "could not answer" in reason
    sandbox.reset()
    calm.extract(("github",))
    missing = set(numbers(calm)) - set(numbers(broken))
    assert missing == {number}

    broken.extract(("github",))
    assert broken.snapshot() == calm.snapshot()
    assert broken.rows(rejects) == [(number, reason, False)]


def test_a_forgotten_cursor_restarts_the_walk(db: TestDatabase, sandbox: SandboxServer) -> None:
    broken, calm = portal(db, sandbox), portal(db, sandbox, "calm")
    source = github(broken)
    scope = source.discover()[0]
    for stream in ("pull_requests", "history"):
        change(
            broken,
            "insert into core.etl_checkpoints (client_id, integration_id, stream, scope_key, cursor_data)"
            " values (%s, %s, %s, %s, %s)",
            broken.client_id,
            source.integration.id,
            stream,
            scope.key,
            json.dumps({"after": "long gone", "segments": [{"after": "long gone", "until": None}]}),
        )
    for query in ("History", "PullRequests"):
        sandbox.add_fault(
            path_regex="/github/",
            body_regex=rf"query {query}\(.*long gone",
            status=200,
            body={
                "errors": [{"type": "INVALID_CURSOR_ARGUMENTS", "message": "`x` does not appear to be a valid cursor."}]
            },
        )
    broken.extract(("github",))
    calm.extract(("github",))
    assert broken.snapshot() == calm.snapshot()


def test_commits_removed_by_a_force_push_are_marked(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract(("github",))
    before = pipeline.snapshot()["github_commits"]
    source = github(pipeline)
    scope = source.discover()[0]
    # As if the last sync had seen two more commits that are no longer in the history.
    head = pipeline.rows("select cursor_data ->> 'head' from core.etl_checkpoints where stream = 'history'")[0][0]
    parent = head
    for oid in ("dead1", "dead2"):
        payload = {"oid": oid, "parents": [parent], "committedDate": "2026-06-30T11:00:00Z"}
        source.store([Page("github_commits", [RawRow(f"{scope.key}:{oid}", scope.key, payload)])])
        parent = oid
    change(
        pipeline,
        "update core.etl_checkpoints set cursor_data = %s where stream = 'history'",
        json.dumps({"head": "dead2"}),
    )
    forget_the_probe(pipeline)
    assert pipeline.extract(("github",)).rows_written == 2
    gone = pipeline.rows("select record_id from raw.github_commits where deleted_at is not null order by 1")
    assert gone == [(f"{scope.key}:dead1",), (f"{scope.key}:dead2",)]
    assert [row for row in pipeline.snapshot()["github_commits"] if "dead" not in row[0]] == before
    assert pipeline.extract(("github",)).rows_written == 0


def test_an_unfinished_deployment_is_read_again(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract(("github",))
    before = pipeline.snapshot()["github_deployments"]
    unfinished = (
        "update raw.github_deployments set payload = payload || '{\"state\": \"IN_PROGRESS\"}', payload_hash = ''"
        " where record_id = (select max(record_id) from raw.github_deployments"
        " where payload ->> 'createdAt' < '2026-06-26')"
    )
    change(pipeline, unfinished)
    pipeline.extract(("github",))
    assert pipeline.snapshot()["github_deployments"] == before


@pytest.mark.parametrize(
    "error",
    [
        {"type": "RATE_LIMITED", "message": "API rate limit exceeded"},
        {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."},
    ],
    ids=["primary", "secondary"],
)
def test_a_limit_reported_with_http_200_counts(db: TestDatabase, sandbox: SandboxServer, error: dict[str, Any]) -> None:
    source = github(portal(db, sandbox))
    sandbox.add_fault(path_regex="/github/", status=200, body={"errors": [error]}, headers={"Retry-After": "300"})
    with pytest.raises(RateLimited):
        source.discover()


def test_a_body_that_mentions_rate_limits_does_not_count(db: TestDatabase, sandbox: SandboxServer) -> None:
    source = github(portal(db, sandbox))
    sandbox.add_fault(
        path_regex="/github/",
        status=200,
        body={
            "data": {
                "repositoryOwner": {
                    "repositories": {
                        "pageInfo": {"hasNextPage": False},
                        "nodes": [
                            {
                                "databaseId": 1,
                                "id": "R_1",
                                "nameWithOwner": "acme/portal",
                                "url": "https://x/secondary rate limit",
                                "createdAt": "2026-01-01T00:00:00Z",
                            }
                        ],
                    }
                }
            }
        },
    )
    assert [scope.key for scope in source.discover()] == ["1"]


def portal(db: TestDatabase, sandbox: SandboxServer, slug: str = "acme") -> Pipeline:
    """A client that reads acme/portal."""
    return Pipeline.of(db, sandbox.url, "acme", slug=slug, repositories=["portal"])


def github(pipeline: Pipeline, **config: Any) -> GitHubSource:
    integration, credential = pipeline.integrations[0]
    integration.config.update(config)
    return GitHubSource(integration, credential, pipeline.db.connect("pulse_etl"))


def numbers(pipeline: Pipeline) -> list[str]:
    return [row[0] for row in pipeline.rows("select payload ->> 'number' from raw.github_pull_requests order by 1")]


def change(pipeline: Pipeline, statement: str, *params: Any) -> None:
    conn = pipeline.db.connect("pulse_etl")
    with client_transaction(conn, pipeline.client_id):
        conn.execute(statement, params)  # type: ignore[call-overload]


def forget_the_probe(pipeline: Pipeline) -> None:
    """As if every repository had moved since the last visit."""
    change(pipeline, "delete from core.etl_checkpoints where stream = 'probe'")


@pytest.mark.parametrize("status", [403, 404, 410, 451, 500])
def test_workflow_runs_that_fail_hold_nothing_else_up(db: TestDatabase, sandbox: SandboxServer, status: int) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "techcorp", repositories=["checkout"])
    sandbox.add_fault(path_regex="actions/runs", count=50, status=status, body={"message": "no"})
    assert "workflow runs could not be read, everything else was" in " ".join(pipeline.extract(("github",)).warnings)
    for table in ("pull_requests", "deployments", "releases", "tags", "commits"):
        assert pipeline.rows(f"select count(*) > 0 from raw.github_{table}") == [(True,)]
    assert pipeline.rows("select count(*) from raw.github_workflow_runs") == [(0,)]
    sandbox.reset()
    again = pipeline.extract(("github",))
    assert again.warnings == []
    assert pipeline.rows("select count(*) > 0 from raw.github_workflow_runs") == [(True,)]


@pytest.mark.parametrize("query", ["Deployments", "Releases", "Issues"])
def test_a_stream_that_fails_is_read_again_alone(db: TestDatabase, sandbox: SandboxServer, query: str) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "techcorp", repositories=["checkout"])
    error = {"type": "INTERNAL", "message": "Something went wrong"}
    sandbox.add_fault(
        path_regex="/github/", body_regex=rf"query {query}\(", count=9, status=200, body={"errors": [error]}
    )
    assert f"{query.lower()} could not be read" in " ".join(pipeline.extract(("github",)).warnings)
    table = f"raw.github_{query.lower()}"
    assert pipeline.rows(f"select count(*) from {table}") == [(0,)]
    assert pipeline.rows("select count(*) > 0 from raw.github_pull_requests") == [(True,)]
    sandbox.reset()
    again = pipeline.extract(("github",))
    assert pipeline.rows(f"select count(*) > 0 from {table}") == [(True,)]
    written = pipeline.rows(f"select count(*) from {table}")[0][0]
    assert again.rows_written <= written + 60  # and workflow runs, which are read at every visit


def test_pull_requests_that_fail_fail_the_repository_and_not_its_other_streams(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "techcorp", repositories=["checkout"])
    error = {"type": "INTERNAL", "message": "Something went wrong"}
    sandbox.add_fault(
        path_regex="/github/", body_regex=r"query PullRequests\(", count=9, status=200, body={"errors": [error]}
    )
    with pytest.raises(UpstreamError):
        pipeline.extract(("github",))
    assert pipeline.rows("select count(*) > 0 from raw.github_deployments") == [(True,)]
    assert pipeline.rows("select count(*) > 0 from raw.github_workflow_runs") == [(True,)]


def test_a_scope_survives_json() -> None:
    scope = Scope("1", "acme/portal", {"node_id": "R_1"})
    assert Scope.from_json(json.loads(json.dumps(scope.to_json()))) == scope
