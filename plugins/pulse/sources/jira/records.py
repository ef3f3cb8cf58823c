"""Jira's JSON → raw rows: the fields that are used, descriptions as plain text, bad records rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pulse.sources.base import require
from pulse.sources.jira.endpoints import ISSUE_FIELDS
from pulse.warehouse.loader import RawRow

DESCRIPTION_CHARACTERS = 2000
_BLOCKS = {"paragraph", "heading", "listItem", "codeBlock", "blockquote", "tableRow", "panel", "rule"}

Record = dict[str, Any]


def project(item: Record) -> RawRow:
    """One project; its own id is its scope."""
    key = str(int(item["id"]))
    return RawRow(key, key, {"id": key, "key": item["key"], "name": item.get("name") or item["key"]})


def status(item: Record) -> RawRow:
    """One status with its category."""
    category = {"key": (item.get("statusCategory") or {}).get("key")}
    return RawRow(str(item["id"]), "", {"id": str(item["id"]), "name": item["name"], "statusCategory": category})


def issue(item: Record, custom_fields: Mapping[str, list[str]]) -> RawRow:
    """One issue, its scope the project it is in now.

    `custom_fields`: ids of the site's fields by what they mean; the first that is filled becomes `_story_points`, `_sprints`.
    """
    given = item["fields"]
    require(given, "project", "created", "updated", "status", "issuetype")
    fields: Record = {name: _trimmed(given.get(name)) for name in ISSUE_FIELDS if name != "description"}
    fields["description"] = plain_text(given.get("description"))[:DESCRIPTION_CHARACTERS]
    for meaning, ids in custom_fields.items():
        value = next((given[name] for name in ids if given.get(name) is not None), None)
        if value is not None:
            fields[f"_{meaning}"] = [_sprint(one) for one in value] if meaning == "sprints" else value
    timestamp(given["created"])
    for name in ("status", "issuetype"):
        if not given[name]["name"]:
            raise KeyError(f"{name}.name")
    scope_key = str(int(given["project"]["id"]))
    payload = {"id": str(int(item["id"])), "key": item["key"], "fields": fields}
    return RawRow(payload["id"], scope_key, payload, timestamp(given["updated"]))


def _sprint(value: Any) -> Any:
    """A sprint without its goal; sites that still give text keep it."""
    if not isinstance(value, dict):
        return value
    keep = ("id", "name", "state", "boardId", "startDate", "endDate", "completeDate")
    return {name: value[name] for name in keep if name in value}


def changelog(issue_id: str, entry: Record, scope_key: str) -> RawRow:
    """One history entry of an issue with all its items in order."""
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
    """A history entry that is kept with its issue's id, so that a reject can be read again: {"issueId", "history"}."""
    return changelog(item["issueId"], item["history"], scope_key)


def history_id(item: Record) -> str:
    """The identity of such an entry."""
    return f"{item['issueId']}:{item['history']['id']}"


def timestamp(value: Any) -> datetime:
    """Jira's times: epoch seconds or milliseconds, or ISO with an offset without colon. Raises ValueError."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
        number = float(value)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no time")
    return datetime.fromisoformat(value)


def plain_text(document: Any) -> str:
    """An Atlassian document (ADF) as plain text with its links' addresses; a plain string stays as it is."""
    if document is None:
        return ""
    if isinstance(document, str):
        return document
    parts: list[str] = []
    _collect(document, parts)
    return "".join(parts).strip()


def _collect(node: Any, parts: list[str]) -> None:
    if isinstance(node, list):
        for child in node:
            _collect(child, parts)
        return
    if not isinstance(node, dict):
        return
    attributes = node.get("attrs") or {}
    if node.get("type") == "text":
        text = str(node.get("text", ""))
        links = [
            str(mark["attrs"]["href"])
            for mark in node.get("marks") or []
            if mark.get("type") == "link" and (mark.get("attrs") or {}).get("href")
        ]
        parts.append(text + "".join(f" {link} " for link in links if link != text))
    elif node.get("type") in ("inlineCard", "blockCard", "embedCard"):
        parts.append(f" {attributes.get('url', '')} ")
    elif node.get("type") == "hardBreak":
        parts.append("\n")
    else:
        _collect(node.get("content"), parts)
        if node.get("type") in _BLOCKS:
            parts.append("\n")


def _trimmed(value: Any) -> Any:
    """What names a thing, without its addresses, avatars and the like."""
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if isinstance(value, dict):
        keep = ("id", "key", "name", "value", "accountId", "displayName", "type", "outwardIssue", "inwardIssue",
                "statusCategory", "outward", "inward")  # fmt: skip
        return {name: _trimmed(value[name]) for name in keep if name in value}
    return value


# The entities that need nothing but their payload.
BUILDERS: dict[str, Callable[[Record], RawRow]] = {"jira_projects": project, "jira_statuses": status}
