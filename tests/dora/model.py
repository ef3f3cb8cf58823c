"""What the reference reads and returns: plain dataclasses, no SQL.

Source records carry what staging stores; results carry the columns of the core tables that docs/metrics.md defines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

DEFAULT_RULE: dict[str, Any] = {"source": "jira", "issue_types": ["Incident"], "labels": ["incident"]}


@dataclass(frozen=True)
class Settings:
    """The settings of docs/metrics.md with their defaults."""

    start_event: str = "first_commit"
    commit_date: str = "authored"
    exclude_bots: bool = True
    bots: list[str] = field(default_factory=lambda: [r"[-_]bot$", r"\[bot\]$", "^ci-"])
    agents: list[str] = field(
        default_factory=lambda: [
            r"^(copilot-swe-agent|devin-ai-integration|google-labs-jules|openai-codex|claude|cursor)(\[bot\])?$"
        ]
    )
    direct_pushes: bool = False
    production_branches: list[str] = field(default_factory=list)
    production_environments: list[str] = field(default_factory=lambda: [r"^prod(uction)?\b"])
    teams: list[dict[str, Any]] = field(default_factory=list)
    incident_rule: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_RULE))
    incident_window_hours: float = 168
    rollback_window_hours: float = 24
    release_window_hours: float = 24
    count_redeployments: bool = False
    minimum_confidence: float = 0.4
    hotfix_pattern: str = r"^(hotfix|emergency)\b"
    minimum_sample: int = 5
    working_calendar: dict[str, Any] | None = None
    week_start: str = "monday"


@dataclass
class Repository:
    id: int
    full_name: str
    default_branch: str = "main"


@dataclass
class Commit:
    """A commit of the default branch's history. Without a position, it fell off the chain (a force push). One that a merge
    brought in has the merge's position and is not on the first-parent chain."""

    repository_id: int
    sha: str
    position: int | None
    committed_at: datetime
    authored_at: datetime | None = None
    headline: str = ""
    brought_by: str | None = None  # the merge's commit

    @property
    def assisted_by(self) -> list[str]:
        return ["Cursor"] if self.sha[0] in "0123" else []


@dataclass
class OwnCommit:
    """A commit of a pull request's branch."""

    sha: str
    authored_at: datetime | None
    headline: str


@dataclass
class Review:
    author_login: str
    author_is_bot: bool
    state: str
    submitted_at: datetime


@dataclass
class Comment:
    """A plain comment, by nobody whom the forge calls a bot."""

    author_login: str
    at: datetime


@dataclass
class PullRequest:
    id: int
    repository_id: int
    number: int
    title: str
    created_at: datetime
    merged_at: datetime | None
    merge_commit_sha: str | None
    state: str = "merged"
    author_login: str = "ada"
    author_is_bot: bool = False
    base_branch: str = "main"
    head_branch: str = "work"
    ready_at: datetime | None = None
    first_authored_at: datetime | None = None
    first_committed_at: datetime | None = None
    approved_at: datetime | None = None
    additions: int = 0
    deletions: int = 0
    comment_count: int = 0
    reverts_number: int | None = None
    reverts_sha: str | None = None
    reverts_repository: str | None = None
    commits: list[OwnCommit] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reopened_at: list[datetime] = field(default_factory=list)
    deleted: bool = False

    @property
    def url(self) -> str:
        return f"https://github.example/acme/r{self.repository_id}/pull/{self.number}"

    @property
    def assisted_by(self) -> list[str]:
        return ["Claude Code"] if self.id % 4 == 0 else []

    @property
    def shas(self) -> list[str]:
        """The commit it was merged as, and its own."""
        return [sha for sha in (self.merge_commit_sha, *(c.sha for c in self.commits)) if sha]

    @property
    def first_review_at(self) -> datetime | None:
        """As staging fills it: the "first submitted review or conversation comment by a person other than the author"."""
        return min(
            [*self.reviewed_at, *(c.at for c in self.comments if c.author_login != self.author_login)], default=None
        )

    @property
    def reviewed_at(self) -> list[datetime]:
        """When people other than the author reviewed it."""
        return [r.submitted_at for r in self.reviews if r.author_login != self.author_login and not r.author_is_bot]


@dataclass
class CustomChange:
    """A merged change of a custom source, with its service by name."""

    id: str
    service: str
    title: str
    opened_at: datetime
    merged_at: datetime
    merge_commit_sha: str | None = None
    url: str | None = None
    first_commit_at: datetime | None = None
    first_review_at: datetime | None = None
    approved_at: datetime | None = None
    deleted: bool = False


@dataclass
class Deployment:
    """A GitHub deployment. With neither success nor failure, it never ended or was cancelled."""

    id: int
    repository_id: int
    environment: str
    sha: str | None
    created_at: datetime
    first_success_at: datetime | None = None
    first_failure_at: datetime | None = None
    ref_name: str | None = None
    url: str | None = None
    state: str = "active"
    deleted: bool = False


@dataclass
class BranchCommit:
    """A commit of a deployed branch, with the commits that its message says it was picked from."""

    sha: str
    authored_at: datetime | None = None
    headline: str = ""
    picked_from: list[str] = field(default_factory=list)


@dataclass
class DeployedBranch:
    """A deployed commit off the default branch: where its branch began, and the branch's commits since then."""

    repository_id: int
    sha: str
    base_sha: str | None
    commits: list[BranchCommit] = field(default_factory=list)


@dataclass
class Move:
    """A change of an issue's status, by status ids."""

    at: datetime
    source: str
    target: str


