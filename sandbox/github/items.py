"""Issues, releases, tags and workflow runs as GraphQL nodes, and runs as REST payloads."""

from __future__ import annotations

import zlib
from datetime import datetime

from sandbox.github.paging import Node, actor, iso, keyed_page, node_id, offset_page
from sandbox.world.model import Attempt, Release, Repository, RepositoryIssue, Run, Tag


def node(repository: Repository, identity: str, now: datetime) -> Node | None:
    """An issue, release or workflow run by its global id."""
    kind = identity.partition("_")[0]
    if kind == "I":
        return next(
            (
                _issue(repository, i, now)
                for i in repository.issues
                if node_id("I", i.id) == identity and i.created_at <= now
            ),
            None,
        )
    if kind == "RE":
        return next(
            (
                _release(repository, r, now)
                for r in repository.releases
                if node_id("RE", r.id) == identity and r.created_at <= now
            ),
            None,
        )
    if kind == "WFR":
        return next((_workflow_run(run, now) for run in repository.runs if run_node_id(run) == identity), None)
    return None


def issues(repository: Repository, args: Node, now: datetime) -> Node:
    """Repository.issues."""
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    by_update, descending = order["field"] == "UPDATED_AT", order["direction"] == "DESC"

    def key(issue: RepositoryIssue) -> tuple[str, str]:
        return str(iso(issue.updated_at(now) if by_update else issue.created_at)), str(issue.id)

    seen = [issue for issue in repository.issues if issue.created_at <= now]
    seen.sort(key=lambda issue: (key(issue)[0], issue.id), reverse=descending)
    return keyed_page(seen, args, key, lambda issue: _issue(repository, issue, now), descending)


def _issue(repository: Repository, issue: RepositoryIssue, now: datetime) -> Node:
    closed = issue.closed_at is not None and issue.closed_at <= now
    return {
        "__typename": "Issue",
        "id": node_id("I", issue.id),
        "fullDatabaseId": str(issue.id),
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "url": issue.url or f"{repository.url}/issues/{issue.number}",
        "state": "CLOSED" if closed else "OPEN",
        "stateReason": "COMPLETED" if closed else None,
        "createdAt": iso(issue.created_at),
        "updatedAt": iso(issue.updated_at(now)),
        "closedAt": iso(issue.closed_at) if closed else None,
        "author": actor(issue.author),
        "labels": lambda info, **a: offset_page(issue.labels, a, lambda name: {"id": f"LA_{name}", "name": name}),
    }


def releases(repository: Repository, args: Node, now: datetime) -> Node:
    """Repository.releases."""
    descending = (args.get("orderBy") or {}).get("direction", "ASC") == "DESC"
    seen = [release for release in repository.releases if release.created_at <= now]
    seen.sort(key=lambda release: (release.created_at, release.id), reverse=descending)
    return keyed_page(
        seen, args, lambda r: (str(iso(r.created_at)), str(r.id)), lambda r: _release(repository, r, now), descending
    )


def _release(repository: Repository, release: Release, now: datetime) -> Node:
    published = release.published_at is not None and release.published_at <= now
    return {
        "__typename": "Release",
        "id": node_id("RE", release.id),
        "databaseId": release.id,
        "tagName": release.tag,
        "name": release.name,
        "url": f"{repository.url}/releases/tag/{release.tag}",
        "isDraft": not published,
        "isPrerelease": release.prerelease,
        "createdAt": iso(release.created_at),
        "publishedAt": iso(release.published_at) if published else None,
        "updatedAt": iso(release.published_at if published else release.created_at),
        "tagCommit": {"__typename": "Commit", "id": f"C_{release.oid}", "oid": release.oid},
    }


def tags(repository: Repository, args: Node, now: datetime) -> Node:
    """Repository.refs for refs/tags/."""
    seen = sorted((tag for tag in repository.tags if tag.at <= now), key=lambda tag: tag.name)
    return keyed_page(seen, args, lambda tag: (tag.name, "0"), _tag)


