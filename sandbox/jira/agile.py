"""Jira Software over the world: for each project a scrum board with two-week sprints, and a kanban board.

Nothing of it is stored: which sprint a time belongs to follows from the time, what state it has from the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.model import Change, FieldChange, Issue, Site

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
    """The sprint that runs at a time."""
    return Sprint(project, (at - FIRST) // LENGTH)


def plan(project: dict[str, Any], issue: Issue, done_at: datetime | None) -> None:
    """Give an issue its sprints: the one in which work on it starts, and, while it is not done, those that follow."""
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


def sprints_of(site: Site, issue: Issue, now: datetime) -> list[Sprint]:
    """The sprints that an issue is or was in."""
    ids = ""
    for change in issue.changes:
        for item in change.items:
            if change.at <= now and item.field == "Sprint":
                ids = item.to_id or ""
    project = next(p for p in site.projects if int(p["id"]) == issue.project_id)
    return [Sprint(project, int(one) % 1000) for one in ids.split(", ") if one]


def sprint_json(sprint: Sprint, now: datetime) -> dict[str, Any]:
    """A sprint as the agile API gives it."""
    state = sprint.state(now)
    answer = {
        "id": sprint.id,
        "state": state,
        "name": sprint.name,
        "originBoardId": sprint.board_id,
        "goal": "",
        "startDate": _stamp(sprint.start),
        "endDate": _stamp(sprint.end),
        "createdDate": _stamp(sprint.start - KNOWN_BEFORE),
    }
    return answer | ({"completeDate": _stamp(sprint.end)} if state == "closed" else {})


def sprint_text(sprint: Sprint, now: datetime) -> str:
    """A sprint as Data Center writes it into an issue's field."""
    complete = _stamp(sprint.end) if sprint.state(now) == "closed" else "<null>"
    return (
        f"com.atlassian.greenhopper.service.sprint.Sprint@{sprint.id:x}[id={sprint.id},rapidViewId={sprint.board_id},"
        f"state={sprint.state(now).upper()},name={sprint.name},startDate={_stamp(sprint.start)},"
        f"endDate={_stamp(sprint.end)},completeDate={complete},sequence={sprint.id},goal=]"
    )


def boards(site: Site, cloud: bool) -> list[dict[str, Any]]:
    """The site's boards; Data Center does not say to which project one belongs."""
    found = []
    for project in site.projects:
        for place, kind in enumerate(("scrum", "kanban"), start=1):
            board: dict[str, Any] = {
                "id": int(project["id"]) * 10 + place,
                "name": f"{project['key']} {kind} board",
                "type": kind,
            }
            location = {"projectId": int(project["id"]), "projectKey": project["key"], "projectTypeKey": "software"}
            found.append(board | ({"location": location} if cloud else {}))
    return found


def board_sprints(site: Site, board_id: int, now: datetime) -> list[Sprint] | None:
    """The sprints of a scrum board that exist by now, oldest first; None for another board."""
    project = next((p for p in site.projects if int(p["id"]) * 10 + 1 == board_id), None)
    if project is None:
        return None
    first = min((issue.created_at for issue in site.issues), default=now)
    number, found = sprint_at(project, first).number, []
    while (sprint := Sprint(project, number)).start - KNOWN_BEFORE <= now:
        found.append(sprint)
        number += 1
    return found


def _ids(sprints: list[Sprint]) -> str:
    return ", ".join(str(sprint.id) for sprint in sprints)


def _names(sprints: list[Sprint]) -> str:
    return ", ".join(sprint.name for sprint in sprints)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
