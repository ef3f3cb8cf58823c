"""Jira Software: boards, sprints, what was planned and done; custom fields and links in the typed tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.sources.jira.extract import JiraSource
from pulse.warehouse.loader import Page, RawRow
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

LATER = "2026-06-30T12:00:00+00:00"
STATES = "select state, count(*) from core.jira_sprints where deleted_at is null group by 1 order by 1"


@pytest.fixture
def pipeline(db: TestDatabase, sandbox: SandboxServer) -> Pipeline:
    made = Pipeline.of(db, sandbox.url, "acme")
    made.integrations = made.integrations[1:]
    return made


def reader(pipeline: Pipeline, **config: Any) -> JiraSource:
    integration, credential = pipeline.integrations[0]
    integration = replace(integration, config={**integration.config, **config})
    return JiraSource(integration, credential, pipeline.db.connect("pulse_etl"))


def agile_calls(sandbox: SandboxServer) -> int:
    return sum(count for path, count in sandbox.counters()["calls"].items() if "/agile/" in path)


def test_boards_and_sprints_become_typed_rows(pipeline: Pipeline) -> None:
    reader(pipeline).discover()
    pipeline.transform()
    boards = pipeline.rows("select name, board_type, project_key from core.jira_boards order by board_type")
    assert boards == [("ACM kanban board", "kanban", "ACM"), ("ACM scrum board", "scrum", "ACM")]
    states = dict(pipeline.rows(STATES))
    assert states["active"] == 1
    assert states["future"] == 1
    assert states["closed"] > 30
    assert pipeline.rows("select count(*) from core.jira_sprints where ends_at - started_at <> interval '14 days'") == [
        (0,)
    ]


def test_a_sprint_that_ends_is_closed_by_the_next_sync_at_little_cost(
    pipeline: Pipeline, sandbox: SandboxServer
) -> None:
    sandbox.set_clock("2026-06-26T12:00:00+00:00")
    reader(pipeline).discover()
    pipeline.transform()
    active = pipeline.rows("select id from core.jira_sprints where state = 'active'")
    before = agile_calls(sandbox)
    sandbox.set_clock(LATER)
    reader(pipeline).discover()
    pipeline.transform()
    assert pipeline.rows(
        "select state, completed_at is not null from core.jira_sprints where id = %s", active[0][0]
    ) == [("closed", True)]
    assert agile_calls(sandbox) - before <= 3
    whole = pipeline.copy_of(pipeline.db, "whole")
    reader(whole).discover()
    assert pipeline.snapshot()["jira_sprints"] == whole.snapshot()["jira_sprints"]


def test_a_deleted_sprint_is_marked(pipeline: Pipeline) -> None:
    source = reader(pipeline)
    source.discover()
    payload = {"id": "99", "name": "x", "state": "active", "boardId": "1"}
    source.store(
        [Page("jira_sprints", [RawRow("99", "1", payload)]), Page("jira_boards", [RawRow("98", "", {"id": "98"})])]
    )
    reader(pipeline).discover()
    for table in ("jira_sprints", "jira_boards"):
        gone = pipeline.rows(f"select record_id from raw.{table} where deleted_at is not null")
        assert gone == [("99",) if table == "jira_sprints" else ("98",)]


@pytest.mark.parametrize(("status", "warnings"), [(404, 0), (403, 1), (401, 1)])
def test_a_site_without_jira_software_can_be_read(
    pipeline: Pipeline, sandbox: SandboxServer, status: int, warnings: int
) -> None:
    sandbox.add_fault(path_regex="rest/agile", count=9, status=status, body={"message": "no"})
    source = reader(pipeline)
    assert source.discover()
    assert len(source.stats.warnings) == warnings
    assert pipeline.rows("select count(*) from raw.jira_boards") == [(0,)]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"errorMessages": ["no"]}),
        (409, {"errorMessages": ["no"]}),
        (500, {"errorMessages": ["no"]}),
        (200, "<html>Sign in</html>"),
        (200, {"values": None, "isLast": True}),
        (200, []),
        (200, {"values": [], "isLast": False}),
    ],
)
@pytest.mark.parametrize("path", [r"board/\d+/sprint", r"agile/1.0/board$"])
def test_a_board_that_fails_holds_nothing_else_up(
    pipeline: Pipeline, sandbox: SandboxServer, path: str, status: int, body: Any
) -> None:
    sandbox.add_fault(path_regex=path, count=5, status=status, body=body)
    assert "in the next run" in " ".join(pipeline.extract(("jira",)).warnings)
    assert pipeline.rows("select count(*) > 50 from raw.jira_issues") == [(True,)]
    assert pipeline.rows("select count(*) from raw.jira_sprints") == [(0,)]
    sandbox.reset()
    assert pipeline.extract(("jira",)).warnings == []
    assert pipeline.rows("select count(*) > 0 from raw.jira_sprints") == [(True,)]


def test_a_board_without_sprints_is_read_once_a_week(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    refusal = {"errorMessages": ["The board does not support sprints"], "errors": {}}
    sandbox.add_fault(path_regex=r"board/\d+/sprint", count=1, status=400, body=refusal)
    reader(pipeline).discover()
    before = agile_calls(sandbox)
    reader(pipeline).discover()
    assert agile_calls(sandbox) - before == 1  # the list of boards
    assert pipeline.rows("select count(*) from raw.jira_sprints") == [(0,)]


def test_planned_and_done_can_be_computed(pipeline: Pipeline) -> None:
    pipeline.extract(("jira",))
    pipeline.transform()
    rows = pipeline.rows("""
        with planned as (
            select s.id as sprint_id, s.ends_at, c.issue_id
            from core.jira_sprints s
            join core.jira_issue_changes c
              on c.field = 'Sprint' and c.created_at <= s.started_at and s.id::text = any (string_to_array(c.to_id, ', '))
            where s.state = 'closed'
        )
        select p.sprint_id, count(*), count(*) filter (where j.resolution_at <= p.ends_at)
        from planned p join core.jira_issues j on j.id = p.issue_id
        group by 1
    """)
    assert len(rows) > 20
    assert all(done <= planned for _, planned, done in rows)
    assert sum(done for _, _, done in rows) > 50
    unknown = pipeline.rows(
        "select count(*) from core.jira_issues j, jsonb_array_elements_text(j.custom_fields -> 'sprints') one"
        " left join core.jira_sprints s on s.id = one::bigint where s.id is null"
    )
    assert unknown == [(0,)]


def test_fields_that_the_client_names_are_kept(pipeline: Pipeline) -> None:
    source = reader(pipeline, custom_fields=["severity", "No such field"])
    scope = source.discover()[0]
    assert [warning for warning in source.stats.warnings if "'No such field'" in warning] == source.stats.warnings
    source.extract(scope)
    pipeline.transform()
    found = pipeline.rows(
        "select distinct custom_fields -> 'severity' ->> 'value' from core.jira_issues where issue_type = 'Incident'"
    )
    assert {row[0] for row in found} == {"SEV1", "SEV2", "SEV3"}
    merged = "select count(*) from core.jira_issues where strpos(custom_fields ->> 'development', 'state=MERGED') > 0"
    assert pipeline.rows(merged)[0][0] > 100
    assert pipeline.rows("select count(*) from core.jira_issues where not custom_fields ? 'issuelinks'") == [(0,)]


def test_links_follow_the_issue(pipeline: Pipeline) -> None:
    source = reader(pipeline)
    scope = source.discover()[0]
    source.extract(scope)
    row = pipeline.rows("select record_id, payload from raw.jira_issues order by 1 limit 1")[0]

    def link(links: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        payload = {**row[1], "fields": {**row[1]["fields"], "issuelinks": links}}
        source.store([Page("jira_issues", [RawRow(row[0], scope.key, payload)])])
        pipeline.transform()
        return pipeline.rows("select id, link_type, direction, other_key from core.jira_issue_links order by id")

    blocks = {"id": "1", "type": {"name": "Blocks"}, "outwardIssue": {"id": "9", "key": "ACM-9"}}
    causes = {"id": "2", "type": {"name": "Causes"}, "inwardIssue": {"id": "8", "key": "ACM-8"}}
    assert link([blocks, causes]) == [(1, "Blocks", "outward", "ACM-9"), (2, "Causes", "inward", "ACM-8")]
    assert link([causes]) == [(2, "Causes", "inward", "ACM-8")]
    assert link([]) == []
    assert pipeline.transform()["staging/jira/issue_links.sql"] == 0
