"""REST lists with all fields that GitHub's description requires, for extractors other than Pulse: issues, releases, tags,
commits, workflows, and comments of reviews and issues."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github.nodes import View
from sandbox.github.paging import iso, node_id
from sandbox.world.model import Actor, Commit, PullRequest, Release, Repository, RepositoryIssue, Review, Run, Tag

API = "https://api.github.com"
Page = Callable[..., Response]
Json = dict[str, Any]


def user(actor: Actor | None) -> Json | None:
    """A person or bot with every documented field; None for a ghost."""
    if actor is None:
        return None
    number = zlib.crc32(actor.login.encode())
    at = f"{API}/users/{actor.login}"
    return {
        "login": actor.login,
        "id": number,
        "node_id": node_id("U", number),
        "avatar_url": f"https://avatars.example/u/{number}",
        "gravatar_id": "",
        "url": at,
        "html_url": f"https://github.com/{actor.login}",
        "followers_url": f"{at}/followers",
        "following_url": f"{at}/following{{/other_user}}",
        "gists_url": f"{at}/gists{{/gist_id}}",
        "starred_url": f"{at}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{at}/subscriptions",
        "organizations_url": f"{at}/orgs",
        "repos_url": f"{at}/repos",
        "events_url": f"{at}/events{{/privacy}}",
        "received_events_url": f"{at}/received_events",
        "type": actor.kind,
        "site_admin": False,
    }


def issues(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """Issues and pull requests together, as GitHub lists them; `state` and `since` select."""
    state, since = request.query_params.get("state", "open"), _time(request.query_params.get("since"))
    here: list[RepositoryIssue | PullRequest] = [*repository.issues, *repository.pull_requests]
    here = [one for one in here if one.created_at <= view.now and (since is None or one.updated_at(view.now) >= since)]
    by_update = request.query_params.get("sort") == "updated"
    here.sort(
        key=lambda one: (one.updated_at(view.now) if by_update else one.created_at, one.number),
        reverse=request.query_params.get("direction", "desc") == "desc",
    )
    found = [_issue(repository, one, view.now) for one in here]
    return page(request, [one for one in found if state in ("all", one["state"])])


def _issue(repository: Repository, one: RepositoryIssue | PullRequest, now: datetime) -> Json:
    is_pull = isinstance(one, PullRequest)
    ended = [at for at in (one.closed_at, one.merged_at if isinstance(one, PullRequest) else None) if at and at <= now]
    at = f"{API}/repos/{repository.full_name}/issues/{one.number}"
    html = f"{repository.url}/{'pull' if is_pull else 'issues'}/{one.number}"
    answer: Json = {
        "id": one.id,
        "node_id": node_id("PR" if is_pull else "I", one.id),
        "url": at,
        "repository_url": f"{API}/repos/{repository.full_name}",
        "labels_url": f"{at}/labels{{/name}}",
        "comments_url": f"{at}/comments",
        "events_url": f"{at}/events",
        "html_url": html,
        "number": one.number,
        "state": "closed" if ended else "open",
        "state_reason": "completed" if ended and not is_pull else None,
        "title": one.title,
        "body": one.body,
        "user": user(one.author),
        "labels": [_label(repository, name) for name in one.labels],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": len(one.said(now)) if isinstance(one, PullRequest) else 0,
        "closed_at": iso(min(ended)) if ended else None,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at(now)),
        "author_association": "MEMBER",
    }
    if is_pull:
        pull = f"{API}/repos/{repository.full_name}/pulls/{one.number}"
        answer["pull_request"] = {
            "url": pull,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
        }
    return answer


def _label(repository: Repository, name: str) -> Json:
    number = zlib.crc32(name.encode())
    return {
        "id": number,
        "node_id": node_id("LA", number),
        "url": f"{API}/repos/{repository.full_name}/labels/{name}",
        "name": name,
        "description": None,
        "color": "ededed",
        "default": False,
    }


def releases(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """Newest first."""
    seen = [one for one in repository.releases if one.created_at <= view.now]
    seen.sort(key=lambda one: one.created_at, reverse=True)
    return page(request, [_release(repository, one, view.now) for one in seen])


def _release(repository: Repository, one: Release, now: datetime) -> Json:
    at = f"{API}/repos/{repository.full_name}/releases/{one.id}"
    published = one.published_at is not None and one.published_at <= now
    return {
        "url": at,
        "html_url": f"{repository.url}/releases/tag/{one.tag}",
        "assets_url": f"{at}/assets",
        "upload_url": f"https://uploads.github.com/repos/{repository.full_name}/releases/{one.id}/assets{{?name,label}}",
        "tarball_url": f"{API}/repos/{repository.full_name}/tarball/{one.tag}",
        "zipball_url": f"{API}/repos/{repository.full_name}/zipball/{one.tag}",
        "id": one.id,
        "node_id": node_id("RE", one.id),
        "tag_name": one.tag,
        "target_commitish": repository.default_branch,
        "name": one.name,
        "body": "",
        "draft": not published,
        "prerelease": one.prerelease,
        "created_at": iso(one.created_at),
        "published_at": iso(one.published_at) if published else None,
        "author": user(Actor("releaser")),
        "assets": [],
    }


def tags(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """By name, the last one first."""
    seen = sorted((one for one in repository.tags if one.at <= view.now), key=lambda one: one.name, reverse=True)
    return page(request, [_tag(repository, one) for one in seen])


def _tag(repository: Repository, one: Tag) -> Json:
    at = f"{API}/repos/{repository.full_name}"
    return {
        "name": one.name,
        "commit": {"sha": one.oid, "url": f"{at}/commits/{one.oid}"},
        "zipball_url": f"{at}/zipball/refs/tags/{one.name}",
        "tarball_url": f"{at}/tarball/refs/tags/{one.name}",
        "node_id": f"REF_{one.name}",
    }


def commits(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """The default branch, newest first; `since` and `until` select by the committer's time."""
    since, until = _time(request.query_params.get("since")), _time(request.query_params.get("until"))
    seen = [
        one
        for one in reversed(repository.history)
        if one.seen(view.now)
        and (since is None or one.committed_at >= since)
        and (until is None or one.committed_at <= until)
    ]
    return page(request, [commit(repository, one) for one in seen])


