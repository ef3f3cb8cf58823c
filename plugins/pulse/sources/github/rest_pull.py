"""A pull request from REST, in the shape of GraphQL: for one that GraphQL cannot deliver.

REST does not say which issues a pull request closes, so that list stays empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pulse.errors import AccessLost, AuthError, TooMuch, UpstreamError
from pulse.sources.github import records
from pulse.sources.github.client import GitHubClient, Node

# REST's timeline events that the GraphQL queries also read, by their GraphQL names.
_EVENTS = {
    "ready_for_review": "ReadyForReviewEvent",
    "convert_to_draft": "ConvertToDraftEvent",
    "review_requested": "ReviewRequestedEvent",
    "head_ref_force_pushed": "HeadRefForcePushedEvent",
    "merged": "MergedEvent",
    "closed": "ClosedEvent",
    "reopened": "ReopenedEvent",
    "added_to_merge_queue": "AddedToMergeQueueEvent",
    "removed_from_merge_queue": "RemovedFromMergeQueueEvent",
}


def pull_request(github: GitHubClient, full_name: str, bare: Node, with_files: bool) -> Node:
    """The complete pull request that `bare` (id, fullDatabaseId, number) identifies. Costs six calls or more.

    What REST leaves out or gives as null is null here too, as in GraphQL; what must not be, records rejects.
    """
    path = f"repos/{full_name}/pulls/{bare['number']}"
    pull = _object(github.rest(path).body)
    comments = Counter(
        str(one.get("pull_request_review_id")) for one in _objects(github.rest_pages(f"{path}/comments"))
    )
    node = {
        "id": bare["id"],
        "fullDatabaseId": str(pull.get("id") or bare["fullDatabaseId"]),
        "number": pull.get("number") or bare["number"],
        "title": pull.get("title"),
        "body": pull.get("body") or "",
        "url": pull.get("html_url") or bare.get("url"),
        "state": _state(pull),
        "isDraft": bool(pull.get("draft")),
        "createdAt": pull.get("created_at"),
        "updatedAt": pull.get("updated_at"),
        "publishedAt": None if pull.get("draft") else pull.get("created_at"),
        "mergedAt": pull.get("merged_at"),
        "closedAt": pull.get("closed_at"),
        "additions": pull.get("additions"),
        "deletions": pull.get("deletions"),
        "changedFiles": pull.get("changed_files"),
        "baseRefName": _object(pull.get("base")).get("ref"),
        "headRefName": _object(pull.get("head")).get("ref"),
        "author": _actor(pull.get("user")),
        "mergeCommit": _merge_commit(pull),
        "comments": {"totalCount": pull.get("comments"), "nodes": _first_comments(github, full_name, bare, pull)},
        "labels": {"nodes": [{"name": label.get("name")} for label in _objects(pull.get("labels"))]},
        "commits": {"nodes": [{"commit": _commit(item)} for item in _objects(github.rest_pages(f"{path}/commits"))]},
        "reviews": {"nodes": [_review(item, comments) for item in _objects(github.rest_pages(f"{path}/reviews"))]},
        "timelineItems": {
            "nodes": [
                _event(item)
                for item in _objects(github.rest_pages(f"repos/{full_name}/issues/{bare['number']}/timeline"))
                if item.get("event") in _EVENTS
            ]
        },
        "closingIssuesReferences": {"nodes": []},
    }
    if with_files and (files := _files(github, path)) is not None:
        node["files"] = {"nodes": files}
    return node


def _files(github: GitHubClient, path: str) -> list[Node] | None:
    """The files; None if GitHub cannot tell them (as of very large ones), which does not hold up the rest."""
    try:
        return [
            {"path": item["filename"], "additions": item.get("additions"), "deletions": item.get("deletions")}
            for item in _objects(github.rest_pages(f"{path}/files"))
            if item.get("filename")
        ]
    except TooMuch:
        raise
    except (AccessLost, AuthError, UpstreamError):
        github.http.forget(0)
        return None


def _state(pull: Node) -> str | None:
    if pull.get("merged_at"):
        return "MERGED"
    return str(pull["state"]).upper() if pull.get("state") else None


def _merge_commit(pull: Node) -> Node | None:
    oid = pull.get("merge_commit_sha")
    return {"oid": oid} if pull.get("merged_at") and oid else None


def _commit(item: Node) -> Node:
    commit = _object(item.get("commit"))
    author = _object(commit.get("author"))
    authored = author.get("date")
    committed = _object(commit.get("committer")).get("date")
    return {
        "oid": item.get("sha"),
        "authoredDate": authored or committed,
        "committedDate": committed or authored,
        "messageHeadline": str(commit.get("message") or "").split("\n")[0],
        "message": commit.get("message"),
        "author": {"email": author.get("email"), "user": _login(item.get("author"))},
    }


def _event(item: Node) -> Node:
    """A timeline event. GitHub does not give each one an id, but its kind and time tell it from the others."""
    identity = item.get("node_id") or item.get("id") or f"{item['event']} {item.get('created_at')}"
    return {
        "__typename": _EVENTS[item["event"]],
        "id": str(identity),
        "createdAt": item.get("created_at"),
        "actor": _login(item.get("actor")),
    }


def _review(item: Node, comments: Counter[str]) -> Node:
    return {
        "fullDatabaseId": str(item.get("id")),
        "state": item.get("state"),
        "submittedAt": item.get("submitted_at"),
        "author": _actor(item.get("user")),
        "comments": {"totalCount": comments[str(item.get("id"))]},
    }


def _first_comments(github: GitHubClient, full_name: str, bare: Node, pull: Node) -> list[Node]:
    """The comments up to the first by another person; asks for no page after that one, and for none if there are none."""
    found: list[Node] = []
    if not pull.get("comments"):
        return found
    for item in _objects(github.rest_pages(f"repos/{full_name}/issues/{bare['number']}/comments")):
        found.append(
            {
                "fullDatabaseId": str(item.get("id")),
                "createdAt": item.get("created_at"),
                "author": _actor(item.get("user")),
            }
        )
        if records.is_by_another(found[-1], _actor(pull.get("user"))):
            break
    return found


def _actor(user: Any) -> Node | None:
    """An actor with its type; None for a ghost. REST writes a bot's login with [bot], GraphQL without."""
    login = _object(user).get("login")
    if not isinstance(login, str) or not login:
        return None
    kind = str(user.get("type") or "User")
    return {"__typename": kind, "login": login.removesuffix("[bot]") if kind == "Bot" else login}


def _login(user: Any) -> Node | None:
    actor = _actor(user)
    return {"login": actor["login"]} if actor else None


def _object(value: Any) -> Node:
    return value if isinstance(value, dict) else {}


def _objects(values: Any) -> Iterator[Node]:
    """The objects of a list; nothing else is a record."""
    yield from (value for value in values or () if isinstance(value, dict))
