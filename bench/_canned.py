"""A GitHub that answers at once: one repository with any number of pull requests, built from a template.

python -m bench._canned --port P. The owner's name gives the number of pull requests: organisation p200000 has 200,000.
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

NEWEST = datetime(2026, 6, 1, tzinfo=UTC)
RATE = '"rateLimit":{"cost":1,"remaining":4000,"resetAt":"2026-06-01T13:00:00Z","nodeCount":1}'
EMPTY = '{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[]}'


def _template() -> str:
    """A pull request of ordinary size: three commits, two reviews, five events. @ is the placeholder for its number."""
    one_page = {"hasNextPage": False, "endCursor": None}
    person = {"__typename": "User", "login": "mira-lund"}
    node = {
        "id": "PR_@",
        "fullDatabaseId": "29@",
        "number": "#",
        "title": "SHOP-@ Speed up the price list",
        "body": "Reads the rate table once. " * 12,
        "url": "https://github.com/acme/shop/pull/@",
        "state": "MERGED",
        "isDraft": False,
        "createdAt": "$C",
        "updatedAt": "$U",
        "publishedAt": "$C",
        "mergedAt": "$U",
        "closedAt": "$U",
        "additions": 120,
        "deletions": 14,
        "changedFiles": 5,
        "baseRefName": "main",
        "headRefName": "mira/shop-@",
        "author": person,
        "mergeCommit": {"oid": "a" * 32 + "%"},
        "comments": {
            "totalCount": 2,
            "pageInfo": one_page,
            "nodes": [{"fullDatabaseId": f"7@{place}", "createdAt": "$C", "author": person} for place in range(2)],
        },
        "labels": {"pageInfo": one_page, "nodes": [{"name": "feature"}]},
        "commits": {
            "pageInfo": one_page,
            "nodes": [
                {
                    "commit": {
                        "oid": f"{place}" * 32 + "%",
                        "authoredDate": "$C",
                        "committedDate": "$C",
                        "messageHeadline": "Read the rate table once",
                        "author": {"user": {"login": "mira-lund"}},
                    }
                }
                for place in range(3)
            ],
        },
        "reviews": {
            "pageInfo": one_page,
            "nodes": [
                {
                    "fullDatabaseId": f"5@{place}",
                    "state": "APPROVED",
                    "submittedAt": "$U",
                    "author": person,
                    "comments": {"totalCount": 1},
                }
                for place in range(2)
            ],
        },
        "timelineItems": {
            "pageInfo": one_page,
            "nodes": [
                {"__typename": kind, "id": f"E{place}_@", "createdAt": "$U", "actor": {"login": "mira-lund"}}
                for place, kind in enumerate(("ReviewRequestedEvent", "MergedEvent", "ClosedEvent"))
            ],
        },
        "closingIssuesReferences": {"pageInfo": one_page, "nodes": []},
    }
    return json.dumps(node).replace('"#"', "@")


TEMPLATE = _template()


def pull_requests(total: int, first: int, after: str | None) -> str:
    """A page, newest first. The cursor is the place of its last row."""
    start = int(after) + 1 if after else 0
    end = min(total, start + first)
    nodes = []
    for place in range(start, end):
        number = total - place
        updated = (NEWEST - timedelta(minutes=30 * place)).strftime("%Y-%m-%dT%H:%M:%SZ")
        nodes.append(
            TEMPLATE.replace("@", str(number))
            .replace("%", f"{number:08x}")
            .replace("$C", updated)
            .replace("$U", updated)
        )
    more = "true" if end < total else "false"
    return f'{{"pageInfo":{{"hasNextPage":{more},"endCursor":"{end - 1}"}},"nodes":[{",".join(nodes)}]}}'


def repository(total: int) -> str:
    """The repository as the probe sees it."""
    newest = NEWEST.strftime("%Y-%m-%dT%H:%M:%SZ")
    none = {"totalCount": 0, "nodes": []}
    return json.dumps(
        {
            "databaseId": total,
            "id": f"R_{total}",
            "nameWithOwner": f"p{total}/shop",
            "url": "https://github.com/acme/shop",
            "isArchived": False,
            "createdAt": "2014-01-01T00:00:00Z",
            "pushedAt": newest,
            "defaultBranchRef": None,
            "pullRequests": {"totalCount": total, "nodes": [{"updatedAt": newest}]},
            "issues": none,
            "deployments": none,
            "releases": none,
            "refs": {"totalCount": 0},
        }
    )


def answer(body: dict[str, Any]) -> str:
    """An answer as JSON."""
    query, variables = str(body["query"]), body.get("variables") or {}
    found = re.search(r"query (\w+)", query)
    name = found[1] if found else ""
    if name == "Repositories":
        total = int(str(variables["login"]).removeprefix("p"))
        page = f'{{"pageInfo":{{"hasNextPage":false,"endCursor":null}},"nodes":[{repository(total)}]}}'
        return f'{{"data":{{{RATE},"repositoryOwner":{{"repositories":{page}}}}}}}'
    total = int(str(variables["id"]).removeprefix("R_"))
    if name == "PullRequests":
        connection = pull_requests(total, int(variables["first"]), variables.get("after"))
        return f'{{"data":{{{RATE},"node":{{"pullRequests":{connection}}}}}}}'
    empty = {
        "History": '"defaultBranchRef":null',
        "Deployments": f'"deployments":{EMPTY}',
        "Issues": f'"issues":{EMPTY}',
        "Releases": f'"releases":{EMPTY}',
        "Tags": f'"refs":{EMPTY}',
    }
    return f'{{"data":{{{RATE},"node":{{{empty[name]}}}}}}}'


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    text = answer(json.loads(body)) if scope["path"].endswith("/graphql") else "{}"
    headers = [(b"content-type", b"application/json"), (b"date", b"Mon, 01 Jun 2026 12:00:00 GMT")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=parser.parse_args().port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        date_header=False,
    )
