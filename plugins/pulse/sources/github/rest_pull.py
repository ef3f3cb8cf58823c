"""A pull request from REST, in the shape of GraphQL: for one that GraphQL cannot deliver.

REST does not say which issues a pull request closes, so that list stays empty.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

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
    """The complete pull request that `bare` (id, fullDatabaseId, number) identifies. Costs six calls or more."""
    path = f"repos/{full_name}/pulls/{bare['number']}"
    pull = github.rest(path).body
    comments = Counter(str(comment.get("pull_request_review_id")) for comment in github.rest_pages(f"{path}/comments"))
    node = {
        "id": bare["id"],
        "fullDatabaseId": str(pull["id"]),
        "number": pull["number"],
        "title": pull["title"],
        "body": pull["body"] or "",
        "url": pull["html_url"],
        "state": _state(pull),
        "isDraft": bool(pull.get("draft")),
        "createdAt": pull["created_at"],
        "updatedAt": pull["updated_at"],
        "publishedAt": None if pull.get("draft") else pull["created_at"],
        "mergedAt": pull["merged_at"],
        "closedAt": pull["closed_at"],
        "additions": pull["additions"],
        "deletions": pull["deletions"],
        "changedFiles": pull["changed_files"],
        "baseRefName": pull["base"]["ref"],
        "headRefName": pull["head"]["ref"],
        "author": _actor(pull["user"]),
        "mergeCommit": {"oid": pull["merge_commit_sha"]} if pull["merged_at"] else None,
        "comments": {"totalCount": pull["comments"], "nodes": _first_comments(github, full_name, pull)},
        "labels": {"nodes": [{"name": label["name"]} for label in pull["labels"]]},
        "commits": {"nodes": [{"commit": _commit(item)} for item in github.rest_pages(f"{path}/commits")]},
        "reviews": {"nodes": [_review(item, comments) for item in github.rest_pages(f"{path}/reviews")]},
        "timelineItems": {
            "nodes": [
                {
                    "__typename": _EVENTS[item["event"]],
                    "id": item["node_id"],
                    "createdAt": item["created_at"],
                    "actor": _login(item.get("actor")),
                }
                for item in github.rest_pages(f"repos/{full_name}/issues/{bare['number']}/timeline")
                if item.get("event") in _EVENTS
            ]
        },
        "closingIssuesReferences": {"nodes": []},
    }
    if with_files:
        files = github.rest_pages(f"{path}/files")
        node["files"] = {
            "nodes": [
                {"path": item["filename"], "additions": item["additions"], "deletions": item["deletions"]}
                for item in files
            ]
        }
    return node


def _state(pull: dict[str, Any]) -> str:
    return "MERGED" if pull["merged_at"] else str(pull["state"]).upper()


def _commit(item: dict[str, Any]) -> Node:
    commit = item["commit"]
    return {
        "oid": item["sha"],
        "authoredDate": commit["author"]["date"],
        "committedDate": commit["committer"]["date"],
        "messageHeadline": commit["message"].split("\n")[0],
        "author": {"user": _login(item.get("author"))},
    }


def _review(item: dict[str, Any], comments: Counter[str]) -> Node:
    return {
        "fullDatabaseId": str(item["id"]),
        "state": item["state"],
        "submittedAt": item.get("submitted_at"),
        "author": _actor(item["user"]),
        "comments": {"totalCount": comments[str(item["id"])]},
    }


def _first_comments(github: GitHubClient, full_name: str, pull: dict[str, Any]) -> list[Node]:
    """The comments up to the first by another person; asks for no page after that one, and for none if there are none."""
    found: list[Node] = []
    items = github.rest_pages(f"repos/{full_name}/issues/{pull['number']}/comments") if pull["comments"] else ()
    for item in items:
        found.append(
            {"fullDatabaseId": str(item["id"]), "createdAt": item["created_at"], "author": _actor(item["user"])}
        )
        if records.is_by_another(found[-1], _actor(pull["user"])):
            break
    return found


def _actor(user: dict[str, Any] | None) -> Node | None:
    """An actor with its type. REST writes a bot's login with [bot], GraphQL without."""
    if user is None:
        return None
    kind = str(user.get("type") or "User")
    return {"__typename": kind, "login": user["login"].removesuffix("[bot]") if kind == "Bot" else user["login"]}


def _login(user: dict[str, Any] | None) -> Node | None:
    actor = _actor(user)
    return {"login": actor["login"]} if actor else None