def commit(repository: Repository, one: Commit) -> Json:
    """A commit with every documented field."""
    at = f"{API}/repos/{repository.full_name}"
    login = one.author.login if one.author else "ghost"
    person = user(one.author) if one.author is not None and one.author.kind == "User" else None
    signature = {"name": login, "email": f"{login}@users.noreply.github.com"}
    tree = f"{zlib.crc32(one.oid.encode()):040x}"
    return {
        "url": f"{at}/commits/{one.oid}",
        "sha": one.oid,
        "node_id": f"C_{one.oid}",
        "html_url": f"{repository.url}/commit/{one.oid}",
        "comments_url": f"{at}/commits/{one.oid}/comments",
        "commit": {
            "url": f"{at}/git/commits/{one.oid}",
            "author": {**signature, "date": iso(one.authored_at)},
            "committer": {**signature, "date": iso(one.committed_at)},
            "message": one.message,
            "comment_count": 0,
            "tree": {"sha": tree, "url": f"{at}/git/trees/{tree}"},
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "author": person,
        "committer": person,
        "parents": [
            {"sha": oid, "url": f"{at}/commits/{oid}", "html_url": f"{repository.url}/commit/{oid}"}
            for oid in one.parents
        ],
    }


def one_commit(page: Page, view: View, request: Request, repository: Repository, oid: str) -> Response:
    """GET /repos/…/commits/{sha}."""
    found = next((one for one in repository.history if one.oid.startswith(oid) and one.seen(view.now)), None)
    return JSONResponse(commit(repository, found)) if found else JSONResponse({"message": "Not Found"}, 404)


def workflows(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """One workflow for each name of a run."""
    first: dict[str, Run] = {}
    for run in sorted(repository.runs, key=lambda run: run.at):
        if run.at <= view.now:
            first.setdefault(run.name, run)
    return page(request, [_workflow(repository, run) for run in first.values()], "workflows")


def _workflow(repository: Repository, run: Run) -> Json:
    number, file = zlib.crc32(run.name.encode()), f"{run.name.lower()}.yml"
    return {
        "id": number,
        "node_id": node_id("W", number),
        "name": run.name,
        "path": f".github/workflows/{file}",
        "state": "active",
        "created_at": iso(run.at),
        "updated_at": iso(run.at),
        "url": f"{API}/repos/{repository.full_name}/actions/workflows/{number}",
        "html_url": f"{repository.url}/blob/{repository.default_branch}/.github/workflows/{file}",
        "badge_url": f"{repository.url}/workflows/{run.name}/badge.svg",
    }


def review_comments(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """The comments of all reviews of the repository, oldest first; `since` selects."""
    since = _time(request.query_params.get("since"))
    found = [
        comment
        for pull in repository.pull_requests
        if pull.created_at <= view.now
        for comment in comments_of(repository, pull, view.now)
        if since is None or _required(comment["updated_at"]) >= since
    ]
    descending = request.query_params.get("direction") == "desc"
    found.sort(key=lambda one: (one["created_at"], one["id"]), reverse=descending)
    return page(request, found)


def comments_of(repository: Repository, pull: PullRequest, now: datetime) -> list[Json]:
    """The comments on lines of a pull request."""
    return [
        _review_comment(repository, pull, review, place)
        for review in pull.reviews
        if review.submitted_at <= now
        for place in range(review.comments)
    ]


def _review_comment(repository: Repository, pull: PullRequest, review: Review, place: int) -> Json:
    number = review.id * 100 + place
    at = f"{API}/repos/{repository.full_name}/pulls"
    html = f"{repository.url}/pull/{pull.number}#discussion_r{number}"
    oid = pull.commits[-1].oid if pull.commits else "0" * 40
    return {
        "url": f"{at}/comments/{number}",
        "pull_request_review_id": review.id,
        "id": number,
        "node_id": node_id("PRRC", number),
        "diff_hunk": "@@ -1 +1 @@",
        "path": pull.files[0][0] if pull.files else "README.md",
        "commit_id": oid,
        "original_commit_id": oid,
        "user": user(review.author),
        "body": "A comment on a line.",
        "created_at": iso(review.submitted_at),
        "updated_at": iso(review.submitted_at),
        "html_url": html,
        "pull_request_url": f"{at}/{pull.number}",
        "author_association": "MEMBER",
        "_links": {
            "self": {"href": f"{at}/comments/{number}"},
            "html": {"href": html},
            "pull_request": {"href": f"{at}/{pull.number}"},
        },
    }


def issue_comments(page: Page, view: View, request: Request, repository: Repository) -> Response:
    """The plain comments of all pull requests, oldest first; `since` selects."""
    since = _time(request.query_params.get("since"))
    found = [
        {
            "id": said.id,
            "node_id": node_id("IC", said.id),
            "url": f"{API}/repos/{repository.full_name}/issues/comments/{said.id}",
            "html_url": f"{repository.url}/pull/{pull.number}#issuecomment-{said.id}",
            "issue_url": f"{API}/repos/{repository.full_name}/issues/{pull.number}",
            "body": "A comment.",
            "user": user(said.author),
            "created_at": iso(said.at),
            "updated_at": iso(said.at),
            "author_association": "MEMBER",
        }
        for pull in repository.pull_requests
        if pull.created_at <= view.now
        for said in pull.said(view.now)
        if since is None or said.at >= since
    ]
    return page(request, sorted(found, key=lambda one: (one["created_at"], one["id"])))


def _time(text: str | None) -> datetime | None:
    return _required(text) if text else None


def _required(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC)


LISTS: Iterable[tuple[str, Callable[..., Response]]] = (
    (r"issues", issues),
    (r"issues/comments", issue_comments),
    (r"releases", releases),
    (r"tags", tags),
    (r"commits", commits),
    (r"commits/([0-9a-f]{7,40})", one_commit),
    (r"actions/workflows", workflows),
    (r"pulls/comments", review_comments),
)
