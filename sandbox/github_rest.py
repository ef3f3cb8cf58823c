"""GitHub's REST answers (API version 2022-11-28), trimmed to what the API's own description requires of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github_nodes import View, iso
from sandbox.model import Repository

NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


def answer(view: View, request: Request) -> Response:
    """The answer to a GET below /github/."""
    path = "/" + request.path_params["path"].strip("/")
    if path == "/rate_limit":
        return JSONResponse({"resources": {}, "rate": {"limit": 5000, "remaining": 5000, "reset": 0, "used": 0}})
    match = re.fullmatch(r"/(?:orgs|users)/([^/]+)/repos", path)
    if match and match[1].lower() == view.organisation.login.lower():
        return _page(request, [_repository(r) for r in view.organisation.repositories])
    match = re.fullmatch(r"/repos/([^/]+)/([^/]+)(?:/(.*))?", path) or re.fullmatch(
        r"/repositories/(\d+)()(?:/(.*))?", path
    )
    repository = _find(view, match[1], match[2]) if match else None
    if match is None or repository is None:
        return JSONResponse(NOT_FOUND, 404)
    rest = match[3] or ""
    if not rest:
        return JSONResponse(_repository(repository))
    for pattern, build in ROUTES:
        found = re.fullmatch(pattern, rest)
        if found:
            return build(view, request, repository, *found.groups())
    return JSONResponse(NOT_FOUND, 404)


def _find(view: View, owner: str, name: str) -> Repository | None:
    for repository in view.organisation.repositories:
        if (not name and str(repository.id) == owner) or repository.full_name.lower() == f"{owner}/{name}".lower():
            return repository
    return None


def _page(request: Request, items: list[Any], wrap: str | None = None) -> Response:
    size = min(100, max(1, int(request.query_params.get("per_page", "30"))))
    number = max(1, int(request.query_params.get("page", "1")))
    part = items[(number - 1) * size : number * size]
    body: Any = {"total_count": len(items), wrap: part} if wrap else part
    headers = {}
    last = max(1, -(-len(items) // size))
    if number < last:
        url = request.url.include_query_params
        headers["Link"] = f'<{url(page=number + 1)}>; rel="next", <{url(page=last)}>; rel="last"'
    return JSONResponse(body, headers=headers)


def _user(login: str | None, kind: str = "User") -> dict[str, Any] | None:
    return {"login": login, "type": kind} if login else None


def _repository(r: Repository) -> dict[str, Any]:
    return {"id": r.id, "node_id": r.node_id, "name": r.name, "full_name": r.full_name, "html_url": r.url,
            "default_branch": r.default_branch, "archived": r.archived, "private": True,
            "created_at": iso(r.created_at)}  # fmt: skip


def _pulls(view: View, request: Request, repository: Repository) -> Response:
    seen = [pr for pr in repository.pull_requests if pr.created_at <= view.now]
    return _page(request, [
        {"id": pr.id, "number": pr.number, "title": pr.title, "html_url": f"{repository.url}/pull/{pr.number}",
         "state": "closed" if pr.closed_at and pr.closed_at <= view.now else "open",
         "user": _user(pr.author.login, pr.author.kind) if pr.author else None, "created_at": iso(pr.created_at),
         "updated_at": iso(pr.updated_at(view.now)),
         "merged_at": iso(pr.merged_at) if pr.merged_at and pr.merged_at <= view.now else None}
        for pr in reversed(seen)
    ])  # fmt: skip


def _commits_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = next((pr for pr in repository.pull_requests if pr.number == int(number)), None)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(request, [
        {"sha": c.oid, "commit": {"message": c.headline, "author": {"date": iso(c.authored_at)},
                                  "committer": {"date": iso(c.committed_at)}}}
        for c in pr.commits if c.seen(view.now)
    ])  # fmt: skip


def _deployments(view: View, request: Request, repository: Repository) -> Response:
    seen = [d for d in repository.deployments if d.created_at <= view.now]
    return _page(request, [
        {"id": d.id, "sha": d.oid, "ref": d.ref, "task": d.task, "environment": d.environment,
         "created_at": iso(d.created_at), "updated_at": iso(max([d.created_at, *(s.at for s in d.statuses
                                                                                 if s.at <= view.now)]))}
        for d in reversed(seen)
    ])  # fmt: skip


def _statuses(view: View, request: Request, repository: Repository, identity: str) -> Response:
    deployment = next((d for d in repository.deployments if d.id == int(identity)), None)
    if deployment is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(request, [
        {"id": s.id, "state": s.state.lower(), "created_at": iso(s.at), "updated_at": iso(s.at),
         "log_url": deployment.log_url}
        for s in reversed(deployment.statuses) if s.at <= view.now
    ])  # fmt: skip


def _runs(view: View, request: Request, repository: Repository) -> Response:
    return _page(request, [run.payload for run in repository.runs if run.at <= view.now], "workflow_runs")


ROUTES: list[tuple[str, Callable[..., Response]]] = [
    (r"pulls", _pulls),
    (r"pulls/(\d+)/commits", _commits_of),
    (r"deployments", _deployments),
    (r"deployments/(\d+)/statuses", _statuses),
    (r"actions/runs", _runs),
]
