"""What an older Enterprise Server lacks, and a 403 that is a limit."""

from __future__ import annotations

from typing import Any

import pytest

from pulse.errors import AuthError, ConfigError, RateLimited
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.github import PERMISSION, count, github, numbers_come, total

pytestmark = pytest.mark.usefixtures("no_pauses")


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
