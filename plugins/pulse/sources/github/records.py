"""GraphQL nodes → raw rows: inner connections become plain arrays, long texts are cut, bad nodes are rejected."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pulse.clients.settings import DoraSettings
from pulse.sources.assistants import assistants_in
from pulse.sources.base import require
from pulse.warehouse.loader import RawRow

BODY_CHARACTERS = 2000
# GitHub's own word for a run that has not begun: it is asked for again until it has ended.
UNKNOWN_STATUS = "pending"
# Python reads more forms of a time than PostgreSQL does.
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# Whom dora.bots and dora.agents call automation by default.
_MACHINE = re.compile(
    "|".join(f"(?:{one})" for name in ("dora_bots", "dora_agents") for one in DoraSettings.model_fields[name].default),
    re.IGNORECASE,
)
# The words of git cherry-pick -x. GitHub's squash keeps them, one for each commit.
_PICKED = re.compile(r"cherry[- ]picked from commit ([0-9a-f]{40})\b")

Node = dict[str, Any]


def record_id(node: Node) -> str | None:
    """What identifies a node that cannot be read: its database id, or else its node id."""
    found = node.get("fullDatabaseId") or node.get("databaseId") or node.get("oid") or node.get("id")
    return None if found is None else str(found)


def repository(node: Node) -> RawRow:
    """One repository. Its own database id is its scope."""
    key = str(int(node["databaseId"]))
    require(node, "id", "nameWithOwner", "url", "createdAt")
    keep = ("databaseId", "id", "nameWithOwner", "url", "isArchived", "createdAt", "pushedAt", "defaultBranchRef")
    return RawRow(key, key, {name: node.get(name) for name in keep}, _time(node.get("pushedAt")))


def pull_request(node: Node, scope_key: str) -> RawRow:
    """One pull request with its commits, reviews, first comments, timeline, labels and closed issues, and its files if
    requested."""
    require(node, "id", "number", "url", "state", "createdAt", "updatedAt")
    payload = {
        **{key: value for key, value in node.items() if key not in ("closingIssuesReferences", "labels", "files")},
        "body": (node.get("body") or "")[:BODY_CHARACTERS],
        "labels": labels_of(node),
        "assistedBy": assistants_in(node.get("body")),
        "commits": [_without_message(item["commit"]) for item in _nodes(node, "commits")],
        "reviews": _nodes(node, "reviews"),
        "comments": {"totalCount": (node.get("comments") or {}).get("totalCount")},
        "firstComments": first_comments(node),
        "timelineItems": [item for item in _nodes(node, "timelineItems") if item.get("id")],
        "closingIssues": _nodes(node, "closingIssuesReferences"),
    }
    if node.get("files") is not None:
        payload["files"] = _nodes(node, "files")
    for commit in payload["commits"]:
        require(commit, "oid", "committedDate")
        _check_times(commit, "authoredDate", "committedDate")
    for review in payload["reviews"]:
        int(review["fullDatabaseId"])
        _check_times(review, "submittedAt")
    for item in (*payload["firstComments"], *payload["timelineItems"]):
        _check_times(item, "createdAt")
    _check_times(node, "createdAt", "publishedAt", "mergedAt", "closedAt")
    _check_numbers(node, "number", "additions", "deletions", "changedFiles")
    return RawRow(_id(node["fullDatabaseId"]), scope_key, payload, _time(node["updatedAt"]))


def labels_of(node: Node) -> list[str]:
    """The names of a node's labels. One without a name says nothing."""
    return [label["name"] for label in _nodes(node, "labels") if label.get("name")]


def first_comments(node: Node) -> list[Node]:
    """A pull request's comments up to the first by another person, so the same ones are kept however many were read."""
    found = _nodes(node, "comments")
    first = next(
        (place for place, comment in enumerate(found) if is_by_another(comment, node.get("author"))), len(found)
    )
    return found[: first + 1]


def is_commented(node: Node) -> bool:
    """Whether the comments that were read include one by another person."""
    return any(is_by_another(comment, node.get("author")) for comment in _nodes(node, "comments"))


def is_by_another(comment: Node, author: Node | None) -> bool:
    """Whether a person other than the pull request's author wrote the comment. A client may call others automation, too: the
    SQL applies its rule to what is kept."""
    writer = comment.get("author") or {}
    login = writer.get("login")
    is_bot = writer.get("__typename") == "Bot" or _MACHINE.search(str(login or ""))
    return not is_bot and login != (author or {}).get("login")


def deployment(node: Node, scope_key: str) -> RawRow:
    """One deployment with its statuses."""
    require(node, "id", "state", "createdAt")
    payload = {**node, "statuses": _nodes(node, "statuses")}
    _check_times(node, "createdAt")
    for status in payload["statuses"]:
        require(status, "id", "state")
        _check_times(status, "createdAt", "updatedAt")
    return RawRow(_id(node["databaseId"]), scope_key, payload, _time(node.get("updatedAt")))


def issue(node: Node, scope_key: str) -> RawRow:
    """One issue (never a pull request) with its labels."""
    require(node, "id", "number", "url", "state", "createdAt", "updatedAt")
    _check_times(node, "createdAt", "closedAt")
    _check_numbers(node, "number")
    payload = {
        **node,
        "body": (node.get("body") or "")[:BODY_CHARACTERS],
        "labels": labels_of(node),
    }
    return RawRow(_id(node["fullDatabaseId"]), scope_key, payload, _time(node["updatedAt"]))


