"""GET /repos/…/compare/{base}...{head}: what a commit has that another one lacks, and where they parted."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github import documented
from sandbox.github.nodes import View
from sandbox.world.model import Commit, Repository


def compare(
    page: Callable[..., Response], view: View, request: Request, repository: Repository, base: str, head: str
) -> Response:
    """As GitHub: the commits of all pages in the order of their history, oldest first; the files with the first page only."""
    known = {c.oid: c for pr in repository.pull_requests for c in pr.commits if c.seen(view.now)}
    for commit in (*repository.branch_commits, *repository.history):
        if commit.seen(view.now):
            known[commit.oid] = commit
    start, end = (_resolved(view, repository, known, name) for name in (base, head))
    if start is None or end is None:
        return JSONResponse({"message": "Not Found", "status": "404"}, 404)
    old, new = _reached(known, start), _reached(known, end)
    shared = [known[oid] for oid in old.keys() & new.keys()]
    if not shared:
        return JSONResponse({"message": f"No common ancestor between {base} and {head}.", "status": "404"}, 404)
    # The one of which no other shared commit is a child: the newest in the head's order.
    merge_base = max(shared, key=lambda c: new[c.oid])
    ahead = sorted((known[oid] for oid in new.keys() - old.keys()), key=lambda c: new[c.oid])
    behind = len(old.keys() - new.keys())
    listed = page(request, [documented.commit(repository, one) for one in ahead])
    at = f"{documented.API}/repos/{repository.full_name}/compare/{base}...{head}"
    web = f"{repository.url}/compare/{base}...{head}"
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    body = {
        "url": at,
        "html_url": web,
        "permalink_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": documented.commit(repository, start),
        "merge_base_commit": documented.commit(repository, merge_base),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": json.loads(bytes(listed.body)),
        "files": [],
    }
    return JSONResponse(body, headers={name: value for name, value in listed.headers.items() if name == "link"})


def _resolved(view: View, repository: Repository, known: dict[str, Commit], name: str) -> Commit | None:
    """A commit by the name of the default branch or a tag, or by its id."""
    if name == repository.default_branch:
        return next((c for c in reversed(repository.history) if c.seen(view.now)), None)
    tagged = next((tag.oid for tag in repository.tags if tag.name == name and tag.at <= view.now), name)
    return known.get(tagged)


def _reached(known: dict[str, Commit], end: Commit) -> dict[str, int]:
    """Everything a commit's history holds, each with its place: after all its parents."""
    places: dict[str, int] = {}
    waiting = [end.oid]
    while waiting:
        oid = waiting[-1]
        parents = [parent for parent in known[oid].parents if parent in known and parent not in places]
        if parents and oid not in places:
            waiting.extend(parents)
            continue
        waiting.pop()
        places.setdefault(oid, len(places))
    return places
