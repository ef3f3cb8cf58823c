"""What the world is made of. Everything has its times, and a request sees what has happened by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Actor:
    """Who did something; kind is GitHub's type name."""

    login: str
    kind: str = "User"


@dataclass
class Commit:
    """A commit; `visible_at` is when it reached the server."""

    oid: str
    authored_at: datetime
    committed_at: datetime
    headline: str
    author: Actor | None
    parents: list[str] = field(default_factory=list)
    visible_at: datetime | None = None
    body: str = ""

    def seen(self, now: datetime) -> bool:
        return (self.visible_at or self.committed_at) <= now

    @property
    def message(self) -> str:
        """Headline and body, as git has them."""
        return f"{self.headline}\n\n{self.body}" if self.body else self.headline

    @property
    def email(self) -> str | None:
        """The author's address, as git has it."""
        return f"{self.author.login}@example.com" if self.author else None


@dataclass
class Review:
    """A submitted review."""

    id: int
    author: Actor | None
    state: str
    submitted_at: datetime
    comments: int = 0


@dataclass
class Comment:
    """A plain comment in a pull request's conversation."""

    id: int
    author: Actor | None
    at: datetime


@dataclass
class Event:
    """An item of a pull request's timeline; kind is the GraphQL type."""

    kind: str
    at: datetime
    actor: Actor | None


@dataclass
class PullRequest:
    """A pull request with everything that will ever happen to it."""

    id: int
    number: int
    title: str
    body: str
    author: Actor | None
    created_at: datetime
    base: str
    head: str
    commits: list[Commit]
    reviews: list[Review] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    merge_oid: str | None = None
    merge_parents: int = 1
    draft: bool = False
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    comments: list[Comment] = field(default_factory=list)
    changed_at: datetime | None = None  # a later edit
    files: list[tuple[str, int, int]] = field(default_factory=list)

    def said(self, now: datetime) -> list[Comment]:
        """The comments that exist by now, in the order they were written."""
        return sorted((comment for comment in self.comments if comment.at <= now), key=lambda c: (c.at, c.id))

    def updated_at(self, now: datetime) -> datetime:
        """When the newest thing happened to it."""
        times = [self.created_at, self.merged_at, self.closed_at, self.changed_at]
        times += [commit.visible_at for commit in self.commits]
        times += [review.submitted_at for review in self.reviews]
        times += [event.at for event in self.events]
        times += [comment.at for comment in self.comments]
        return max(time for time in times if time is not None and time <= now)


@dataclass
class Status:
    """A status of a deployment, with its GraphQL state."""

    id: int
    state: str
    at: datetime


@dataclass
class Deployment:
    """A deployment of a commit to an environment."""

    id: int
    environment: str
    oid: str
    created_at: datetime
    statuses: list[Status]
    ref: str | None = "main"
    creator: Actor | None = None
    description: str = ""
    log_url: str | None = None
    task: str = "deploy"


@dataclass
class Attempt:
    """An attempt of a workflow run: when it was queued, started and ended, and its jobs by name and conclusion."""

    started_at: datetime
    ended_at: datetime
    conclusion: str
    jobs: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass
class Run:
    """A workflow run with its attempts. `recorded`: a real payload, returned unchanged, with its jobs."""

    id: int
    name: str
    event: str
    branch: str
    oid: str
    at: datetime
    attempts: list[Attempt] = field(default_factory=list)
    recorded: dict[str, Any] | None = None
    recorded_jobs: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class RepositoryIssue:
    """An issue of a repository."""

    id: int
    number: int
    title: str
    body: str
    author: Actor | None
    created_at: datetime
    labels: list[str] = field(default_factory=list)
    closed_at: datetime | None = None
    changed_at: datetime | None = None
    url: str = ""

    def updated_at(self, now: datetime) -> datetime:
        times = (self.created_at, self.closed_at, self.changed_at)
        return max(time for time in times if time is not None and time <= now)


@dataclass
class Release:
    """A release of a tag. It is a draft until it is published."""

    id: int
    tag: str
    name: str
    oid: str
    created_at: datetime
    published_at: datetime | None
    prerelease: bool = False


@dataclass
class Tag:
    """A tag. It is annotated if it has a time of its own."""

    name: str
    oid: str
    at: datetime
    annotated: bool = False


@dataclass
class Repository:
    """A repository with everything in it. `history` is newest last."""

    id: int
    owner: str
    name: str
    created_at: datetime
    pull_requests: list[PullRequest] = field(default_factory=list)
    history: list[Commit] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    issues: list[RepositoryIssue] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    branch_commits: list[Commit] = field(default_factory=list)  # of branches without a pull request
    default_branch: str = "main"
    url: str = ""
    archived: bool = False
    former_names: list[str] = field(default_factory=list)
    ordered: list[Any] = field(
        default_factory=list, repr=False
    )  # see View._ordered; whoever changes something empties it

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def is_called(self, owner: str, name: str) -> bool:
        """Whether this is its name, or was its name before a rename."""
        names = (self.full_name, *self.former_names)
        return f"{owner}/{name}".lower() in (one.lower() for one in names)

    @property
    def node_id(self) -> str:
        return f"R_kgDO{self.id:08x}"


@dataclass
class FieldChange:
    """One item of a changelog entry."""

    field: str
    field_id: str
    from_id: str | None
    from_text: str | None
    to_id: str | None
    to_text: str | None


@dataclass
class Change:
    """A changelog entry."""

    id: int
    at: datetime
    author: str
    items: list[FieldChange]


@dataclass
class Issue:
    """A Jira issue. `fields` holds what does not change; the status follows from the changes."""

    id: int
    key: str
    project_id: int
    created_at: datetime
    fields: dict[str, Any]
    changes: list[Change] = field(default_factory=list)
    first_status: str = "10000"
    recorded: dict[str, Any] | None = None  # a real payload, given as it is

    def updated_at(self, now: datetime) -> datetime:
        if self.recorded:
            return datetime.fromisoformat(self.recorded["fields"]["updated"])
        return max([self.created_at, *(change.at for change in self.changes if change.at <= now)])


@dataclass
class Site:
    """A Jira site."""

    slug: str
    projects: list[dict[str, Any]]
    statuses: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    issues: list[Issue] = field(default_factory=list)


@dataclass
class Organisation:
    """A GitHub owner as one token sees it: its repositories (of any owner), and a Jira site."""

    login: str
    repositories: list[Repository] = field(default_factory=list)
    site: Site | None = None
