"""Jira's JSON → raw rows: the fields that Pulse uses, descriptions as plain text, bad records rejected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pulse.sources.base import require
from pulse.sources.jira.endpoints import ISSUE_FIELDS
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.text import plain_text
from pulse.warehouse.loader import RawRow

DESCRIPTION_CHARACTERS = 2000
Record = dict[str, Any]


def project(item: Record) -> RawRow:
    """One project. Its own id is its scope."""
    key = str(int(item["id"]))
    return RawRow(key, key, {"id": key, "key": item["key"], "name": item.get("name") or item["key"]})


def status(item: Record) -> RawRow:
    """One status with its category."""
    category = {"key": (item.get("statusCategory") or {}).get("key")}
    return RawRow(str(item["id"]), "", {"id": str(item["id"]), "name": item["name"], "statusCategory": category})


def board(item: Record) -> RawRow:
    """One agile board, with the project it belongs to if Jira says so (Data Center does not)."""
    location = item.get("location") or {}
    payload = {
        "id": str(int(item["id"])),
        "name": item["name"],
        "type": item["type"],
        "projectKey": location.get("projectKey"),
        "projectId": location.get("projectId"),
    }
    return RawRow(payload["id"], "", payload)


def sprint(item: Record) -> RawRow:
    """One sprint. Its scope is the board it was created on, whichever board shows it."""
    if item["state"] not in ("future", "active", "closed"):
        raise ValueError(f"unknown state {item['state']!r}")
    home = str(int(item["originBoardId"]))
    times = {name: item.get(name) for name in ("startDate", "endDate", "completeDate")}
    for value in times.values():
        if value is not None:
            timestamp(value)
    payload = {"id": str(int(item["id"])), "name": item["name"], "state": item["state"], "boardId": home, **times}
    return RawRow(payload["id"], home, payload)


def issue(item: Record, custom: CustomFields) -> RawRow:
    """One issue. Its scope is the project it is in now.

    A custom field is stored under its meaning (`_story_points`, `_sprints`, …) or, if the client named it, in `_custom`.
    """
    given = item["fields"]
    require(given, "project", "created", "updated", "status", "issuetype")
    fields: Record = {name: _trimmed(given.get(name)) for name in ISSUE_FIELDS if name != "description"}
    fields["description"] = plain_text(given.get("description"))[:DESCRIPTION_CHARACTERS]
    fields.update(custom.values(given))
    timestamp(given["created"])
    for name in ("status", "issuetype"):
        if not given[name]["name"]:
            raise KeyError(f"{name}.name")
    scope_key = str(int(given["project"]["id"]))
    payload = {"id": str(int(item["id"])), "key": item["key"], "fields": fields}
    return RawRow(payload["id"], scope_key, payload, timestamp(given["updated"]))


def changelog(issue_id: str, entry: Record, scope_key: str) -> RawRow:
    """One history entry of an issue, with all its items in order."""
    created = timestamp(entry["created"])
    payload = {
        "id": str(int(entry["id"])),
        "issueId": str(int(issue_id)),
        "author": _trimmed(entry.get("author")),
        "created": entry["created"],
        "items": [
            {key: change.get(key) for key in ("field", "fieldId", "from", "fromString", "to", "toString")}
            for change in entry["items"]
        ],
    }
    return RawRow(f"{payload['issueId']}:{payload['id']}", scope_key, payload, created)


def history(item: Record, scope_key: str) -> RawRow:
    """A history entry in the form {"issueId", "history"}: it keeps its issue's id, so that a reject can be read again."""
    return changelog(item["issueId"], item["history"], scope_key)


def history_id(item: Record) -> str:
    """The record id of an entry in that form."""
    return f"{item['issueId']}:{item['history']['id']}"


def timestamp(value: Any) -> datetime:
    """A time from Jira: epoch seconds or milliseconds, or ISO with an offset without colon. Raises ValueError."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
        number = float(value)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    return datetime.fromisoformat(value)


def _trimmed(value: Any) -> Any:
    """The identifying fields of an object, without addresses, avatars and similar."""
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if isinstance(value, dict):
        keep = (
            "id",
            "key",
            "name",
            "value",
            "accountId",
            "displayName",
            "type",
            "outwardIssue",
            "inwardIssue",
            "statusCategory",
            "outward",
            "inward",
        )
        return {name: _trimmed(value[name]) for name in keep if name in value}
    return value


# Entities that are built from their payload alone.
BUILDERS: dict[str, Callable[[Record], RawRow]] = {
    "jira_projects": project,
    "jira_statuses": status,
    "jira_boards": board,
    "jira_sprints": sprint,
}
