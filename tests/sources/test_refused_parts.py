"""An error with a path is that path's: the others are read, and one record that is withheld is a reject."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.errors import AccessLost
from pulse.sources.github import queries, streams
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.github import BLOCKED, IP, PERMISSION, SAML, count, forbidden, github, numbers_come

pytestmark = pytest.mark.usefixtures("no_pauses")
NODE_3 = ["data", "node", "pullRequests", "nodes", 3]


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
