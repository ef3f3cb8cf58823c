"""The recorded world: real REST payloads of a GitHub repository and a Jira site, served through the same endpoints."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.world.model import (
    Actor,
    Change,
    Commit,
    Deployment,
    FieldChange,
    Issue,
    Organisation,
    PullRequest,
    Repository,
    RepositoryIssue,
    Review,
    Run,
    Site,
    Status,
)

LOGIN = "panjf2000"
SLUG = "recorded"


def load_recorded(folder: Path) -> Organisation:
    """Read `folder`/github/*.csv and `folder`/jira/*.csv. Raises FileNotFoundError that names what is missing."""
    for name in ("github/pull_requests.csv", "jira/issues.csv"):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} contains no {name}; pass the folder with the recorded payloads")
    return Organisation(LOGIN, [*_repositories(folder / "github")], _site(folder / "jira"))


def _payloads(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Each row's payload and the address it was read from; duplicate rows are returned once."""
    csv.field_size_limit(2**31 - 1)
    seen = set()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["data"], row["url"])
            if key not in seen:
                seen.add(key)
                yield json.loads(row["data"]), row["url"]


def _at(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def _actor(user: dict[str, Any] | None) -> Actor | None:
    return Actor(user["login"], user.get("type", "User")) if user else None


def _repositories(folder: Path) -> Iterator[Repository]:
    pulls = {payload["number"]: payload for payload, _ in _payloads(folder / "pull_requests.csv")}
    about = next(iter(pulls.values()))["base"]["repo"]
    owner, name = about["full_name"].split("/")
    repository = Repository(
        about["id"],
        owner,
        name,
        _required(about["created_at"]),
        default_branch=about["default_branch"],
        url=about["html_url"],
    )
    commits = _by_number(folder / "pull_request_commits.csv", "sha")
    reviews = _by_number(folder / "pull_request_reviews.csv", "id")
    for number, pull in sorted(pulls.items()):
        repository.pull_requests.append(_pull_request(pull, commits.get(number, {}), reviews.get(number, {})))
    repository.history = _history(repository)
    jobs: dict[int, list[dict[str, Any]]] = {}
    for job, _ in _payloads(folder / "jobs.csv"):
        jobs.setdefault(job["run_id"], []).append(job)
    repository.runs = [
        Run(
            run["id"],
            run["name"],
            run["event"],
            run["head_branch"],
            run["head_sha"],
            _required(run["created_at"]),
            recorded=run,
            recorded_jobs=jobs.get(run["id"], []),
        )
        for run in {r["id"]: r for r, _ in _payloads(folder / "runs.csv")}.values()
    ]
    repository.issues = [
        RepositoryIssue(
            issue["id"],
            issue["number"],
            issue["title"],
            issue["body"] or "",
            _actor(issue["user"]),
            _required(issue["created_at"]),
            [label["name"] for label in issue["labels"]],
            _at(issue["closed_at"]),
            _at(issue["updated_at"]),
            issue["html_url"],
        )
        for issue in {i["id"]: i for i, _ in _payloads(folder / "issues.csv")}.values()
        if not issue.get("pull_request")
    ]
    yield repository
    yield from _deployed(folder / "graphql_deployments.csv")


def _by_number(path: Path, key: str) -> dict[int, dict[Any, dict[str, Any]]]:
    """Payloads of …/pulls/<number>/… by number and key, which removes a few duplicates."""
    found: dict[int, dict[Any, dict[str, Any]]] = {}
    for payload, url in _payloads(path):
        number = int(url.split("/pulls/")[1].split("/")[0])
        found.setdefault(number, {})[payload[key]] = payload
    return found


def _pull_request(pull: dict[str, Any], commits: dict[Any, Any], reviews: dict[Any, Any]) -> PullRequest:
    created = _required(pull["created_at"])
    return PullRequest(
        pull["id"],
        pull["number"],
        pull["title"],
        pull["body"] or "",
        _actor(pull["user"]),
        created,
        pull["base"]["ref"],
        pull["head"]["ref"],
        [
            Commit(
                c["sha"],
                _required(c["commit"]["author"]["date"]),
                _required(c["commit"]["committer"]["date"]),
                c["commit"]["message"].split("\n")[0],
                _actor(c["author"]),
                [p["sha"] for p in c["parents"]],
                visible_at=created,
            )
            for c in commits.values()
        ],
        [Review(r["id"], _actor(r["user"]), r["state"], _required(r["submitted_at"])) for r in reviews.values()],
        labels=[label["name"] for label in pull["labels"]],
        merged_at=_at(pull["merged_at"]),
        closed_at=_at(pull["closed_at"]),
        merge_oid=pull["merge_commit_sha"],
        draft=bool(pull.get("draft")),
        changed_at=_at(pull["updated_at"]),
    )


def _history(repository: Repository) -> list[Commit]:
    """What the payloads show of the default branch: the merged pull requests' merge commits, in order."""
    history: list[Commit] = []
    merged = [
        pr for pr in repository.pull_requests if pr.merged_at and pr.merge_oid and pr.base == repository.default_branch
    ]
    for pr in sorted(merged, key=lambda pr: pr.merged_at or pr.created_at):
        assert pr.merged_at is not None
        assert pr.merge_oid is not None
        parents = [history[-1].oid] if history else []
        history.append(Commit(pr.merge_oid, pr.merged_at, pr.merged_at, pr.title, pr.author, parents))
    return history


def _deployed(path: Path) -> Iterator[Repository]:
    found: dict[str, Repository] = {}
    for payload, _ in _payloads(path):
        about = payload["Repository"]
        repository = found.get(about["Id"])
        if repository is None:
            owner = about["Url"].rstrip("/").split("/")[-2]
            repository = found[about["Id"]] = Repository(
                335_709_078, owner, about["Name"], _required(payload["CreatedAt"]), url=about["Url"]
            )
        repository.created_at = min(repository.created_at, _required(payload["CreatedAt"]))
        statuses = [
            Status(payload["DatabaseId"] * 10 + index, status["state"], _required(status["updatedAt"]))
            for index, status in enumerate(reversed(_recorded_statuses(payload)))
        ]
        repository.deployments.append(
            Deployment(
                payload["DatabaseId"],
                payload["Environment"],
                payload["CommitOid"],
                _required(payload["CreatedAt"]),
                statuses,
                (payload["Ref"] or {}).get("Name"),
                description=payload["Description"] or "",
                task=payload["Task"],
            )
        )
    yield from found.values()


def _recorded_statuses(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Newest first. Older recordings contain only the latest status."""
    nodes = (payload.get("Statuses") or {}).get("nodes") or []
    latest = payload.get("LatestStatus")
    if nodes or not latest:
        return list(nodes)
    return [{"state": latest["State"], "updatedAt": latest["updatedAt"]}]


def _site(folder: Path) -> Site:
    issues = {payload["id"]: payload for payload, _ in _payloads(folder / "issues.csv")}
    projects = {p["fields"]["project"]["id"]: p["fields"]["project"] for p in issues.values()}
    statuses = {s["id"]: s for s, _ in _payloads(folder / "status.csv")}
    fields = [{"id": name, "name": name} for name in ("summary", "status")]
    site = Site(SLUG, list(projects.values()), list(statuses.values()), fields)
    for payload in issues.values():
        site.issues.append(
            Issue(
                int(payload["id"]),
                payload["key"],
                int(payload["fields"]["project"]["id"]),
                _required(payload["fields"]["created"]),
                {},
                _changes(payload),
                recorded=payload,
            )
        )
    site.issues.sort(key=lambda issue: issue.id)
    return site


def _changes(payload: dict[str, Any]) -> list[Change]:
    histories = (payload.get("changelog") or {}).get("histories") or []
    return [
        Change(
            int(entry["id"]),
            _required(entry["created"]),
            (entry.get("author") or {}).get("displayName", ""),
            [
                FieldChange(
                    i["field"], i.get("fieldId", ""), i.get("from"), i.get("fromString"), i.get("to"), i.get("toString")
                )
                for i in entry["items"]
            ],
        )
        for entry in sorted(histories, key=lambda entry: entry["created"])
    ]


def _required(value: str) -> datetime:
    at = _at(value)
    assert at is not None
    return at
