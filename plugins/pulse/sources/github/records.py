"""GraphQL nodes → raw rows: inner connections become plain arrays, long texts are cut, bad nodes are rejected."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pulse.sources.base import require
from pulse.warehouse.loader import RawRow

BODY_CHARACTERS = 2000

Node = dict[str, Any]


def record_id(node: Node) -> str | None:
    """What a node that cannot be read is known by: its database id, else its node id."""
    found = node.get("fullDatabaseId") or node.get("databaseId") or node.get("oid") or node.get("id")
    return None if found is None else str(found)


def repository(node: Node) -> RawRow:
    """One repository; its own database id is its scope."""
    key = str(int(node["databaseId"]))
    require(node, "id", "nameWithOwner", "url")
    return RawRow(key, key, node, _time(node.get("pushedAt")))


def pull_request(node: Node, scope_key: str) -> RawRow:
    """One pull request with its commits, reviews, timeline, labels and closed issues."""
    require(node, "id", "number", "url", "state", "createdAt", "updatedAt")
    payload = {
        **{key: value for key, value in node.items() if key not in ("closingIssuesReferences", "labels")},
        "body": (node.get("body") or "")[:BODY_CHARACTERS],
        "labels": [label["name"] for label in _nodes(node, "labels")],
        "commits": [item["commit"] for item in _nodes(node, "commits")],
        "reviews": _nodes(node, "reviews"),
        "timelineItems": [item for item in _nodes(node, "timelineItems") if item.get("id")],
        "closingIssues": _nodes(node, "closingIssuesReferences"),
    }
    for commit in payload["commits"]:
        require(commit, "oid", "committedDate")
    for review in payload["reviews"]:
        int(review["fullDatabaseId"])
    return RawRow(str(int(node["fullDatabaseId"])), scope_key, payload, _time(node["updatedAt"]))


def deployment(node: Node, scope_key: str) -> RawRow:
    """One deployment with its statuses."""
    require(node, "id", "state", "createdAt")
    payload = {**node, "statuses": _nodes(node, "statuses")}
    return RawRow(str(int(node["databaseId"])), scope_key, payload, _time(node.get("updatedAt")))


def commit(node: Node, scope_key: str) -> RawRow:
    """One commit of the default branch's history, with its parents in order."""
    require(node, "oid", "committedDate")
    payload = {**node, "parents": [parent["oid"] for parent in _nodes(node, "parents")]}
    return RawRow(f"{scope_key}:{node['oid']}", scope_key, payload, _time(node["committedDate"]))


def _nodes(node: Node, connection: str) -> list[Any]:
    return [item for item in (node.get(connection) or {}).get("nodes") or [] if item is not None]


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
