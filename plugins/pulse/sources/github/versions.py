"""Older Enterprise Servers: fields that they lack are left out of the queries where Pulse can do without."""

from __future__ import annotations

import re
from typing import Any

OLDEST = "3.13"  # it has fullDatabaseId on everything that is read
VERSION_HEADER = "x-github-enterprise-version"
# Without these, a record says less; without any other field, it says nothing.
OPTIONAL = frozenset(
    {
        *("publishedAt", "isDraft", "additions", "deletions", "changedFiles", "baseRefName", "headRefName", "labels"),
        *("closingIssuesReferences", "stateReason", "environmentUrl", "logUrl", "description", "task", "creator"),
        *("isPrerelease", "tagCommit", "isArchived", "pushedAt", "nodeCount", "resetAt", "remaining", "files"),
        *("AddedToMergeQueueEvent", "RemovedFromMergeQueueEvent", "ReviewRequestedEvent", "ConvertToDraftEvent"),
    }
)
_NEW_EVENTS = ("AddedToMergeQueueEvent", "RemovedFromMergeQueueEvent")
_MISSING = (
    re.compile(r"Field '(\w+)' doesn't exist on type"),
    re.compile(r"No such type (\w+)"),
    re.compile(r"Cannot query field ['\"](\w+)['\"]"),
    re.compile(r"Unknown type ['\"](\w+)['\"]"),
)
_TEXT = r'"(?:[^"\\]|\\.)*"'
_BRACKETS = {"(": ")", "{": "}"}


def lacking(errors: list[dict[str, Any]]) -> set[str]:
    """The fields and types that these errors say the server does not have."""
    found: set[str] = set()
    for error in errors:
        message = str(error.get("message", ""))
        found.update(match[1] for pattern in _MISSING if (match := pattern.search(message)))
        if "timelineItems" in message and "itemTypes" in message:
            found.update(_NEW_EVENTS)
    return found


def without(query: str, names: set[str]) -> str:
    """The query without these fields and types."""
    for name in sorted(names):
        if name.endswith("Event"):
            query = _cut(query, rf"\.\.\. on {name}\b")
            value = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
            query = re.sub(rf"{value}, |, {value}\b", "", query)
        else:
            query = _cut(query, rf"(?<![\w$]){name}\b(?!\s*:)")
    return query


def _cut(query: str, field: str) -> str:
    """The query without what a pattern finds outside of quotes, and the arguments and fields that follow it."""
    pattern, at = re.compile(rf"{_TEXT}|(?P<field>{field})"), 0
    while found := pattern.search(query, at):
        if found["field"] is None:
            at = found.end()
            continue
        end = found.end()
        for opening in _BRACKETS:
            rest = query[end:].lstrip()
            if rest.startswith(opening):
                end = _closing(query, len(query) - len(rest)) + 1
        query, at = query[: found.start()] + query[end:], found.start()
    return query


def _closing(query: str, start: int) -> int:
    """The place of the bracket that closes the one at `start`; texts in quotes do not count."""
    opening, depth = query[start], 0
    for part in re.finditer(rf"{_TEXT}|[(){{}}]", query[start:]):
        if part[0] == opening:
            depth += 1
        elif part[0] == _BRACKETS[opening]:
            depth -= 1
            if not depth:
                return start + part.start()
    return len(query) - 1
