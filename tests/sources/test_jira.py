"""Jira: complete histories, site differences, and what must not be dropped silently."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pulse.errors import AuthError, ConfigError, TooManyRejects, UpstreamError
from pulse.sources.base import Credential, page_of
from pulse.sources.jira import records
from pulse.sources.jira.cloud import LEFT_OUT
from pulse.sources.jira.extract import JiraSource
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.text import plain_text
from pulse.warehouse.loader import Page, RawRow, Reject
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


@pytest.fixture
def pipeline(db: TestDatabase, sandbox: SandboxServer) -> Pipeline:
    return Pipeline.of(db, sandbox.url, "acme")


def jira(pipeline: Pipeline, credential: Credential | None = None) -> JiraSource:
    integration, own = pipeline.integrations[1]
    return JiraSource(integration, credential or own, pipeline.db.connect("pulse_etl"))


def test_a_refused_call_fails_the_run(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="issue/bulkfetch", count=1, status=400, body={"errorMessages": ["no"], "errors": {}})
    with pytest.raises(UpstreamError, match="HTTP 400"):
        pipeline.extract(("jira",))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("search/jql", {"issues": [{"id": "1"}], "nextPageToken": "again"}),
        ("changelog/bulkfetch", {"issueChangeLogs": [], "nextPageToken": "again"}),
    ],
    ids=["repeated token", "empty pages"],
)
def test_endless_pages_are_noticed(pipeline: Pipeline, sandbox: SandboxServer, path: str, body: dict[str, Any]) -> None:
    sandbox.add_fault(path_regex=path, count=50, status=200, body=body)
    with pytest.raises(UpstreamError, match="endlessly"):
        pipeline.extract(("jira",))


def test_issues_missing_without_a_reason_fail_the_run(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="issue/bulkfetch", status=200, body={"issues": [], "issueErrors": []}, count=500)
    with pytest.raises(UpstreamError, match="did not say why"):
        pipeline.extract(("jira",))


def test_issues_that_jira_leaves_out_are_asked_for_again(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    """Together while that brings any, then each by itself; then they are refused, and the others are stored."""
    source = jira(pipeline)
    scope = source.discover()[0]
    ids = sorted(source.site.ids(scope), key=int)[:30]
    before = sandbox.counters()["calls"]
    batch = source.site.fetch(scope, [*ids, "999001", "999002"])
    assert sorted((row.record_id for row in batch.issues.rows), key=int) == ids
    assert {one.record_id: one.reason for one in batch.refusals(scope)} == {
        "999001": f"Jira: {LEFT_OUT}",
        "999002": f"Jira: {LEFT_OUT}",
    }
    path = next(name for name in sandbox.counters()["calls"] if name.endswith("issue/bulkfetch"))
    assert sandbox.counters()["calls"][path] - before.get(path, 0) == 1 + 1 + 2


def test_an_answer_for_fewer_issues_than_asked_is_completed(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    source = jira(pipeline)
    scope = source.discover()[0]
    ids = sorted(source.site.ids(scope), key=int)[:40]
    sandbox.add_fault(path_regex="issue/bulkfetch", status=200, body={"issues": [], "issueErrors": []}, count=1)
    batch = source.site.fetch(scope, ids)
    assert len(batch.issues.rows) == len(ids)
    assert not batch.refused


def test_refused_issues_are_kept_as_rejects(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    source = jira(pipeline)
    scope = source.discover()[0]
    body = {"issues": [], "issueErrors": [{"id": "77", "errorMessage": "Issue does not exist"}]}
    sandbox.add_fault(path_regex="issue/bulkfetch", status=200, body=body)
    batch = source.site.fetch(scope, ["77"])
    assert batch.refusals(scope) == [
        Reject("77", scope.key, '{"id": "77", "errorMessage": "Issue does not exist"}', "Jira: Issue does not exist")
    ]


def test_a_refused_token_error_names_the_address_for_scoped_tokens(pipeline: Pipeline) -> None:
    with pytest.raises(AuthError, match=r"https://api\.atlassian\.com/ex/jira/sandbox-acme"):
        jira(pipeline, Credential("pulse@acme.example", "wrong")).discover()


def test_a_connection_without_login_is_a_config_error(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError, match="jira__acme"):
        jira(pipeline, Credential(None, "token")).discover()
    integration, _ = pipeline.integrations[1]
    cloud = replace(integration, base_url="https://acme.atlassian.net")
    with pytest.raises(ConfigError, match="jira__acme"):
        JiraSource(cloud, Credential(None, "token"), pipeline.db.connect("pulse_etl"))


def test_too_many_rejects_fail_the_run_after_everything_is_stored(pipeline: Pipeline) -> None:
    source = jira(pipeline)
    rejects = [Reject(str(n), "10", f'{{"id": {n}}}', "missing field 'key'") for n in range(21)]
    source.store([Page("jira_issues", [RawRow(str(n), "10", {"id": str(n)}) for n in range(100)], rejects)])
    with pytest.raises(TooManyRejects, match="21 of 121"):
        source.finish()
    assert pipeline.rows("select count(*) from raw.rejects") == [(21,)]
    assert pipeline.rows("select count(*) from raw.jira_issues") == [(100,)]
    source.store([Page("jira_issues", [RawRow(str(n), "10", {"id": str(n)}) for n in range(400)])])
    assert source.finish().rows_rejected == 21


@pytest.mark.parametrize(
    "value",
    [1767323045000, 1767323045, "1767323045000", "2026-01-02T03:04:05.000+0000", "2026-01-02T04:04:05+01:00"],
)
def test_all_of_jiras_time_formats_are_read(value: Any) -> None:
    assert records.timestamp(value) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "yesterday", [], {}])
def test_invalid_times_are_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        records.timestamp(value)


def test_a_document_becomes_plain_text_with_its_links() -> None:
    document = {
        "type": "doc",
        "version": 1,
        "content": [
            {"type": "heading", "content": [{"type": "text", "text": "Störung"}]},
            {
                "type": "paragraph",
                "content": [
                    {"type": "text", "text": "see "},
                    {"type": "text", "text": "the run", "marks": [{"type": "link", "attrs": {"href": "https://ci/1"}}]},
                    {"type": "hardBreak"},
                    {"type": "inlineCard", "attrs": {"url": "https://gh/pull/2"}},
                ],
            },
            {
                "type": "bulletList",
                "content": [
                    {
                        "type": "listItem",
                        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "一"}]}],
                    }
                ],
            },
        ],
    }
    text = plain_text(document)
    assert [line.strip() for line in text.split("\n") if line.strip()] == [
        "Störung",
        "see the run https://ci/1",
        "https://gh/pull/2",
        "一",
    ]
    assert plain_text("as it is") == "as it is"
    assert plain_text(None) == ""


def good_issue() -> dict[str, Any]:
    return {
        "id": "10",
        "key": "AB-1",
        "fields": {
            "summary": "s",
            "project": {"id": "5", "key": "AB", "avatarUrls": {}},
            "status": {"id": "1", "name": "Done"},
            "issuetype": {"name": "Bug"},
            "created": "2026-01-01T00:00:00.000+0000",
            "updated": "2026-01-02T00:00:00.000+0000",
            "customfield_1": None,
            "customfield_2": 3.5,
            "customfield_3": [{"id": 4, "name": "Sprint 4", "state": "closed", "goal": "long text"}],
            "customfield_4": {"id": "1", "value": "Blue", "self": "https://x", "child": {"value": "Sky"}},
        },
    }


def test_custom_fields_are_stored_under_their_meaning() -> None:
    known = {"story_points": ["customfield_1", "customfield_2"], "sprints": ["customfield_3"], "development": ["none"]}
    custom = CustomFields(known, {"Team": ["customfield_4"], "Empty": ["customfield_1"]})
    row = records.issue(good_issue(), custom)
    assert (row.record_id, row.scope_key) == ("10", "5")
    assert row.payload["fields"]["_story_points"] == 3.5
    assert row.payload["fields"]["_sprints"] == [4]
    assert row.payload["fields"]["_custom"] == {"Team": {"id": "1", "value": "Blue", "child": {"value": "Sky"}}}
    assert "_development" not in row.payload["fields"]
    assert row.payload["fields"]["project"] == {"id": "5", "key": "AB"}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda issue: issue.pop("fields"), "missing field 'fields'"),
        (lambda issue: issue["fields"].pop("project"), "missing field 'project'"),
        (lambda issue: issue["fields"].update(status=None), "missing field 'status'"),
        (lambda issue: issue["fields"].update(status="Done"), "TypeError"),
        (lambda issue: issue["fields"].update(created="soon"), "ValueError"),
        (lambda issue: issue.update(id="x"), "ValueError"),
    ],
)
def test_an_issue_that_cannot_be_read_is_rejected_with_its_reason(damage: Any, reason: str) -> None:
    broken = good_issue()
    damage(broken)
    page = page_of("jira_issues", [broken, good_issue(), None], lambda item: records.issue(item, CustomFields()), "5")
    assert [row.record_id for row in page.rows] == ["10"]
    assert reason in page.rejects[0].reason
    assert page.rejects[0].record_id == broken["id"]
    assert page.rejects[1].payload == "null"
