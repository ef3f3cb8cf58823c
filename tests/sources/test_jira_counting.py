"""Jira: issues that are deleted, moved, late or refused; and what a sync costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pulse.errors import AccessLost, UpstreamError
from pulse.sources.base import Scope
from pulse.sources.jira import endpoints
from pulse.sources.jira.extract import JiraSource
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import Page, Reject
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

FIRST, SOON, WEEK_LATER = "2026-06-10T12:00:00+00:00", "2026-06-11T12:00:00+00:00", "2026-06-18T12:00:00+00:00"
GONE = "select record_id from raw.jira_issues where deleted_at is not null order by 1"
CENSUS = "select upstream_count, stored_count, missing_count, removed_count from core.etl_census where entity = 'jira_issues'"
FULL_LIST = r'"project = \d+ ORDER'  # the search for a complete list has no time limit


@pytest.fixture
def pipeline(db: TestDatabase, sandbox: SandboxServer) -> Pipeline:
    sandbox.set_clock(FIRST)
    made = Pipeline.of(db, sandbox.url, "acme")
    made.integrations = made.integrations[1:]
    return made


def reader(pipeline: Pipeline, **config: Any) -> JiraSource:
    integration, credential = pipeline.integrations[0]
    integration = replace(integration, config={**integration.config, **config})
    return JiraSource(integration, credential, pipeline.db.connect("pulse_etl"))


def sync(pipeline: Pipeline, **config: Any) -> JiraSource:
    source = reader(pipeline, **config)
    for scope in source.discover():
        source.extract(scope)
    return source


def execute(pipeline: Pipeline, statement: str, *params: Any) -> None:
    conn = pipeline.db.connect("pulse_etl")
    with client_transaction(conn, pipeline.client_id):
        assert conn.execute(statement, params).rowcount > 0  # type: ignore[call-overload]


def stored_ids(pipeline: Pipeline) -> list[str]:
    return [row[0] for row in pipeline.rows("select record_id from raw.jira_issues order by record_id::bigint")]


def test_a_complete_read_is_counted(pipeline: Pipeline) -> None:
    sync(pipeline)
    count = len(stored_ids(pipeline))
    assert pipeline.rows(CENSUS) == [(count, count, 0, 0)]


def test_deleted_issues_are_marked_once_a_week(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sync(pipeline)
    sandbox.mutate("acme", 5, 2, actions=["delete_jira_issue"])
    sandbox.set_clock(SOON)
    sync(pipeline)
    assert pipeline.rows(GONE) == []
    sandbox.set_clock(WEEK_LATER)
    sync(pipeline)
    assert len(pipeline.rows(GONE)) == 2
    whole = pipeline.copy_of(pipeline.db, "whole")
    sync(whole)
    for table, rows in whole.snapshot().items():
        assert [row for row in pipeline.snapshot()[table] if row[3]] == rows, table
    assert pipeline.rows(CENSUS)[0][2:] == (0, 2)
    pipeline.transform()
    assert pipeline.rows("select count(*) from core.jira_issues where deleted_at is not null") == [(2,)]
    assert sync(pipeline).stats.rows_written == 0


def test_missing_issues_are_fetched_by_the_census(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sync(pipeline)
    lost = stored_ids(pipeline)[7]
    execute(pipeline, "delete from raw.jira_issues where record_id = %s", lost)
    sandbox.set_clock(WEEK_LATER)
    sync(pipeline)
    assert lost in stored_ids(pipeline)
    assert pipeline.rows(CENSUS)[0][2:] == (0, 0)


def test_an_interrupted_list_deletes_nothing(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sync(pipeline)
    counted = pipeline.rows("select counted_at from core.etl_census")
    sandbox.set_clock(WEEK_LATER)
    page = {"issues": [{"id": stored_ids(pipeline)[0]}], "nextPageToken": "behind"}
    sandbox.add_fault(path_regex="search/jql", body_regex=FULL_LIST, status=200, body=page)
    sandbox.add_fault(
        path_regex="search/jql", body_regex="behind", status=400, body={"errorMessages": ["token expired"]}
    )
    (warning,) = sync(pipeline).stats.warnings
    assert "the count of the issues could not be read, everything else was" in warning
    assert "HTTP 400" in warning
    assert pipeline.rows(GONE) == []
    assert pipeline.rows("select counted_at from core.etl_census") == counted
    sandbox.faults_end()
    assert sync(pipeline).stats.warnings == []
    assert pipeline.rows("select counted_at from core.etl_census") != counted, "the next run counts"


def test_a_project_that_is_no_longer_visible_loses_no_issue(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sync(pipeline)
    sandbox.set_clock(WEEK_LATER)
    source = reader(pipeline)
    scope = source.discover()[0]
    sandbox.add_fault(path_regex="search/jql", count=5, status=200, body={"issues": [], "isLast": True})
    sandbox.add_fault(path_regex=r"project/\d+$", count=5, status=404, body={"errorMessages": ["No project"]})
    with pytest.raises(AccessLost):
        source.extract(scope)
    assert pipeline.rows(GONE) == []


def test_a_project_unknown_to_the_search_means_lost_access(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    source = reader(pipeline)
    known = source.discover()[0]
    with pytest.raises(AccessLost):
        source.extract(Scope("4711", "GONE", known.data))


def test_a_project_that_is_no_longer_listed_causes_a_warning(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    source = sync(pipeline)
    execute(
        pipeline,
        "insert into raw.jira_projects (client_id, integration_id, record_id, scope_key, payload, payload_hash)"
        """ values (%s, %s, '4711', '4711', '{"id": "4711", "key": "OLD"}', '')""",
        pipeline.client_id,
        source.integration.id,
    )
    assert "OLD" in sync(pipeline).stats.warnings[0]
    assert sync(pipeline, projects=["ACM"]).stats.warnings == []
    assert pipeline.rows("select count(*) from raw.jira_projects where deleted_at is not null") == [(0,)]


@pytest.mark.parametrize("projects", [["ACM"], ["*"]], ids=["not read", "read"])
def test_an_issue_that_was_moved_to_another_project(
    pipeline: Pipeline, sandbox: SandboxServer, projects: list[str]
) -> None:
    source = sync(pipeline, projects=projects)
    fields = {
        "summary": "moved",
        "project": {"id": "999", "key": "ELSE"},
        "status": {"name": "Done"},
        "issuetype": {"name": "Bug"},
        "created": "2026-01-01T00:00:00.000+0000",
        "updated": "2026-01-02T00:00:00.000+0000",
    }
    sandbox.set_clock(WEEK_LATER)
    scope = source.discover()[0]
    ids = sorted(source.site.ids(scope), key=int)
    page = {"issues": [{"id": one} for one in ids[1:]], "isLast": True}
    moved = {"issues": [{"id": ids[0], "key": "ELSE-1", "fields": fields}]}
    sandbox.add_fault(path_regex="search/jql", body_regex=FULL_LIST, status=200, body=page)
    sandbox.add_fault(path_regex="issue/bulkfetch", body_regex=rf'\["{ids[0]}"\]', status=200, body=moved)
    source.extract(scope)
    if projects == ["*"]:
        assert pipeline.rows(GONE) == []
        assert pipeline.rows("select record_id from raw.jira_issues where scope_key = '999'") == [(ids[0],)]
    else:
        assert pipeline.rows(GONE) == [(ids[0],)]
        assert pipeline.rows("select record_id from raw.jira_issues where scope_key = '999'") == []


def test_rejected_issues_are_requested_again(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    source = sync(pipeline)
    scope = source.discover()[0]
    again, refused = stored_ids(pipeline)[3], "1"
    execute(pipeline, "delete from raw.jira_issues where record_id = %s", again)
    expected = f'{{"id": "{refused}", "errorMessage": "no"}}'
    rejects = [Reject(again, scope.key, "{}", "unknown"), Reject(refused, scope.key, expected, "Jira: no")]
    source.store([Page("jira_issues", rejects=rejects)])
    sync(pipeline)
    assert again in stored_ids(pipeline)
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(0,)]


def test_issues_that_stay_unreadable_are_neither_counted_nor_stored_twice(
    pipeline: Pipeline, sandbox: SandboxServer
) -> None:
    source = reader(pipeline)
    scope = source.discover()[0]
    body = broken_answer(source, scope, lambda issue: issue["fields"].pop("status"))
    sandbox.add_fault(path_regex="issue/bulkfetch", status=200, body=body)
    assert source.extract(scope).rows_rejected == 1
    # The next sync: nothing has changed, and the issue arrives as before.
    sandbox.set_clock(SOON)
    one = [item for item in body["issues"] if "status" not in item["fields"]]
    sandbox.add_fault(path_regex="issue/bulkfetch", body_regex=one[0]["id"], status=200, body={"issues": one})
    again = reader(pipeline)
    assert again.extract(scope).rows_rejected == 0
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(1,)]


def broken_answer(source: JiraSource, scope: Scope, damage: Callable[[Any], Any]) -> Any:
    """Jira's answer for the first issues of a scope, with the first one damaged."""
    ids = sorted(source.site.ids(scope), key=int)[: endpoints.ISSUE_PAGE]
    fields = [*endpoints.ISSUE_FIELDS, *source.custom_fields().ids()]
    body = source.jira.post(endpoints.ISSUES, {"issueIdsOrKeys": ids, "fields": fields}).body
    damage(body["issues"][0])
    return body


