"""A small Jira for the flow metrics: rows in the core tables, as staging would write them, then computed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pulse.tenancy import client_role
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase

OPEN, PROGRESS, REVIEW, DONE, CLOSED = "1", "2", "3", "4", "5"
STATUSES = {
    OPEN: ("Open", "new"),
    PROGRESS: ("In Progress", "indeterminate"),
    REVIEW: ("In Review", "indeterminate"),
    DONE: ("Done", "done"),
    CLOSED: ("Closed", "done"),
}
PROJECTS = {"OPS": 1, "WEB": 2}
TABLES = {
    "work_items": "id",
    "work_status_times": "work_item_id, status",
    "work_sprint_items": "sprint_id, issue_id",
    "work_sprints": "id",
    "dora_metrics": "metric_type, grain, scope_type, scope_id, calculation_date",
    "work_time_in_status": "scope_type, scope_id, status",
    "dora_scopes": "scope_type, scope_id, family",
}
WRITTEN = ("facts/work_items", "flow/", "metrics/dora_metrics.", "end/work_state")
Move = tuple[str, str, str]


def at(text: str) -> datetime:
    """'2026-03-02 14:00' in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Board:
    """One client with a Jira of two projects, OPS and WEB. `now` is the time for which the stage runs."""

    def __init__(
        self,
        db: TestDatabase,
        time_zone: str = "UTC",
        now: str = "2026-03-31 12:00",
        client_id: int | None = None,
        **settings: Any,
    ) -> None:
        self.db = db
        self.now = at(now)
        self.client_id = client_id or db.add_client("acme", "Acme", time_zone=time_zone)
        self.jira = db.add_integration(self.client_id, "jira")
        for key, value in {"minimum_sample": 1, **settings}.items():
            db.set_setting(self.client_id, f"dora.{key}", value)
        self.conn = db.connect("pulse_etl")
        self.next_id = 1000
        for key, project in PROJECTS.items():
            self.insert("core.jira_projects", id=project, key=key, name=key, url=f"https://jira.example/{key}")
        for status, (name, category) in STATUSES.items():
            self.insert("core.jira_statuses", id=status, name=name, category=category)

    def issue(
        self,
        created: str,
        *moves: Move,
        kind: str = "Story",
        project: str = "OPS",
        points: float | None = None,
        sprints: tuple[int, ...] = (),
        **columns: Any,
    ) -> int:
        """An issue with its status changes (time, from, to); returns its id."""
        identity = self.next_id = self.next_id + 1
        status = moves[-1][2] if moves else OPEN
        self.insert(
            "core.jira_issues",
            **{
                "id": identity,
                "project_id": PROJECTS[project],
                "key": f"{project}-{identity}",
                "url": f"https://jira.example/{identity}",
                "issue_type": kind,
                "summary": f"Item {identity}",
                "status": STATUSES[status][0],
                "status_category": STATUSES[status][1],
                "story_points": points,
                "custom_fields": json.dumps({"sprints": sprints} if sprints else {}),
                "created_at": at(created),
                "updated_at": at(created),
                **columns,
            },
        )
        for moved_at, source, target in moves:
            self.change(identity, moved_at, "status", source, target)
        return identity

    def change(self, issue: int, moved_at: str, field: str, source: str | None, target: str | None) -> None:
        """An entry of an issue's changelog; ids for status and Sprint, texts otherwise."""
        self.next_id += 1
        by_id = field in ("status", "Sprint")
        self.insert(
            "core.jira_issue_changes",
            issue_id=issue,
            history_id=self.next_id,
            item_index=0,
            field=field,
            from_id=source if by_id else None,
            to_id=target if by_id else None,
            from_text=None if by_id else source,
            to_text=None if by_id else target,
            created_at=at(moved_at),
        )

    def move(self, issue: int, moved_at: str, source: str, target: str) -> None:
        """A status change of an issue that exists."""
        self.change(issue, moved_at, "status", source, target)
        name, category = STATUSES[target]
        self.update("core.jira_issues", issue, status=name, status_category=category, updated_at=at(moved_at))

    def sprint(self, identity: int, state: str, started: str | None, ended: str | None = None) -> int:
        """A sprint of two weeks; `ended`: when it was closed."""
        begin = at(started) if started else None
        self.insert(
            "core.jira_sprints",
            id=identity,
            board_id=7,
            name=f"Sprint {identity}",
            state=state,
            started_at=begin,
            ends_at=begin + timedelta(days=14) if begin else None,
            completed_at=at(ended) if ended else None,
        )
        return identity

    def insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(["client_id", "integration_id", *columns])
        marks = ", ".join(["%s"] * (len(columns) + 2))
        self.write(f"insert into {table} ({names}) values ({marks})", self.client_id, self.jira, *columns.values())

    def update(self, table: str, identity: Any, **columns: Any) -> None:
        sets = ", ".join(f"{name} = %s" for name in columns)
        self.write(f"update {table} set {sets} where id = %s", *columns.values(), identity)

    def write(self, statement: str, *parameters: Any) -> None:
        with client_transaction(self.conn, self.client_id):
            self.conn.execute(statement, parameters)  # type: ignore[call-overload]

    def compute(self, now: str | None = None, *, full: bool = False) -> int:
        """Run the stage; returns how many rows of work items and of numbers it wrote."""
        self.now = at(now) if now else self.now
        steps = run_stage(self.conn, self.client_id, "dora", now=self.now, full=full)
        return sum(step.rows for step in steps if step.file.startswith(WRITTEN))

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the client's own login reads on the replica."""
        self.db.wait_replica()
        with self.db.connect(client_role(self.client_id), replica=True) as conn:
            return list(conn.execute(query, parameters))  # type: ignore[call-overload]

    def item(self, issue: int, *columns: str) -> tuple[Any, ...]:
        """The given columns of an item."""
        return self.rows(
            f"select {', '.join(columns)} from report.work_items where work_item_id = %s", f"jira:{self.jira}:{issue}"
        )[0]

    def metric(self, name: str, grain: str, day: str, scope: str = "") -> dict[str, Any]:
        """The published row of a metric whose period holds the day."""
        columns = (
            "metric_value",
            "sample_size",
            "null_reason",
            "is_partial",
            "p50",
            "p75",
            "p90",
            "numerator",
            "denominator",
        )
        found = self.rows(
            f"select {', '.join(columns)} from report.work_metrics where metric_type = %s and grain = %s"
            " and scope_id = %s and period_at <= %s and period_end > %s",
            name,
            grain,
            scope,
            date.fromisoformat(day),
            date.fromisoformat(day),
        )
        assert len(found) == 1, f"{len(found)} rows of {name} by {grain} for {day}"
        return dict(zip(columns, found[0], strict=True))

    def value(self, name: str, grain: str, day: str, scope: str = "") -> Any:
        """The value of the published row of a metric whose period holds the day."""
        return self.metric(name, grain, day, scope)["metric_value"]

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that was computed, without the times of publication and the ids of numbers."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        with client_transaction(self.conn, self.client_id):
            for table, key in TABLES.items():
                columns = [
                    row[0]
                    for row in self.conn.execute(
                        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
                        " and not attisdropped and attname <> 'published_at' and attidentity = '' order by attnum",
                        [f"core.{table}"],
                    )
                ]
                query = f"select {', '.join(columns)} from core.{table} order by {key}"
                found[table] = list(self.conn.execute(query))  # type: ignore[call-overload]
        return found
