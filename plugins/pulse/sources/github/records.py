"""GraphQL nodes → raw rows: inner connections become plain arrays, long texts are cut, bad nodes are rejected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pulse.warehouse.loader import Page, RawRow, Reject

BODY_CHARACTERS = 2000

Node = dict[str, Any]


def page_of(entity: str, nodes: Iterable[Any], scope_key: str, build: Callable[[Node, str], RawRow]) -> Page:
    """A page of an entity; a node that lacks a required field becomes a reject with its payload and the reason."""
    page = Page(entity)
    for node in nodes:
        try:
            page.rows.append(build(node, scope_key))
        except (KeyError, TypeError, ValueError) as error:
            record_id = str(node.get("id")) if isinstance(node, dict) else None
            reason = f"missing field {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            page.rejects.append(Reject(record_id, scope_key, json.dumps(node), reason))
    return page


def repository(node: Node, _scope_key: str) -> RawRow:
    """One repository; its own database id is its scope."""
    key = str(int(node["databaseId"]))
    _require(node, "id", "nameWithOwner", "url")
    return RawRow(key, key, node, _time(node.get("pushedAt")))


def pull_request(node: Node, scope_key: str) -> RawRow:
    """One pull request with its commits, reviews, timeline, labels and closed issues."""
    _require(node, "id", "number", "url", "state", "createdAt", "updatedAt")
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
        _require(commit, "oid", "committedDate")
    for review in payload["reviews"]:
        int(review["fullDatabaseId"])
    return RawRow(str(int(node["fullDatabaseId"])), scope_key, payload, _time(node["updatedAt"]))


def deployment(node: Node, scope_key: str) -> RawRow:
    """One deployment with its statuses."""
    _require(node, "id", "state", "createdAt")
    payload = {**node, "statuses": _nodes(node, "statuses")}
    return RawRow(str(int(node["databaseId"])), scope_key, payload, _time(node.get("updatedAt")))


def commit(node: Node, scope_key: str) -> RawRow:
    """One commit of the default branch's history, with its parents in order."""
    _require(node, "oid", "committedDate")
    payload = {**node, "parents": [parent["oid"] for parent in _nodes(node, "parents")]}
    return RawRow(f"{scope_key}:{node['oid']}", scope_key, payload, _time(node["committedDate"]))


def _nodes(node: Node, connection: str) -> list[Any]:
    return [item for item in (node.get(connection) or {}).get("nodes") or [] if item is not None]


def _require(node: Node, *fields: str) -> None:
    for name in fields:
        if node.get(name) is None:
            raise KeyError(name)


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
