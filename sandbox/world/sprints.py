"""The sprints of a Jira project: two weeks each, one after the other.

None is stored: the time determines the sprint, and the clock its state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.world.model import Change, FieldChange, Issue

SPRINT_FIELD = "customfield_10020"
LENGTH = timedelta(days=14)
FIRST = datetime(2024, 1, 1, 8, tzinfo=UTC)  # a Monday
PLANNED_BEFORE, KNOWN_BEFORE = timedelta(days=1), timedelta(days=20)
MOST_SPRINTS = 4
CHANGE_IDS = 900_000_000


@dataclass(frozen=True)
class Sprint:
    """A project's sprint by its number."""

    project: dict[str, Any]
    number: int

    @property
    def id(self) -> int:
        return int(self.project["id"]) * 1000 + self.number

    @property
    def board_id(self) -> int:
        return int(self.project["id"]) * 10 + 1

    @property
    def name(self) -> str:
        return f"{self.project['key']} Sprint {self.number}"

    @property
    def start(self) -> datetime:
        return FIRST + LENGTH * self.number

    @property
    def end(self) -> datetime:
        return self.start + LENGTH

    def state(self, now: datetime) -> str:
        return "future" if now < self.start else "active" if now < self.end else "closed"


def sprint_at(project: dict[str, Any], at: datetime) -> Sprint:
    """The sprint that is active at a time."""
    return Sprint(project, (at - FIRST) // LENGTH)


def plan(project: dict[str, Any], issue: Issue, done_at: datetime | None) -> None:
    """Give an issue its sprints: the one in which work on it starts, and those that follow until it is done."""
    if not issue.changes:
        return
    sprint = sprint_at(project, issue.changes[0].at)
    at = max(issue.created_at, sprint.start - PLANNED_BEFORE)
    sprints: list[Sprint] = []
    while True:
        after = [*sprints, sprint]
        items = [FieldChange("Sprint", SPRINT_FIELD, _ids(sprints), _names(sprints), _ids(after), _names(after))]
        issue.changes.append(Change(CHANGE_IDS + issue.id * 10 + len(sprints), at, "Planner", items))
        sprints = after
        if done_at is None or done_at <= sprint.end or len(sprints) == MOST_SPRINTS:
            break
        at, sprint = sprint.end, Sprint(project, sprint.number + 1)
    issue.changes.sort(key=lambda change: change.at)


def _ids(sprints: list[Sprint]) -> str:
    return ", ".join(str(sprint.id) for sprint in sprints)


def _names(sprints: list[Sprint]) -> str:
    return ", ".join(sprint.name for sprint in sprints)