def test_a_reject_that_can_be_read_now_is_stored_with_its_changes(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    """The issue's status history was stored although the issue could not be, so it must not be missing afterwards."""
    source = reader(pipeline)
    scope = source.discover()[0]
    good: dict[str, Any] = {}
    body = broken_answer(source, scope, lambda issue: (good.update(issue), issue.update(fields=None)))
    sandbox.add_fault(path_regex="issue/bulkfetch", status=200, body=body)
    source.extract(scope)
    pipeline.transform()
    issue_id = good["id"]
    changes = "select count(*) from core.jira_issue_changes where issue_id = %s"
    assert pipeline.rows(changes, issue_id) == [(0,)]
    assert source.replay_rejects() == (0, 1)
    # As if the code could now read it.
    execute(
        pipeline,
        "update raw.rejects set payload = jsonb_set(payload::jsonb, '{fields}', (select payload -> 'fields' from"
        " raw.jira_issues order by record_id limit 1))::text where record_id = %s",
        issue_id,
    )
    assert source.replay_rejects() == (1, 0)
    pipeline.transform()
    assert pipeline.rows(changes, issue_id)[0][0] > 0
    written = pipeline.transform()
    assert {file: rows for file, rows in written.items() if "/jira/" in file and rows} == {}
    assert written["staging/jira/issue_changes.sql"] == 0


def test_rejects_of_every_entity_can_be_read_again(pipeline: Pipeline) -> None:
    source = reader(pipeline)
    entry = {"id": "7", "created": 1767323045000, "items": [{"field": "status"}]}
    payloads = {
        "jira_changelogs": {"issueId": "12", "history": entry},
        "jira_projects": {"id": "5", "key": "AB"},
        "jira_statuses": {"id": "1", "name": "Done"},
        "jira_boards": {"id": 3, "name": "Board", "type": "scrum"},
        "jira_sprints": {"id": 4, "name": "Sprint", "state": "active", "originBoardId": 3},
    }
    for entity, payload in payloads.items():
        page = source.rebuild(entity, payload, "5")
        assert [row.record_id for row in page.rows] == ["12:7" if entity == "jira_changelogs" else str(payload["id"])]
        assert source.rebuild(entity, {}, "5").rejects
    refused = source.rebuild("jira_issues", {"id": "77", "errorMessage": "no"}, "5")
    assert refused.rejects[0].record_id == "77"
    assert not refused.rows


@pytest.mark.parametrize("data_center", [False, True], ids=["cloud", "data center"])
def test_a_search_that_lags_five_minutes_hides_nothing(
    pipeline: Pipeline, sandbox: SandboxServer, data_center: bool
) -> None:
    if data_center:
        integration, credential = pipeline.integrations[0]
        pipeline.integrations = [
            (replace(integration, base_url=integration.base_url + "/dc"), replace(credential, login=None))
        ]
    sync(pipeline)
    updated = "select distinct upstream_updated_at from raw.jira_issues order by 1 desc limit 1"
    moment = pipeline.rows(updated)[0][0] + timedelta(seconds=100)
    behind = pipeline.copy_of(pipeline.db, "behind")
    sandbox.set_clock(moment.isoformat())
    sandbox.set(search_lag_seconds=300)
    sync(behind)
    assert len(stored_ids(behind)) > 300
    sandbox.set_clock((moment + timedelta(seconds=400)).isoformat())
    sync(behind)
    sandbox.set(search_lag_seconds=0)
    whole = pipeline.copy_of(pipeline.db, "whole")
    sync(whole)
    assert behind.snapshot() == whole.snapshot()


def test_an_endless_page_is_noticed(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    sandbox.set(repeat_page_tokens=True)
    with pytest.raises(UpstreamError, match="endlessly"):
        sync(pipeline)


def test_ten_thousand_issues_cost_thirty_calls(db: TestDatabase, sandbox: SandboxServer) -> None:
    """Measured on a site with a few thousand issues; with the page sizes that Jira allows, ten thousand cost thirty."""
    big = Pipeline.of(db, sandbox.url, "techcorp")
    big.integrations = big.integrations[1:]
    source = reader(big)
    scopes = source.discover()
    before = source.stats.api_calls
    for scope in scopes:
        source.extract(scope)
    counts = [row[0] for row in big.rows("select count(*) from raw.jira_issues group by scope_key")]
    assert sum(counts) > 1500
    batches, parts = (sum(-(-count // size) for count in counts) for size in (1000, 100))
    calls = {path.rpartition("/rest/api/3/")[2]: count for path, count in sandbox.counters()["calls"].items()}
    assert calls["search/jql"] == len(counts)
    assert calls["issue/bulkfetch"] == parts
    assert calls["changelog/bulkfetch"] == batches
    assert source.stats.api_calls - before == len(counts) + parts + batches
    assert (endpoints.SEARCH_PAGE, endpoints.ISSUE_PAGE, endpoints.CHANGELOG_ISSUES) == (5000, 100, 1000)
    once = before - len(counts) + 1  # one project has one scrum board
    issues, changelogs = 10_000 / endpoints.ISSUE_PAGE, 10_000 / endpoints.CHANGELOG_ISSUES
    assert 10_000 / endpoints.SEARCH_PAGE + issues + changelogs + once <= 120
    before = source.stats.api_calls
    again = reader(big)
    for scope in again.discover():
        again.extract(scope)
    assert again.stats.rows_written == 0
    assert again.stats.api_calls < 20


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("2026-06-30", "expires on 2026-06-30: create a new one and put it into Connection jira__acme"),
        ("2026-06-01", "expired on 2026-06-01"),
        ("2026-07-02", None),
        ("soon", "is not a date"),
    ],
)
def test_an_expiring_token_causes_a_warning(pipeline: Pipeline, ends: str, expected: str | None) -> None:
    source = reader(pipeline, token_expires=ends)
    assert source.discover()
    assert [expected in warning for warning in source.stats.warnings] == ([True] if expected else [])