def release(node: Node, scope_key: str) -> RawRow:
    """One release with the commit of its tag."""
    require(node, "id", "tagName", "url", "createdAt")
    _check_times(node, "createdAt", "publishedAt")
    return RawRow(_id(node["databaseId"]), scope_key, dict(node), _time(node.get("updatedAt")))


def tag(node: Node, scope_key: str) -> RawRow:
    """One tag. An annotated tag points to a tag object, which points to the commit."""
    target = node["target"]
    annotated = target.get("__typename") == "Tag"
    tagged_at = (target.get("tagger") or {}).get("date") if annotated else None
    payload = {"name": node["name"], "oid": (target["target"] if annotated else target)["oid"], "taggedAt": tagged_at}
    return RawRow(f"{scope_key}:{node['name']}", scope_key, payload, _time(tagged_at))


def workflow_run(item: Node, scope_key: str) -> RawRow:
    """One attempt of a workflow run, from REST. The key is run and attempt, so a repeated run keeps its past."""
    require(item, "id", "html_url", "created_at", "updated_at", "head_sha", "event")
    keep = (
        "id",
        "node_id",
        "name",
        "run_number",
        "run_attempt",
        "event",
        "status",
        "conclusion",
        "head_branch",
        "head_sha",
        "html_url",
        "created_at",
        "updated_at",
        "run_started_at",
        "path",
        "workflow_id",
    )
    payload = {name: item.get(name) for name in keep}
    payload["id"] = int(item["id"])
    payload["status"] = item.get("status") or UNKNOWN_STATUS
    payload["run_attempt"] = int(item.get("run_attempt") or 1)
    payload["actor"] = (item.get("actor") or {}).get("login")
    _check_numbers(payload, "run_attempt")
    _check_times(item, "created_at", "updated_at", "run_started_at")
    return RawRow(f"{_id(item['id'])}:{payload['run_attempt']}", scope_key, payload, _time(item["updated_at"]))


def workflow_job(node: Node, run: Node, scope_key: str) -> RawRow:
    """One job of the latest attempt of a run, from its check run."""
    require(node, "databaseId", "name", "status")
    _check_times(node, "startedAt", "completedAt")
    payload = {**node, "runId": run["id"], "runAttempt": run["run_attempt"]}
    return RawRow(_id(node["databaseId"]), scope_key, payload, _time(node.get("completedAt")))


def commit(node: Node, scope_key: str) -> RawRow:
    """One commit of the default branch's history, with its parents in order."""
    require(node, "oid", "committedDate")
    payload = {**_without_message(node), "parents": [parent["oid"] for parent in _nodes(node, "parents")]}
    return RawRow(f"{scope_key}:{node['oid']}", scope_key, payload, _time(node["committedDate"]))


def comparison(node: Node, scope_key: str) -> RawRow:
    """A deployed commit compared with the default branch: where its branch began, and the branch's commits, from REST."""
    require(node, "oid", "total")
    commits = []
    for one in node["commits"]:
        message = str(one["commit"].get("message") or "")
        dates = (one["commit"].get("author") or {}, one["commit"].get("committer") or {})
        commits.append(
            {
                "oid": str(one["sha"]),
                "authoredDate": dates[0].get("date") or dates[1].get("date"),
                "messageHeadline": message.split("\n", 1)[0],
                "pickedFrom": sorted(set(_PICKED.findall(message))),
            }
        )
        _check_times(commits[-1], "authoredDate")
    payload = {"oid": node["oid"], "mergeBase": node["mergeBase"], "total": int(node["total"]), "commits": commits}
    _check_numbers(payload, "total")
    return RawRow(f"{scope_key}:{node['oid']}", scope_key, payload, None)


def _without_message(commit: Node) -> Node:
    """A commit with the assistants that its message and author tell of, instead of the message and the e-mail address."""
    author = commit.get("author")
    author = author if isinstance(author, dict) else {}
    kept = {key: value for key, value in commit.items() if key not in ("message", "author")}
    kept["assistedBy"] = assistants_in(commit.get("message"), author.get("email"))
    if author.get("user"):
        kept["author"] = {"user": author["user"]}
    return kept


def _nodes(node: Node, connection: str) -> list[Any]:
    return [item for item in (node.get(connection) or {}).get("nodes") or [] if item is not None]


def _id(value: Any) -> str:
    """A database id as text. Raises ValueError when PostgreSQL could not hold it as bigint."""
    number = int(value)
    if not 0 < number < 2**63:
        raise ValueError(f"{value!r} is not an id")
    return str(number)


def _check_times(node: Node, *names: str) -> None:
    for name in names:
        try:
            _time(node.get(name))
        except (TypeError, ValueError):
            raise ValueError(f"{name} is not a time: {str(node[name])[:40]!r}") from None


def _check_numbers(node: Node, *names: str) -> None:
    for name in names:
        if node.get(name) is not None and not 0 <= int(node[name]) < 2**31:
            raise ValueError(f"{name} is not a number that can be stored: {str(node[name])[:40]!r}")


def _time(value: str | None) -> datetime | None:
    if not value:
        return None
    if not _TIME.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is not a time")
    return datetime.fromisoformat(value)
