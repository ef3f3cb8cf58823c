"""DevLake's own change-lead-time case: its inputs in our tables, its expected rows from our evidence.

Its quirks are applied to our evidence rows here, not built into the SQL: minutes are rounded up, negative durations are
NULL, the review clock starts at the first comment of someone other than the author.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import FIXTURES
from tests.support.database import TestDatabase
from tests.support.world import World

CASE = FIXTURES / "conformance" / "change_lead_time"


def read(name: str) -> list[dict[str, str]]:
    with (CASE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def moment(text: str) -> datetime | None:
    """A time as DevLake writes it: ISO, or a date without leading zeros."""
    if not text:
        return None
    if "T" in text:
        return datetime.fromisoformat(text).astimezone(UTC)
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def minutes(start: datetime | None, end: datetime | None) -> int | None:
    """DevLake's duration: whole minutes, rounded up; NULL if negative or unknown."""
    if start is None or end is None or end < start:
        return None
    return math.ceil((end - start).total_seconds() / 60)


@pytest.fixture
def evidence(db: TestDatabase) -> dict[str, dict[str, Any]]:
    """Our evidence rows by DevLake's pull request id."""
    if not CASE.is_dir():
        pytest.skip(f"no conformance case in {CASE}")
    world = World(db, "devlake", minimum_sample=1, production_environments=["^PRODUCTION$"])
    loaded = Loader(world)
    loaded.load()
    world.compute()
    columns = (
        "title",
        "first_commit_at",
        "opened_at",
        "first_review_at",
        "merged_at",
        "deployed_at",
        "coding_hours",
        "pickup_hours",
        "review_hours",
        "merge_to_deploy_hours",
    )
    rows = world.rows(f"select {', '.join(columns)} from report.evidence_changes")
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


class Loader:
    """A service is a deployment pipeline (cicd scope) of a repository; commits_diffs say what a deployment contains.

    A commit that no diff of a successful production deployment lists is in none of them: it is newer than all of them.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.diffs = defaultdict(list)
        for row in read("commits_diffs"):
            self.diffs[row["new_commit_sha"]].append(row["commit_sha"])
        self.services: dict[tuple[str, str], int] = {}
        self.home: dict[str, int] = {}

    def load(self) -> None:
        deployments = sorted(
            read("cicd_deployment_commits"),
            key=lambda d: ((d["environment"], d["result"]) != ("PRODUCTION", "SUCCESS"), d["finished_date"]),
        )
        for d in deployments:
            service = self._service(d["cicd_scope_id"], d["repo_url"])
            for sha in [*self.diffs[d["commit_sha"]], d["commit_sha"]]:
                if sha not in self.home:
                    at = moment(d["finished_date"])
                    assert at is not None
                    self.home[sha] = service
                    self.world.commit(service, sha, at)
            at = moment(d["finished_date"])
            assert at is not None
            self.world.deploy(service, d["commit_sha"], at, d["environment"], failed=d["result"] != "SUCCESS")
        self._pull_requests()

    def _service(self, scope: str, repository: str) -> int:
        key = (scope, repository)
        if key not in self.services:
            self.services[key] = self.world.repository(f"{scope}-{repository}")
        return self.services[key]

    def _pull_requests(self) -> None:
        commits, comments = defaultdict(list), defaultdict(list)
        for row in read("pull_request_commits"):
            commits[row["pull_request_id"]].append(moment(row["commit_authored_date"]))
        for row in read("pull_request_comments"):
            comments[row["pull_request_id"]].append((moment(row["created_date"]), row["account_id"]))
        for pull in read("pull_requests"):
            merged, created = moment(pull["merged_date"]), moment(pull["created_date"])
            if merged is None or created is None:
                continue
            repository = self.home.get(pull["merge_commit_sha"]) or next(iter(self.services.values()))
            first_commit = min((at for at in commits[pull["id"]] if at), default=None)
            review = min((at for at, who in comments[pull["id"]] if at and who != pull["author_id"]), default=None)
            world = self.world
            identity = world.new_id()
            world.insert(
                "core.github_pull_requests",
                integration_id=world.github,
                id=identity,
                repository_id=repository,
                number=identity % 1000,
                title=pull["id"],
                url=f"https://example.com/{pull['id']}",
                state="merged",
                author_login=pull["author_id"] or None,
                base_branch="main",
                head_branch="x",
                created_at=created,
                updated_at=merged,
                first_authored_at=first_commit,
                first_committed_at=first_commit,
                first_review_at=review,
                merged_at=merged,
                merge_commit_sha=pull["merge_commit_sha"],
            )


def test_our_evidence_gives_devlakes_rows(evidence: dict[str, dict[str, Any]]) -> None:
    expected = read("project_pr_metrics")
    assert len(expected) == 6
    for row in expected:
        ours = evidence[row["id"]]
        deployed = ours["deployed_at"]
        coding = minutes(ours["first_commit_at"], ours["opened_at"])
        deploy = minutes(ours["merged_at"], deployed)
        got = {
            "first_commit_authored_date": ours["first_commit_at"],
            "first_comment_date": ours["first_review_at"],
            "pr_created_date": ours["opened_at"],
            "pr_merged_date": ours["merged_at"],
            "pr_deployed_date": deployed,
        }
        assert got == {name: moment(row[name]) for name in got}, row["id"]
        durations = {
            "pr_coding_time": coding,
            "pr_pickup_time": minutes(ours["opened_at"], ours["first_review_at"]),
            "pr_review_time": minutes(ours["first_review_at"], ours["merged_at"]),
            "pr_deploy_time": deploy,
            "pr_cycle_time": (coding or 0) + (minutes(ours["opened_at"], ours["merged_at"]) or 0) + (deploy or 0),
        }
        assert durations == {name: int(row[name]) if row[name] else None for name in durations}, row["id"]


def test_our_hours_agree_with_the_times_in_the_same_row(evidence: dict[str, dict[str, Any]]) -> None:
    pairs = {
        "coding_hours": ("first_commit_at", "opened_at"),
        "pickup_hours": ("opened_at", "first_review_at"),
        "review_hours": ("first_review_at", "merged_at"),
        "merge_to_deploy_hours": ("merged_at", "deployed_at"),
    }
    checked = 0
    for row in evidence.values():
        for name, (start, end) in pairs.items():
            if row[start] and row[end] and row[end] >= row[start]:
                assert row[name] == pytest.approx((row[end] - row[start]).total_seconds() / 3600)
                checked += 1
            else:
                assert row[name] is None
    assert checked > 10