def _tag(tag: Tag) -> Node:
    commit: Node = {"__typename": "Commit", "id": f"C_{tag.oid}", "oid": tag.oid}
    target = commit
    if tag.annotated:
        target = {
            "__typename": "Tag",
            "id": f"TA_{tag.name}",
            "oid": f"{zlib.crc32(tag.name.encode()):040x}",
            "name": tag.name,
            "tagger": {"name": "releaser", "date": iso(tag.at), "user": None},
            "target": commit,
        }
    return {"__typename": "Ref", "id": f"REF_{tag.name}", "name": tag.name, "prefix": "refs/tags/", "target": target}


def run_node_id(run: Run) -> str:
    """The global id of a workflow run."""
    return str(run.recorded["node_id"]) if run.recorded else node_id("WFR", run.id)


def _seen(run: Run, now: datetime) -> list[Attempt]:
    return [attempt for attempt in run.attempts if attempt.started_at <= now]


def _workflow_run(run: Run, now: datetime) -> Node:
    if run.recorded:
        checks = [
            {
                "__typename": "CheckRun",
                "id": job["node_id"],
                "databaseId": job["id"],
                "name": job["name"],
                "status": job["status"].upper(),
                "conclusion": (job["conclusion"] or "").upper() or None,
                "startedAt": job["started_at"],
                "completedAt": job["completed_at"],
            }
            for job in run.recorded_jobs
        ]
    else:
        attempt = (_seen(run, now) or run.attempts)[-1]
        ended = attempt.ended_at <= now
        checks = [
            {
                "__typename": "CheckRun",
                "id": node_id("CR", identity),
                "databaseId": identity,
                "name": name,
                "status": "COMPLETED" if ended else "IN_PROGRESS",
                "conclusion": conclusion.upper() if ended else None,
                "startedAt": iso(attempt.started_at),
                "completedAt": iso(attempt.ended_at) if ended else None,
            }
            for identity, name, conclusion in attempt.jobs
        ]
    suite = {
        "__typename": "CheckSuite",
        "id": f"CS_{run.id}",
        "checkRuns": lambda info, **a: offset_page(checks, a, lambda check: check),
    }
    return {"__typename": "WorkflowRun", "id": run_node_id(run), "databaseId": run.id, "checkSuite": suite}


def run_payload(repository: Repository, run: Run, now: datetime, number: int | None = None) -> Node | None:
    """A run as a REST payload: its newest attempt, or a given one; None if there is no such attempt yet."""
    if run.recorded:
        return run.recorded if number in (None, run.recorded["run_attempt"]) else None
    seen = _seen(run, now)
    if run.at > now or not 1 <= (number or 1) <= max(1, len(seen)):
        return None
    place = (number or max(1, len(seen))) - 1
    attempt = run.attempts[place]
    started, ended = attempt.started_at <= now, attempt.ended_at <= now
    return {
        "id": run.id,
        "node_id": run_node_id(run),
        "name": run.name,
        "run_number": run.id % 100_000,
        "run_attempt": place + 1,
        "event": run.event,
        "head_branch": run.branch,
        "head_sha": run.oid,
        "status": "completed" if ended else "in_progress" if started else "queued",
        "conclusion": attempt.conclusion if ended else None,
        "workflow_id": zlib.crc32(run.name.encode()),
        "path": f".github/workflows/{run.name.lower()}.yml",
        "created_at": iso(run.at),
        "updated_at": iso(attempt.ended_at if ended else max(run.at, min(attempt.started_at, now))),
        "run_started_at": iso(attempt.started_at),
        "url": f"https://api.github.com/repos/{repository.full_name}/runs/{run.id}",
        "html_url": f"{repository.url}/actions/runs/{run.id}",
        "actor": {"login": "ci", "type": "User"},
    }
