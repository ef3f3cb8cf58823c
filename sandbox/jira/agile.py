"""Jira Software: for each project a scrum board with two-week sprints, and a kanban board."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.world.model import Issue, Site
from sandbox.world.sprints import KNOWN_BEFORE, Sprint, sprint_at


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
    """A sprint as the agile API returns it."""
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
    """The site's boards. Data Center does not say which project a board belongs to."""
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
    """The sprints of a scrum board that exist by now, oldest first; None for other boards."""
    project = next((p for p in site.projects if int(p["id"]) * 10 + 1 == board_id), None)
    if project is None:
        return None
    first = min((issue.created_at for issue in site.issues), default=now)
    number, found = sprint_at(project, first).number, []
    while (sprint := Sprint(project, number)).start - KNOWN_BEFORE <= now:
        found.append(sprint)
        number += 1
    return found


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
