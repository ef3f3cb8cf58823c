"""Jira Data Center: the same issues and changelogs as from Cloud, whatever happens during the walk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pulse.errors import AuthError, UpstreamError
from pulse.sources.base import Credential, Integration
from pulse.sources.jira.extract import JiraSource
from pulse.sources.jira.fields import CustomFields
from pulse.warehouse.checkpoints import Checkpoint
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

EARLIER, LATER = "2026-06-10T12:00:00+00:00", "2026-06-30T12:00:00+00:00"
ISSUES = """
    select id, key, project_id, issue_type, summary, status, status_category, priority, labels, components, story_points,
           custom_fields -> 'sprints', created_at, updated_at, resolution_at
    from core.jira_issues order by id
"""
CHANGES = """
    select issue_id, history_id, item_index, field, from_id, from_text, to_id, to_text, created_at
    from core.jira_issue_changes order by 1, 2, 3
"""
SPRINTS = "select id, board_id, name, state, started_at, ends_at, completed_at from core.jira_sprints order by 1"
Make = Callable[..., Pipeline]


@pytest.fixture
def data_center(db: TestDatabase, sandbox: SandboxServer) -> Make:
    """A client that reads a site as Data Center, with a personal access token."""

    def make(owner: str = "acme") -> Pipeline:
        client_id = db.add_client("onpremise")
        url = f"{sandbox.url}/jira/{owner}/dc"
        identity = db.add_integration(client_id, "jira", base_url=url, config_data={})
        declared = Integration(client_id, "onpremise", identity, "jira", "jira", url, "jira__onpremise", {})
        return Pipeline(db, client_id, [(declared, Credential(None, f"jira_sandbox_{owner}"))])

    return make


def source(pipeline: Pipeline) -> JiraSource:
    integration, credential = pipeline.integrations[0]
    return JiraSource(integration, credential, pipeline.db.connect("pulse_etl"))


def test_it_gives_the_issues_and_changelogs_of_cloud(
    db: TestDatabase, sandbox: SandboxServer, data_center: Make
) -> None:
    ours = data_center()
    first = ours.extract(("jira",))
    cloud = Pipeline.of(db, sandbox.url, "acme")
    cloud.extract(("jira",))
    ours.transform()
    cloud.transform()
    assert len(ours.rows(ISSUES)) > 300
    for query in (ISSUES, CHANGES, SPRINTS):
        assert ours.rows(query) == cloud.rows(query)
    assert ours.rows("select count(*) from core.jira_issues where assignee is null or reporter is null") == [(0,)]
    links = "select count(*) from core.jira_issues where strpos(description, 'https://github.com/acme/') > 0"
    assert ours.rows(links) == cloud.rows(links) != [(0,)]
    assert first.rows_rejected == 0
    assert ours.extract(("jira",)).rows_written == 0


def test_increments_give_the_tables_of_a_full_read(sandbox: SandboxServer, data_center: Make, db: TestDatabase) -> None:
    sandbox.set_clock(EARLIER)
    stepwise = data_center()
    stepwise.extract(("jira",))
    sandbox.set_clock(LATER)
    assert 0 < stepwise.extract(("jira",)).rows_written < 400
    full = stepwise.copy_of(db, "full")
    full.extract(("jira",))
    assert stepwise.snapshot() == full.snapshot()


def test_the_flavour_is_asked_once_and_told_to_the_tasks(sandbox: SandboxServer, data_center: Make) -> None:
    pipeline = data_center()
    scope = source(pipeline).discover()[0]
    assert scope.data["edition"] == "data_center"
    source(pipeline).extract(scope)
    assert sandbox.counters()["calls"]["/jira/acme/dc/rest/api/2/serverInfo"] == 1
    assert not [path for path in sandbox.counters()["calls"] if "/api/3/" in path]


def test_a_refused_token_is_reported(data_center: Make) -> None:
    pipeline = data_center()
    integration, _ = pipeline.integrations[0]
    with pytest.raises(AuthError, match="Renew the token"):
        JiraSource(integration, Credential(None, "wrong"), pipeline.db.connect("pulse_etl")).discover()


def test_a_server_with_shorter_pages_is_read_to_the_end(sandbox: SandboxServer, data_center: Make) -> None:
    """The sandbox caps a page at 500, although 1,000 are requested."""
    pipeline = data_center("techcorp")
    pipeline.extract(("jira",))
    stored = pipeline.rows("select count(*) from raw.jira_issues")[0][0]
    assert stored > 1500
    sandbox.reset()
    cloud = Pipeline.of(pipeline.db, sandbox.url, "techcorp")
    cloud.extract(("jira",))
    assert cloud.rows("select record_id from raw.jira_issues order by 1") == pipeline.rows(
        "select record_id from raw.jira_issues order by 1"
    )


@pytest.mark.parametrize("elsewhere", [False, True], ids=["deleted", "moved"])
def test_a_walk_whose_last_issue_is_gone_starts_again(data_center: Make, db: TestDatabase, elsewhere: bool) -> None:
    """Jira then answers with an error or finds nothing after it; neither may look like the end."""
    pipeline = data_center("techcorp")
    reader = source(pipeline)
    scopes = reader.discover()
    last = int(next(iter(reader.site.ids(scopes[1])))) if elsewhere else 1
    cursor = {"after_id": last, "left": 300, "started_at": "2026-06-30T11:00:00+00:00"}
    reader.store([], [Checkpoint("issues", scopes[0].key, None, cursor)])
    for scope in scopes:
        source(pipeline).extract(scope)
    whole = pipeline.copy_of(db, "whole")
    whole.extract(("jira",))
    assert pipeline.snapshot() == whole.snapshot()


def test_an_interrupted_walk_resumes_after_its_last_issue(sandbox: SandboxServer, data_center: Make) -> None:
    pipeline = data_center("techcorp")
    scope = source(pipeline).discover()[0]
    good = source(pipeline)
    sweep = good.site.sweep(scope, None, {})
    first = next(sweep.batches)
    cursor = {**first.cursor, "started_at": sweep.started_at.isoformat()}
    good.store([first.issues, first.changelogs], [Checkpoint("issues", scope.key, None, cursor)])
    stats = source(pipeline).extract(scope)
    listed = good.site.ids(scope)
    stored = pipeline.rows("select count(*) from raw.jira_issues where scope_key = %s", scope.key)
    assert stored == [(len(listed),)]
    afresh = pipeline.copy_of(pipeline.db, "afresh")
    assert stats.rows_read <= source(afresh).extract(source(afresh).discover()[0]).rows_read - len(first.issues.rows)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"startAt": 0, "total": 10, "issues": []}, "before its last page"),
        ({"startAt": 0, "issues": []}, "no issues or no total"),
    ],
)
def test_incomplete_answers_fail(sandbox: SandboxServer, data_center: Make, body: dict[str, Any], message: str) -> None:
    pipeline = data_center()
    sandbox.add_fault(path_regex="dc/rest/api/2/search", count=5, status=200, body=body)
    with pytest.raises(UpstreamError, match=message):
        pipeline.extract(("jira",))
    assert pipeline.rows("select count(*) from raw.jira_issues") == [(0,)]


def test_pages_that_are_too_heavy_are_requested_in_smaller_parts(sandbox: SandboxServer, data_center: Make) -> None:
    pipeline = data_center()
    sandbox.add_fault(path_regex="dc/rest/api/2/search", count=3, status=504)
    pipeline.extract(("jira",))
    calm = pipeline.copy_of(pipeline.db, "calm")
    calm.extract(("jira",))
    assert pipeline.snapshot() == calm.snapshot()


def test_unknown_issues_are_refused_by_id(data_center: Make) -> None:
    reader = source(data_center())
    scope = reader.discover()[0]
    some = sorted(reader.site.ids(scope))[:120]
    batch = reader.site.fetch(scope, [*some, "1", "2"])
    assert {row.record_id for row in batch.issues.rows} == set(some)
    assert set(batch.refused) == {"1", "2"}


def test_a_deleted_issue_is_marked_by_the_weekly_count(sandbox: SandboxServer, data_center: Make) -> None:
    sandbox.set_clock(EARLIER)
    pipeline = data_center()
    pipeline.extract(("jira",))
    sandbox.mutate("acme", 3, 1, actions=["delete_jira_issue"])
    sandbox.set_clock(LATER)
    pipeline.extract(("jira",))
    assert pipeline.rows("select count(*) from raw.jira_issues where deleted_at is not null") == [(1,)]


def test_sprints_are_read_from_their_text() -> None:
    text = "com.atlassian.greenhopper.service.sprint.Sprint@1f[id=37,rapidViewId=2,state=CLOSED,name=A [b], c,goal=]"
    fields = CustomFields({"sprints": ["customfield_1"]})
    assert fields.values({"customfield_1": [text, {"id": 4}]}) == {"_sprints": [37, 4]}


def test_the_watermark_is_the_servers_time_minus_the_overlap(data_center: Make) -> None:
    pipeline = data_center()
    pipeline.extract(("jira",))
    assert pipeline.rows("select watermark_at, cursor_data from core.etl_checkpoints where stream = 'issues'") == [
        (datetime(2026, 6, 30, 11, 50, tzinfo=UTC), {})
    ]
