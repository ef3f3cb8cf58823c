"""Whatever is edited, an incremental run gives the same as a full one, and a run without edits writes nothing."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.work.board import OPEN, PROJECTS, STATUSES, Board, at

FORMAT = "%Y-%m-%d %H:%M"

# The definitions of docs/metrics.md, as queries over report.work_items and the periods of report.work_metrics.
EVIDENCE = """
select m.metric_type, m.grain, m.scope_id, m.period_at, m.metric_value, m.sample_size,
    case m.metric_type
        when 'cycle_time' then done.cycle_time
        when 'lead_time' then done.lead_time
        when 'throughput' then done.n
        when 'reopened_share' then done.reopened / nullif(done.n, 0)
        when 'bug_share' then done.bugs / nullif(done.n, 0)
        when 'incident_load' then created.incidents / nullif(created.n, 0)
        when 'work_in_progress' then (
            select count(*) from report.work_items w
            where (m.scope_id = '' or w.project_key = m.scope_id)
              and w.started_on < m.period_end
              and (w.done_on >= m.period_end or w.done_on is null and w.status_category <> 'done'))
    end as evidence
from report.work_metrics m
cross join lateral (
    select count(*)::double precision as n, count(*) filter (where was_reopened) as reopened,
           count(*) filter (where is_bug) as bugs,
           percentile_cont(0.5) within group (order by cycle_time_hours) as cycle_time,
           percentile_cont(0.5) within group (order by lead_time_hours) as lead_time
    from report.work_items w
    where (m.scope_id = '' or w.project_key = m.scope_id) and w.done_on >= m.period_at and w.done_on < m.period_end
) done
cross join lateral (
    select count(*)::double precision as n, count(*) filter (where is_incident) as incidents
    from report.work_items w
    where (m.scope_id = '' or w.project_key = m.scope_id) and w.created_on >= m.period_at and w.created_on < m.period_end
) created
"""

# An incident is resolved when its item is done.
DIFFERENT_INCIDENTS = """
select i.key, i.resolved_at, w.done_at
from core.incidents i
left join core.work_items w on (w.client_id, w.id) = (i.client_id, i.id) and w.is_incident
where w.id is null or i.resolved_at is distinct from w.done_at
"""


class Edits:
    """Random edits of a board, all before its `now`."""

    def __init__(self, board: Board, seed: int) -> None:
        self.board = board
        self.random = random.Random(seed)
        self.issues: dict[int, str] = {}
        self.sprints: list[int] = []

    def time(self) -> str:
        """A time in the 100 days before now, seldom long before that."""
        days = self.random.random() ** 2 * (100 if self.random.random() < 0.95 else 400)
        return (self.board.now - timedelta(days=days)).strftime(FORMAT)

    def step(self) -> None:
        kinds = (
            [self.add] * 4 + [self.move] * 6 + [self.plan] * 4 + [self.begin, self.rename, self.remove, self.transfer]
        )
        self.random.choice(kinds)()

    def add(self) -> None:
        kind = self.random.choice(("Story", "Bug", "Incident"))
        issue = self.board.issue(
            self.time(), kind=kind, project=self.random.choice(list(PROJECTS)), points=self.random.randint(1, 8)
        )
        self.issues[issue] = OPEN

    def move(self) -> None:
        if self.issues:
            issue = self.random.choice(list(self.issues))
            target = self.random.choice(list(STATUSES))
            self.board.move(issue, self.time(), self.issues[issue], target)
            self.issues[issue] = target

    def plan(self) -> None:
        if self.issues and self.sprints:
            issue, count = self.random.choice(list(self.issues)), len(self.sprints)
            sets = [self.random.sample(self.sprints, self.random.randint(0, min(2, count))) for _ in range(2)]
            before, after = (", ".join(str(one) for one in some) for some in sets)
            self.board.change(issue, self.time(), "Sprint", before, after)
            self.board.update("core.jira_issues", issue, custom_fields=json.dumps({"sprints": sets[1]}))

    def begin(self) -> None:
        """A new sprint, or a sprint in a different state."""
        if len(self.sprints) < 4:
            self.sprints.append(self.board.sprint(100 + len(self.sprints), "future", None))
            return
        times = sorted(at(self.time()) for _ in range(2))
        state = self.random.choice(("future", "active", "closed"))
        self.board.update(
            "core.jira_sprints",
            self.random.choice(self.sprints),
            state=state,
            started_at=times[0],
            completed_at=times[1] if state == "closed" else None,
        )

    def rename(self) -> None:
        """A change that no issue's row shows: a status gets another category, or a project another key."""
        if self.random.random() < 0.5:
            category = self.random.choice(("indeterminate", "done"))
            self.board.update("core.jira_statuses", "3", category=category)
        else:
            self.board.update("core.jira_projects", 2, key=self.random.choice(("WEB", "NET")))

    def remove(self) -> None:
        if self.issues:
            gone = self.board.now if self.random.random() < 0.7 else None
            self.board.update("core.jira_issues", self.random.choice(list(self.issues)), deleted_at=gone)

    def transfer(self) -> None:
        if self.issues:
            issue = self.random.choice(list(self.issues))
            self.board.update("core.jira_issues", issue, project_id=self.random.choice(list(PROJECTS.values())))


def differences(board: Board) -> list[tuple[Any, ...]]:
    return [
        row
        for row in board.rows(EVIDENCE)
        if row[-1] != pytest.approx(row[-3]) and not (row[-1] is None and row[-3] is None)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("time_zone", ["UTC", "America/New_York"])
def test_incremental_equals_full(db: TestDatabase, seed: int, time_zone: str) -> None:
    board = Board(db, time_zone, "2026-03-01 12:00")
    edits = Edits(board, seed)
    board.compute()
    for run in range(8):
        for _ in range(edits.random.randint(0, 12)):
            edits.step()
        board.compute()
        incremental = board.snapshot()
        assert board.compute(full=True) == 0, f"run {run}: the full run found something to write"
        assert board.snapshot() == incremental
        assert board.compute() == 0
        board.now += timedelta(hours=edits.random.choice((0, 1, 10, 24, 24 * 9, 24 * 40)))
    assert differences(board) == []
    assert board.rows(DIFFERENT_INCIDENTS) == []
    assert sum(len(rows) for rows in board.snapshot().values()) > 100


def test_only_changed_rows_are_written(db: TestDatabase) -> None:
    board = Board(db)
    for day in range(1, 29):
        board.issue(
            f"2026-02-{day:02} 08:00", (f"2026-02-{day:02} 09:00", "1", "2"), (f"2026-03-{day:02} 08:00", "2", "4")
        )
    first = board.issue("2026-03-10 08:00")
    assert board.compute() > 100
    assert board.compute() == 0
    board.update("core.jira_issues", first, description="nothing that counts")
    assert board.compute() == 0
    board.update("core.jira_issues", first, summary="Another title")
    assert board.compute() == 1
    assert board.compute("2026-04-01 12:00") < 60  # a new day, with the periods that begin and end
    assert board.compute() == 0


def test_every_column_of_the_views_is_described(db: TestDatabase) -> None:
    without = db.connect("pulse_owner").execute(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum >= 0"
        " where c.relnamespace = 'report'::regnamespace and c.relname like 'work%'"
        " and col_description(c.oid, a.attnum) is null"
        " union all select c.relname, '' from pg_class c where c.relnamespace = 'report'::regnamespace"
        " and c.relname like 'work%' and obj_description(c.oid) is null"
    )
    assert without.fetchall() == []
