"""The part of JQL that the sandbox supports, and an issue's fields at a point in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.jira.agile import sprint_json, sprint_text, sprints_of
from sandbox.world.model import Change, Issue, Site
from sandbox.world.sprints import SPRINT_FIELD


class UnknownIssue(ValueError):
    """A query names an issue that does not exist."""


def stamp(at: datetime) -> str:
    """A time as Jira writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


def matching(site: Site, jql: str, now: datetime, lag_seconds: float = 0, validate: bool = True) -> list[Issue]:
    """The issues that a query finds. Those that changed within `lag_seconds` are not in the search index yet. Raises
    ValueError for an invalid query, and (with `validate`) for one that names something that does not exist."""
    where, _, order = re.split(r"(?i)(\border by\b)", jql + " ORDER BY id ASC", maxsplit=1)[0:3]
    found = [issue for issue in site.issues if issue.created_at <= now]
    if not where.strip():
        raise ValueError("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    for clause in re.split(r"(?i)\s+and\s+", where.strip()):
        found = _filtered(site, found, clause.strip(), now, validate)
    if lag_seconds:
        found = [issue for issue in found if issue.updated_at(now) <= now - timedelta(seconds=lag_seconds)]
    if re.match(r"\s*updated", order, re.IGNORECASE):
        found.sort(key=lambda issue: issue.updated_at(now), reverse="desc" in order.lower())
    else:
        found.sort(key=lambda issue: issue.id, reverse=re.match(r"\s*id\s+desc", order, re.IGNORECASE) is not None)
    return found


def _filtered(site: Site, found: list[Issue], clause: str, now: datetime, validate: bool) -> list[Issue]:
    if match := re.fullmatch(r"(?i)project\s*(?:=|in)\s*\(?([^)]*)\)?", clause):
        names = _names(match[1])
        wanted = {int(p["id"]) for p in site.projects if p["id"] in names or p["key"].upper() in names}
        if not wanted:
            raise ValueError(f"The value '{match[1]}' does not exist for the field 'project'.")
        return [issue for issue in found if issue.project_id in wanted]
    if match := re.fullmatch(r"(?i)(updated|created)\s*>=\s*(\d{9,}|[\"'].*[\"'])", clause):
        value = match[2].strip("\"'")
        at = (
            datetime.fromtimestamp(int(value) / 1000, UTC)
            if value.isdigit()
            else (datetime.fromisoformat(value.replace("/", "-")).replace(tzinfo=UTC))
        )
        by_update = match[1].lower() == "updated"
        return [issue for issue in found if (issue.updated_at(now) if by_update else issue.created_at) >= at]
    if match := re.fullmatch(r"(?i)(?:id|key|issue)\s+in\s*\(([^)]*)\)", clause):
        names = _names(match[1])
        known = {
            name for issue in site.issues for name in (str(issue.id), issue.key.upper()) if issue.created_at <= now
        }
        if validate and names - known:
            raise UnknownIssue(f"A value with ID '{min(names - known)}' does not exist for the field 'id'.")
        return [issue for issue in found if str(issue.id) in names or issue.key.upper() in names]
    if match := re.fullmatch(r"(?i)id\s*>\s*(\d+)", clause):
        last = next((issue for issue in site.issues if issue.id == int(match[1])), None)
        if last is None:
            raise UnknownIssue(f"A value with ID '{match[1]}' does not exist for the field 'id'.")
        # Ids are compared like keys: within the project of the issue that is named.
        return [issue for issue in found if issue.project_id == last.project_id and issue.id > last.id]
    raise ValueError(f"Error in the JQL Query: the sandbox does not know '{clause}'.")


def _names(text: str) -> set[str]:
    return {name.strip().strip("\"'").upper() for name in text.split(",")}


def issue_json(site: Site, issue: Issue, fields: list[str], now: datetime, cloud: bool = True) -> dict[str, Any]:
    """An issue with the requested fields."""
    answer: dict[str, Any] = {"id": str(issue.id)}
    if set(fields) == {"id"}:
        return answer
    version = 3 if cloud else 2
    answer |= {"key": issue.key, "self": f"https://{site.slug}.example/rest/api/{version}/issue/{issue.id}"}
    everything = issue.recorded["fields"] if issue.recorded else _fields_at(site, issue, now, cloud)
    chosen = everything if "*all" in fields else {name: everything.get(name) for name in fields if name in everything}
    return answer | {"fields": chosen}


def _fields_at(site: Site, issue: Issue, now: datetime, cloud: bool) -> dict[str, Any]:
    status, resolved = issue.first_status, None
    for change in issue.changes:
        if change.at <= now:
            for item in change.items:
                if item.field == "status" and item.to_id:
                    status = item.to_id
                if item.field == "resolution":
                    resolved = change.at if item.to_id else None
    project = next(p for p in site.projects if int(p["id"]) == issue.project_id)
    sprints = sprints_of(site, issue, now)
    fields = {
        **issue.fields,
        "created": stamp(issue.created_at),
        "updated": stamp(issue.updated_at(now)),
        "status": next(s for s in site.statuses if s["id"] == status),
        "project": project,
        "resolutiondate": stamp(resolved) if resolved else None,
        "resolution": {"id": "10000", "name": "Done"} if resolved else None,
        SPRINT_FIELD: [(sprint_json if cloud else sprint_text)(sprint, now) for sprint in sprints] or None,
    }
    if not cloud:
        fields |= {name: _user(fields.get(name)) for name in ("assignee", "reporter")}
        fields["description"] = wiki_text(fields.get("description"))
    return fields


def change_json(change: Change, cloud: bool = True) -> dict[str, Any]:
    """A changelog entry. Its time is in epoch milliseconds in Cloud's bulk answers, and text in Data Center."""
    author = {"accountId": change.author, "displayName": change.author}
    return {
        "id": str(change.id),
        "created": int(change.at.timestamp() * 1000) if cloud else stamp(change.at),
        "author": author if cloud else _user(author),
        "items": [
            {
                "field": i.field,
                "fieldtype": "jira",
                **({"fieldId": i.field_id} if cloud else {}),
                "from": i.from_id,
                "fromString": i.from_text,
                "to": i.to_id,
                "toString": i.to_text,
            }
            for i in change.items
        ],
    }


def _user(person: Any) -> Any:
    """A person as Data Center returns one, without account id."""
    if not isinstance(person, dict):
        return person
    name = str(person["displayName"]).lower().replace(" ", ".")
    return {"name": name, "key": f"JIRAUSER{sum(map(ord, name))}", "displayName": person["displayName"], "active": True}


def wiki_text(node: Any) -> Any:
    """A document as Data Center returns it, in wiki markup."""
    if not isinstance(node, dict):
        return node
    if node.get("type") == "text":
        links = [mark["attrs"]["href"] for mark in node.get("marks") or [] if mark.get("type") == "link"]
        return f"[{node['text']}|{links[0]}]" if links and links[0] != node["text"] else node["text"]
    text = "".join(str(wiki_text(child)) for child in node.get("content") or [])
    return text + "\n\n" if node.get("type") == "paragraph" else text.strip() if node.get("type") == "doc" else text
