"""GitHub's REST answers (API version 2022-11-28), trimmed to what the API description requires."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github import documented
from sandbox.github.compare import compare
from sandbox.github.items import run_payload
from sandbox.github.nodes import View
from sandbox.github.paging import iso, node_id
from sandbox.world.model import Actor, Event, PullRequest, Repository, Run

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
    if match[2] and repository.full_name.lower() != f"{match[1]}/{match[2]}".lower():
        # It was renamed: GitHub redirects to its id.
        url = request.url.replace(path=f"/github/repositories/{repository.id}" + (f"/{rest}" if rest else ""))
        return JSONResponse({"message": "Moved Permanently", "url": str(url)}, 301, headers={"Location": str(url)})
    if not rest:
        return JSONResponse(_repository(repository))
    for pattern, listed in documented.LISTS:
        found = re.fullmatch(pattern, rest)
        if found:
            return listed(_page, view, request, repository, *found.groups())
    parted = re.fullmatch(r"compare/(.+)\.\.\.(.+)", rest)
    if parted:
        return compare(_page, view, request, repository, *parted.groups())
    for pattern, build in ROUTES:
        found = re.fullmatch(pattern, rest)
        if found:
            return build(view, request, repository, *found.groups())
    return JSONResponse(NOT_FOUND, 404)


def _find(view: View, owner: str, name: str) -> Repository | None:
    for repository in view.organisation.repositories:
        if (not name and str(repository.id) == owner) or repository.is_called(owner, name):
            return repository
    return None


def _page(request: Request, items: list[Any], wrap: str | None = None, total: int | None = None) -> Response:
    size = min(100, max(1, int(request.query_params.get("per_page", "30"))))
    number = max(1, int(request.query_params.get("page", "1")))
    part = items[(number - 1) * size : number * size]
    body: Any = {"total_count": len(items) if total is None else total, wrap: part} if wrap else part
    headers = {}
    last = max(1, -(-len(items) // size))
    if number < last:
        url = request.url.include_query_params
        headers["Link"] = f'<{url(page=number + 1)}>; rel="next", <{url(page=last)}>; rel="last"'
    return JSONResponse(body, headers=headers)


def _user(login: str | None, kind: str = "User") -> dict[str, Any] | None:
    return {"login": login, "type": kind} if login else None


def _repository(r: Repository) -> dict[str, Any]:
    return {
        "id": r.id,
        "node_id": r.node_id,
        "name": r.name,
        "full_name": r.full_name,
        "html_url": r.url,
        "default_branch": r.default_branch,
        "archived": r.archived,
        "private": True,
        "created_at": iso(r.created_at),
    }


def _pulls(view: View, request: Request, repository: Repository) -> Response:
    seen = [pr for pr in repository.pull_requests if pr.created_at <= view.now]
    return _page(
        request,
        [
            {
                "id": pr.id,
                "number": pr.number,
                "title": pr.title,
                "html_url": f"{repository.url}/pull/{pr.number}",
                "state": "closed" if pr.closed_at and pr.closed_at <= view.now else "open",
                "user": _user(pr.author.login, pr.author.kind) if pr.author else None,
                "created_at": iso(pr.created_at),
                "updated_at": iso(pr.updated_at(view.now)),
                "merged_at": iso(pr.merged_at) if pr.merged_at and pr.merged_at <= view.now else None,
            }
            for pr in reversed(seen)
        ],
    )


def _pull(repository: Repository, number: str, view: View) -> PullRequest | None:
    return next((pr for pr in repository.pull_requests if pr.number == int(number) and pr.created_at <= view.now), None)


def _one_pull(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    now = view.now
    merged = pr.merged_at is not None and pr.merged_at <= now
    closed = pr.closed_at is not None and pr.closed_at <= now
    left_draft = any(event.kind == "ReadyForReviewEvent" and event.at <= now for event in pr.events)
    return JSONResponse(
        {
            "id": pr.id,
            "number": pr.number,
            "title": pr.title,
            "body": pr.body,
            "draft": pr.draft and not left_draft,
            "html_url": f"{repository.url}/pull/{pr.number}",
            "state": "closed" if merged or closed else "open",
            "user": _actor(pr.author),
            "created_at": iso(pr.created_at),
            "updated_at": iso(pr.updated_at(now)),
            "merged_at": iso(pr.merged_at) if merged else None,
            "closed_at": iso(pr.closed_at) if closed else None,
            "merge_commit_sha": pr.merge_oid if merged else None,
            "base": {"ref": pr.base},
            "head": {"ref": pr.head},
            "labels": [{"name": name} for name in pr.labels],
            "comments": len(pr.said(now)),
            "additions": pr.additions,
            "deletions": pr.deletions,
            "changed_files": pr.changed_files,
        }
    )


def _actor(actor: Actor | None) -> dict[str, Any] | None:
    return _user(actor.login, actor.kind) if actor else None


def _commits_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(
        request,
        [
            {
                "sha": c.oid,
                "author": _actor(c.author) if c.author and c.author.kind == "User" else None,
                "commit": {
                    "message": c.message,
                    "author": {"date": iso(c.authored_at), "email": c.email},
                    "committer": {"date": iso(c.committed_at)},
                },
            }
            for c in pr.commits
            if c.seen(view.now)
        ],
    )


def _reviews_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(
        request,
        [
            {"id": r.id, "user": _actor(r.author), "state": r.state, "submitted_at": iso(r.submitted_at)}
            for r in pr.reviews
            if r.submitted_at <= view.now
        ],
    )


def _comments_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(request, documented.comments_of(repository, pr, view.now))


def _said_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(
        request,
        [
            {"id": c.id, "user": _actor(c.author), "created_at": iso(c.at), "updated_at": iso(c.at)}
            for c in pr.said(view.now)
        ],
    )


def _files_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(request, [{"filename": f[0], "additions": f[1], "deletions": f[2]} for f in pr.files])


_REST_EVENTS = {
    "ReadyForReviewEvent": "ready_for_review",
    "ConvertToDraftEvent": "convert_to_draft",
    "ReviewRequestedEvent": "review_requested",
    "HeadRefForcePushedEvent": "head_ref_force_pushed",
    "MergedEvent": "merged",
    "ClosedEvent": "closed",
    "ReopenedEvent": "reopened",
    "AddedToMergeQueueEvent": "added_to_merge_queue",
    "RemovedFromMergeQueueEvent": "removed_from_merge_queue",
}


def _timeline_of(view: View, request: Request, repository: Repository, number: str) -> Response:
    pr = _pull(repository, number, view)
    if pr is None:
        return JSONResponse(NOT_FOUND, 404)

    def as_rest(event: Event) -> dict[str, Any]:
        return {
            "event": _REST_EVENTS[event.kind],
            "created_at": iso(event.at),
            "actor": _actor(event.actor),
            "node_id": f"{event.kind}_{pr.id:x}_{int(event.at.timestamp()):x}",
        }

    events = sorted((event for event in pr.events if event.at <= view.now), key=lambda event: event.at)
    return _page(request, [{"event": "labeled"}, *(as_rest(event) for event in events)])


def _deployments(view: View, request: Request, repository: Repository) -> Response:
    seen = [d for d in repository.deployments if d.created_at <= view.now]
    return _page(
        request,
        [
            {
                "id": d.id,
                "sha": d.oid,
                "ref": d.ref,
                "task": d.task,
                "environment": d.environment,
                "created_at": iso(d.created_at),
                "updated_at": iso(max([d.created_at, *(s.at for s in d.statuses if s.at <= view.now)])),
            }
            for d in reversed(seen)
        ],
    )


def _statuses(view: View, request: Request, repository: Repository, identity: str) -> Response:
    deployment = next((d for d in repository.deployments if d.id == int(identity)), None)
    if deployment is None:
        return JSONResponse(NOT_FOUND, 404)
    return _page(
        request,
        [
            {
                "id": s.id,
                "state": s.state.lower(),
                "created_at": iso(s.at),
                "updated_at": iso(s.at),
                "log_url": deployment.log_url,
            }
            for s in reversed(deployment.statuses)
            if s.at <= view.now
        ],
    )


def _runs(view: View, request: Request, repository: Repository) -> Response:
    """The matching runs, newest first; of a search (`created`) at most 1,000 over all pages."""
    created = request.query_params.get("created", "")
    start, _, end = created.partition("..")

    def matches(run: Run) -> bool:
        return run.at <= view.now and (not start or _time(start) <= run.at <= _time(end))

    found = sorted((run for run in repository.runs if matches(run)), key=lambda run: (run.at, run.id), reverse=True)
    payloads = [
        payload for run in (found[:1000] if created else found) if (payload := run_payload(repository, run, view.now))
    ]
    return _page(request, payloads, "workflow_runs", total=len(found))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC)


def _run(view: View, request: Request, repository: Repository, identity: str, attempt: str | None = None) -> Response:
    run = next((run for run in repository.runs if run.id == int(identity)), None)
    payload = run_payload(repository, run, view.now, int(attempt) if attempt else None) if run else None
    return JSONResponse(payload) if payload else JSONResponse(NOT_FOUND, 404)


def _run_jobs(view: View, request: Request, repository: Repository, identity: str) -> Response:
    run = next((run for run in repository.runs if run.id == int(identity)), None)
    if run is None:
        return JSONResponse(NOT_FOUND, 404)
    jobs = run.recorded_jobs or [
        {
            "id": number,
            "run_id": run.id,
            "name": name,
            "status": "completed",
            "conclusion": conclusion,
            "node_id": node_id("CR", number),
            "started_at": iso(attempt.started_at),
            "completed_at": iso(attempt.ended_at),
        }
        for attempt in run.attempts[-1:]
        for number, name, conclusion in attempt.jobs
    ]
    return _page(request, jobs, "jobs")


ROUTES: list[tuple[str, Callable[..., Response]]] = [
    (r"pulls", _pulls),
    (r"pulls/(\d+)", _one_pull),
    (r"pulls/(\d+)/commits", _commits_of),
    (r"pulls/(\d+)/reviews", _reviews_of),
    (r"pulls/(\d+)/comments", _comments_of),
    (r"pulls/(\d+)/files", _files_of),
    (r"issues/(\d+)/comments", _said_of),
    (r"issues/(\d+)/timeline", _timeline_of),
    (r"deployments", _deployments),
    (r"deployments/(\d+)/statuses", _statuses),
    (r"actions/runs", _runs),
    (r"actions/runs/(\d+)", _run),
    (r"actions/runs/(\d+)/attempts/(\d+)", _run),
    (r"actions/runs/(\d+)/jobs", _run_jobs),
]
