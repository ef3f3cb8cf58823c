"""Pull requests that GraphQL does not deliver come over REST, whatever REST leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.github import count, github, numbers_come, total

pytestmark = pytest.mark.usefixtures("no_pauses")


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
