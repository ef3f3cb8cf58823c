"""An error with a path is that path's, an optional part that fails is a warning, and the rescue is as hard as the main way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.errors import AccessLost, AuthError, ConfigError, RateLimited
from pulse.sources.github import queries, streams
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

SAML = "Resource protected by organization SAML enforcement. You must grant your personal access token access."
IP = "Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled."
PERMISSION = "Resource not accessible by personal access token"
BLOCKED = "Repository access blocked"
NODE_3 = ["data", "node", "pullRequests", "nodes", 3]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse.sources.http.time.sleep", lambda seconds: None)
    monkeypatch.setattr("pulse.sources.github.walk.PAUSES_SECONDS", (0.0, 0.0))


def github(db: TestDatabase, sandbox: SandboxServer, *names: str, slug: str = "acme", **config: Any) -> Pipeline:
    pipeline = Pipeline.of(db, sandbox.url, "acme", slug, repositories=list(names or ("billing",)))
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.integrations[0][0].config.update(config)
    return pipeline


def count(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.rows(f"select count(*) from raw.github_{table} where deleted_at is null")[0][0])


def numbers_come(pipeline: Pipeline) -> None:
    pipeline.transform()
    assert pipeline.rows("select count(*) > 5 from core.changes") == [(True,)]


def forbidden(path: list[Any], message: str = SAML, kind: str | None = "FORBIDDEN") -> dict[str, Any]:
    return {"path": path, "message": message, "locations": [{"line": 1, "column": 1}]} | (
        {"type": kind} if kind else {}
    )


def test_one_of_two_named_repositories_is_deleted(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = github(db, sandbox, "acme/billing", "acme/long-gone")
    warnings = pipeline.extract().warnings
    assert len(warnings) == 1
    assert "acme/long-gone is not read" in warnings[0]
    assert "Could not resolve to a Repository" in warnings[0]
    assert count(pipeline, "pull_requests") > 50
    numbers_come(pipeline)


def test_named_repositories_that_are_all_gone_are_lost(db: TestDatabase, sandbox: SandboxServer) -> None:
    with pytest.raises(AccessLost, match="long-gone"):
        github(db, sandbox, "acme/long-gone", "acme/also-gone").extract()


@pytest.mark.parametrize("reason", [SAML, IP, PERMISSION, BLOCKED])
@pytest.mark.parametrize("named", [False, True])
def test_a_repository_that_is_withheld_is_told_with_githubs_reason(
    db: TestDatabase, sandbox: SandboxServer, reason: str, named: bool
) -> None:
    names = ("acme/billing", "acme/portal") if named else ("billing", "portal")
    pipeline = github(db, sandbox, *names)
    pipeline.extract()
    before = pipeline.snapshot()
    sandbox.set_clock("2026-06-30T15:00:00+00:00")
    sandbox.mutate("acme", 3, 3, actions=["edit"], repository="billing")
    place = ["r1"] if named else ["repositoryOwner", "repositories", "nodes", 1]
    for query, path in (("Repositories", place), ("RepositoriesById", ["nodes", 0])):
        sandbox.add_fault(
            path_regex="graphql",
            body_regex=f"query {query}(Named)?[ (]",
            count=50,
            changes=[{"path": ["data", *path], "value": None}],
            errors=[forbidden(path, reason)],
        )
    stats = pipeline.extract()
    assert any(reason in warning for warning in stats.warnings), stats.warnings
    assert all(reason in warning for warning in stats.warnings)
    assert stats.rows_written > 0
    gone = "select count(*) from raw.github_repositories where deleted_at is not null"
    assert pipeline.rows(gone) == [(0,)]
    assert len(pipeline.snapshot()["github_pull_requests"]) == len(before["github_pull_requests"])
    sandbox.set_clock("2026-06-30T18:00:00+00:00")
    sandbox.faults_end()
    assert pipeline.extract().warnings == []


def test_a_connection_that_the_token_may_not_read_is_left_out_of_the_listing(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    """The connection may not be null, so GitHub makes the whole repository null."""
    pipeline = github(db, sandbox)
    path = ["repositoryOwner", "repositories", "nodes", 0]
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=r"query Repositories\(.*issues\(",
        count=50,
        changes=[{"path": ["data", *path], "value": None}],
        errors=[forbidden([*path, "issues"], PERMISSION)],
    )
    (warning,) = pipeline.extract().warnings
    assert PERMISSION in warning
    assert "issues" in warning
    assert count(pipeline, "pull_requests") > 50
    numbers_come(pipeline)


def test_a_stream_that_the_token_may_not_read_is_told_and_the_others_are_read(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    pipeline = github(db, sandbox)
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=r"query Deployments\(",
        count=50,
        changes=[{"path": ["data", "node", "deployments"], "value": None}],
        errors=[forbidden(["node", "deployments"], PERMISSION)],
    )
    (warning,) = pipeline.extract().warnings
    assert PERMISSION in warning
    assert "deployments could not be read, everything else was" in warning
    assert count(pipeline, "pull_requests") > 50
    assert count(pipeline, "commits") > 50


@pytest.mark.parametrize("below", [[], ["author"]])
def test_one_null_pull_request_is_a_reject_with_the_reason(
    db: TestDatabase, sandbox: SandboxServer, below: list[str]
) -> None:
    """With a reason about a part of it, the pull request is read from REST."""
    pipeline, calm = github(db, sandbox), github(db, sandbox, slug="calm")
    calm.extract()
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=r"query PullRequests\(",
        changes=[{"path": NODE_3, "value": None}],
        errors=[forbidden([*NODE_3[1:], *below])],
    )
    stats = pipeline.extract()
    if below:
        assert pipeline.snapshot()["github_pull_requests"] == calm.snapshot()["github_pull_requests"]
        return
    assert any(SAML in warning for warning in stats.warnings)
    rejected = pipeline.rows("select reason from raw.rejects where entity = 'github_pull_requests'")
    assert rejected == [(f"GitHub: {SAML}",)]
    # The count finds what is missing, and asks for it by its id.
    assert count(pipeline, "pull_requests") == count(calm, "pull_requests")
    numbers_come(pipeline)


def test_a_null_below_a_record_leaves_the_record(db: TestDatabase, sandbox: SandboxServer) -> None:
    """As when a pull request closes an issue of an organisation that is protected by SAML."""
    pipeline = github(db, sandbox)
    path = [*NODE_3, "labels", "nodes", 0]
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=r"query PullRequests\(",
        changes=[{"path": path, "value": None}],
        errors=[forbidden(path[1:])],
    )
    (warning,) = pipeline.extract().warnings
    assert SAML in warning
    assert "labels" in warning
    assert pipeline.rows("select count(*) from raw.rejects") == [(0,)]


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ([{"path": ["data", "n0"], "value": None}], [forbidden(["n0"], "Could not resolve", "NOT_FOUND")]),
        ([{"path": ["data", "n0"], "value": None}], []),
        ([{"path": ["data", "n0", "statuses"], "value": None}], [forbidden(["n0", "statuses"])]),
    ],
)
def test_a_node_that_vanishes_while_its_connections_are_read(
    db: TestDatabase, sandbox: SandboxServer, changes: list[Any], errors: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each deployment's statuses need a second page.
    query = queries.DEPLOYMENTS.replace("statuses(first: 10)", "statuses(first: 1)")
    monkeypatch.setattr(streams, "STREAMS", (replace(streams.DEPLOYMENTS, query=query), *streams.STREAMS[1:]))
    pipeline, calm = github(db, sandbox), github(db, sandbox, slug="calm")
    calm.extract()
    sandbox.add_fault(path_regex="graphql", body_regex="query Drain", changes=changes, errors=errors)
    pipeline.extract()
    assert count(pipeline, "pull_requests") == count(calm, "pull_requests")
    # The count asks for it by its id, and it was not gone after all.
    assert pipeline.snapshot()["github_deployments"] == calm.snapshot()["github_deployments"]


ODD_PULLS: dict[str, tuple[str, list[Any], Any]] = {
    "no user": (r"pulls/\d+$", ["user"], None),
    "an empty user": (r"pulls/\d+$", ["user"], {}),
    "no head": (r"pulls/\d+$", ["head"], None),
    "no base": (r"pulls/\d+$", ["base"], None),
    "no labels": (r"pulls/\d+$", ["labels"], None),
    "a label without name": (r"pulls/\d+$", ["labels"], [{"id": 1}, None, {"name": None}, "x"]),
    "no body": (r"pulls/\d+$", ["body"], None),
    "no title": (r"pulls/\d+$", ["title"], None),
    "no merge commit": (r"pulls/\d+$", ["merge_commit_sha"], None),
    "no number of comments": (r"pulls/\d+$", ["comments"], None),
    "no author of a commit": ("commits$", ["*", "commit", "author"], None),
    "no committer of a commit": ("commits$", ["*", "commit", "committer"], None),
    "an empty committer": ("commits$", ["*", "commit", "committer"], {}),
    "no message": ("commits$", ["*", "commit", "message"], None),
    "an empty user of a commit": ("commits$", ["*", "author"], {}),
    "no user of a review": ("reviews$", ["*", "user"], None),
    "an empty user of a review": ("reviews$", ["*", "user"], {}),
    "no time of a review": ("reviews$", ["*", "submitted_at"], None),
    "a null review": ("reviews$", [0], None),
    "an event without node_id": ("timeline$", ["*", "node_id"], None),
    "a null event": ("timeline$", [0], None),
    "no actor of an event": ("timeline$", ["*", "actor"], None),
    "an empty actor": ("timeline$", ["*", "actor"], {}),
    "no user of a comment": (r"issues/\d+/comments$", ["*", "user"], None),
    "a null comment of a review": (r"pulls/\d+/comments$", [0], None),
}


@pytest.mark.parametrize("odd", list(ODD_PULLS))
def test_the_way_over_rest_takes_what_rest_gives(db: TestDatabase, sandbox: SandboxServer, odd: str) -> None:
    """GraphQL cannot deliver three pull requests even alone; REST does, with one part missing."""
    pipeline = github(db, sandbox, workflow_runs=False)
    path, place, value = ODD_PULLS[odd]
    spoil_pull_requests(sandbox)
    sandbox.add_fault(path_regex=path, count=50, changes=[{"path": place, "value": value}])
    assert pipeline.extract().rows_rejected == 0
    assert count(pipeline, "pull_requests") == total(sandbox)
    numbers_come(pipeline)
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(0,)]


@pytest.mark.parametrize(
    ("path", "place", "value"),
    [
        (r"pulls/\d+$", ["created_at"], None),
        (r"pulls/\d+$", ["state"], None),
        (r"pulls/\d+$", ["updated_at"], "soon"),
        ("commits$", ["*", "sha"], None),
        ("reviews$", ["*", "id"], None),
    ],
)
def test_what_rest_cannot_do_without_is_a_reject(
    db: TestDatabase, sandbox: SandboxServer, path: str, place: list[Any], value: Any
) -> None:
    pipeline = github(db, sandbox, workflow_runs=False)
    spoil_pull_requests(sandbox)
    sandbox.add_fault(path_regex="graphql", body_regex="PullRequestsById", count=9, status=502)
    sandbox.add_fault(path_regex=path, count=50, changes=[{"path": place, "value": value}])
    pipeline.extract()
    kept = pipeline.rows("select distinct record_id from raw.rejects where replayed_at is null")
    assert count(pipeline, "pull_requests") + len(kept) == total(sandbox)
    assert len(kept) > 0
    numbers_come(pipeline)


@pytest.mark.parametrize("status", [404, 422, 500])
def test_files_that_cannot_be_read_leave_the_pull_request(
    db: TestDatabase, sandbox: SandboxServer, status: int
) -> None:
    pipeline = github(db, sandbox, workflow_runs=False, pull_request_files=True)
    spoil_pull_requests(sandbox)
    sandbox.add_fault(path_regex=r"pulls/\d+/files", count=50, status=status)
    sandbox.add_fault(path_regex="graphql", body_regex="PullRequestsWithFilesById", count=50, status=502)
    pipeline.extract()
    assert count(pipeline, "pull_requests") == total(sandbox)
    reasons = "select distinct reason from raw.rejects where replayed_at is null"
    assert pipeline.rows(reasons) == [("the files of this pull request could not be read; the rest of it is stored",)]
    sandbox.faults_end()
    before = sandbox.calls()
    pipeline.extract()
    assert pipeline.rows(reasons) == []
    assert sandbox.calls() - before < 12, "it asks for these alone"
    calm = github(db, sandbox, slug="calm", workflow_runs=False, pull_request_files=True)
    calm.extract()
    assert pipeline.snapshot()["github_pull_requests"] == calm.snapshot()["github_pull_requests"]


def spoil_pull_requests(sandbox: SandboxServer) -> None:
    """GraphQL does not answer for pull requests, until three were read alone."""
    sandbox.add_fault(path_regex="graphql", body_regex=r"query PullRequests(WithFiles)?\(", count=5, status=502)


def total(sandbox: SandboxServer) -> int:
    return sandbox.pull_requests("acme", "billing")


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


# --- older servers ------------------------------------------------------------------------------------------------


def missing(name: str, typename: str) -> dict[str, Any]:
    return {
        "errors": [
            {
                "path": ["query X", "node", f"... on {typename}", name],
                "extensions": {"code": "undefinedField", "typeName": typename, "fieldName": name},
                "locations": [{"line": 4, "column": 9}],
                "message": f"Field '{name}' doesn't exist on type '{typename}'",
            }
        ]
    }


@pytest.mark.parametrize("tells", ["header", "meta", "nobody"])
def test_a_server_that_lacks_what_is_needed_is_named(db: TestDatabase, sandbox: SandboxServer, tells: str) -> None:
    headers = {"X-GitHub-Enterprise-Version": "enterprise-server@3.9.2"} if tells == "header" else {}
    sandbox.add_fault(
        path_regex="graphql",
        body_regex="fullDatabaseId",
        count=50,
        status=200,
        body=missing("fullDatabaseId", "PullRequest"),
        headers=headers,
    )
    if tells == "meta":
        sandbox.add_fault(path_regex="/meta$", count=50, status=200, body={"installed_version": "3.9.2"})
    with pytest.raises(ConfigError, match=r"fullDatabaseId.*3\.13 is the oldest that works") as caught:
        github(db, sandbox).extract()
    assert ("3.9.2" in str(caught.value)) == (tells != "nobody")


@pytest.mark.parametrize(
    ("name", "typename", "query"),
    [
        ("closingIssuesReferences", "PullRequest", "PullRequests"),
        ("publishedAt", "PullRequest", "PullRequests"),
        ("stateReason", "Issue", "Issues"),
        ("environmentUrl", "DeploymentStatus", "Deployments"),
        ("isPrerelease", "Release", "Releases"),
    ],
)
def test_optional_fields_that_an_older_server_lacks_are_left_out(
    db: TestDatabase, sandbox: SandboxServer, name: str, typename: str, query: str
) -> None:
    pipeline, calm = github(db, sandbox), github(db, sandbox, slug="calm")
    calm.extract()
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=rf"query {query}\(.*\b{name}\b",
        count=500,
        status=200,
        body=missing(name, typename),
        headers={"X-GitHub-Enterprise-Version": "enterprise-server@3.9.2"},
    )
    (warning,) = pipeline.extract().warnings
    assert f"GitHub Enterprise Server 3.9.2 does not have {name}" in warning
    table = query.replace("PullR", "pull_r").lower()
    assert count(pipeline, table) == count(calm, table)
    numbers_come(pipeline)


def test_a_server_without_merge_queues_is_read(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = github(db, sandbox)
    errors = [
        {
            "message": "No such type AddedToMergeQueueEvent, so it can't be a fragment condition",
            "extensions": {"code": "undefinedType", "typeName": "AddedToMergeQueueEvent"},
        },
        {
            "message": "Argument 'itemTypes' on Field 'timelineItems' has an invalid value ([READY_FOR_REVIEW_EVENT])."
            " Expected type '[PullRequestTimelineItemsItemType!]'.",
            "extensions": {"code": "argumentLiteralsIncompatible", "typeName": "Field", "argumentName": "itemTypes"},
        },
    ]
    sandbox.add_fault(
        path_regex="graphql",
        body_regex="ADDED_TO_MERGE_QUEUE_EVENT|AddedToMergeQueueEvent",
        count=500,
        status=200,
        body={"errors": errors},
    )
    (warning,) = pipeline.extract().warnings
    assert "AddedToMergeQueueEvent" in warning
    assert count(pipeline, "pull_requests") == total(sandbox)


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"message": "You have triggered an abuse detection mechanism. Please wait a few minutes."}, {}),
        ({"documentation_url": "https://developer.github.com/v3/#abuse-rate-limits"}, {}),
        ("", {"gh-limited-by": "elastic"}),
        ("", {}),
        ("  \n", {}),
    ],
)
def test_a_403_that_is_a_limit_waits(
    db: TestDatabase, sandbox: SandboxServer, body: Any, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulse.sources.http.MAX_WAIT_SECONDS", 50.0)
    sandbox.add_fault(path_regex="/github/", status=403, body=body, headers=headers)
    with pytest.raises(RateLimited):
        github(db, sandbox).extract()


def test_a_403_with_a_reason_is_no_limit(db: TestDatabase, sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="/github/", status=403, body={"message": PERMISSION})
    with pytest.raises(AuthError):
        github(db, sandbox).extract()