@dataclass
class Issue:
    id: int
    key: str
    created_at: datetime
    issue_type: str = "Incident"
    summary: str = "Something broke"
    description: str = ""
    priority: str | None = None
    labels: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    fix_versions: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    deleted: bool = False


STATUSES = {"1": ("Open", "new"), "2": ("In progress", "indeterminate"), "3": ("Done", "done"), "4": ("Closed", "done")}


@dataclass
class World:
    """Everything that one client's sources say, its time zone and settings, and the time of the computation."""

    time_zone: str
    now: datetime
    given: dict[str, Any]
    repositories: list[Repository]
    commits: list[Commit]
    pull_requests: list[PullRequest]
    deployments: list[Deployment]
    issues: list[Issue]
    statuses: dict[str, tuple[str, str]] = field(default_factory=lambda: dict(STATUSES))
    github: int = 1
    jira: int = 2
    custom_changes: list[CustomChange] = field(default_factory=list)
    branches: list[DeployedBranch] = field(default_factory=list)
    project_keys: frozenset[str] = frozenset({"OPS"})
    custom: int = 3

    @property
    def settings(self) -> Settings:
        return Settings(**self.given)

    def service_id(self, repository_id: int) -> str:
        return f"gh-repo:{self.github}:{repository_id}"

    def repository_named(self, service: str) -> Repository | None:
        """The repository whose service a custom source means by a name, in any case."""
        return next((r for r in self.repositories if r.full_name.partition("/")[2].lower() == service.lower()), None)

    def service_names(self) -> dict[str, str]:
        """The name of every service by its id: the part of the repository's name after the slash, or a "name that only a custom
        source uses"."""
        names = {self.service_id(r.id): r.full_name.partition("/")[2] for r in self.repositories}
        for change in self.custom_changes:
            if not change.deleted and self.repository_named(change.service) is None:
                names[f"custom:{change.service.lower()}"] = change.service
        return names


# ------------------------------------------------------------------------------------------------------------ results


@dataclass
class ChangeFact:
    id: str
    service_id: str
    number: int | None
    title: str
    url: str | None
    head_branch: str | None
    is_bot: bool
    is_revert: bool
    reverts_change_id: str | None
    is_hotfix: bool
    first_commit_at: datetime | None
    opened_at: datetime
    first_review_at: datetime | None
    approved_at: datetime | None
    merged_at: datetime
    merged_on: date
    merge_commit_sha: str | None
    merge_position: int | None
    lines: int
    depth: int
    changes_requested_count: int
    reopened_count: int
    is_reviewed: bool
    names: set[str]
    is_pull_request: bool = True
    own_shas: set[str] = field(default_factory=set)
    last_own_sha: str | None = None
    merged_into: str | None = None
    carried_by: str | None = None
    carries_others: bool = False
    assisted_by: list[str] = field(default_factory=list)
    ai: str | None = None


@dataclass
class DeploymentFact:
    id: str
    service_id: str
    environment: str
    environment_tier: str
    result: str
    sha: str | None
    position: int | None
    ref_name: str | None
    url: str | None
    created_at: datetime
    finished_at: datetime
    finished_on: date
    is_baseline: bool = False
    is_rollback: bool = False
    rolled_back_by: str | None = None
    contains_after: int | None = None
    contains_to: int | None = None
    branch_commits: int | None = None
    contains: set[str] = field(default_factory=set)
    failed_change: bool = False
    is_rework: bool = False
    rework: set[tuple[str, str]] = field(default_factory=set)
    kind: str | None = None
    is_trial: bool = False
    delivers: bool = True
    release_id: str | None = None
    counts: bool = False
    is_guess: bool = False
    recovered_at: datetime | None = None
    recovered_on: date | None = None
    recovery_hours: float | None = None
    recovery_calendar_hours: float | None = None

    @property
    def version(self) -> str | None:
        """ "The commit; without one, the branch or tag if it has a digit"."""
        return self.sha or (self.ref_name if self.ref_name and re.search("[0-9]", self.ref_name) else None)

    @property
    def is_live(self) -> bool:
        """A successful production deployment."""
        return self.environment_tier == "production" and self.result == "success"


@dataclass
class DeployedChange:
    change_id: str
    deployment_id: str
    service_id: str
    deployed_on: date
    lead_time_hours: float | None
    coding_hours: float | None
    pickup_hours: float | None
    review_hours: float | None
    merge_to_deploy_hours: float | None
    exclusion_reason: str | None
    calendar_hours: float | None


@dataclass
class IncidentFact:
    id: str
    key: str
    service_id: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_on: date | None
    time_to_restore_hours: float | None
    is_external: bool
    calendar_hours: float | None


@dataclass
class Cause:
    incident_id: str
    deployment_id: str
    method: str
    confidence: float
    recovery_hours: float | None


@dataclass
class MetricRow:
    period_start: date
    period_end: date
    is_partial: bool | None
    metric_value: float | None
    p50: float | None
    p75: float | None
    p90: float | None
    numerator: int | None
    denominator: int | None
    sample_size: int
    null_reason: str | None
    calendar_value: float | None
    guessed: int
    tier: str | None = None
    tier_spread: dict[str, int] | None = None
    is_certain: bool = True


MetricKey = tuple[str, str, str, str, date]
"""metric_type, grain, scope_type, scope_id, calculation_date"""


@dataclass
class Result:
    """Every fact by its id, and every number by its key."""

    changes: dict[str, ChangeFact]
    deployments: dict[str, DeploymentFact]
    deployed: dict[str, DeployedChange]
    incidents: dict[str, IncidentFact]
    causes: dict[str, Cause]
    metrics: dict[MetricKey, MetricRow] = field(default_factory=dict)
