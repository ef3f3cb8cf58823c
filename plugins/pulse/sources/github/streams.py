"""The connections of a repository that are walked: their names, their queries, and what their rows become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pulse.sources.github import queries, records
from pulse.sources.github.client import Node
from pulse.warehouse.loader import RawRow

WITH_FILES = "_with_files"

Connections = Mapping[str, tuple[str, str, int]]


@dataclass(frozen=True)
class Stream:
    """A connection of a repository.

    `bare_query`: asks only for what identifies a row; `behind_query`: only where the next page is.
    `page_sizes`: each is tried when GitHub cannot answer for the one before. `lookback`: how far below the watermark a walk
    goes, for rows that change without moving up in the order. `pages_per_run`: after this many pages, a run leaves the
    rest to the next one.
    """

    name: str
    connection: str
    typename: str
    database_id: str
    page_sizes: Sequence[int]
    query: str
    bare_query: str
    behind_query: str
    by_id_query: str
    ordered_by: str
    build: Callable[[Node, str], RawRow]
    inner: Connections
    lookback: timedelta = timedelta(0)
    pages_per_run: int = 150
    checkpoint: str = ""

    @property
    def checkpoint_name(self) -> str:
        """The name under which its progress is stored."""
        return self.checkpoint or self.name

    @property
    def entity(self) -> str:
        """Its raw table."""
        return f"github_{self.name}"


PULL_REQUESTS = Stream(
    "pull_requests",
    "pullRequests",
    "PullRequest",
    "fullDatabaseId",
    queries.PULL_REQUEST_PAGES,
    queries.PULL_REQUESTS,
    queries.PULL_REQUESTS_BARE,
    queries.PULL_REQUESTS_BEHIND,
    queries.PULL_REQUESTS_BY_ID,
    "updatedAt",
    records.pull_request,
    queries.PULL_REQUEST_CONNECTIONS,
)
PULL_REQUESTS_WITH_FILES = replace(
    PULL_REQUESTS,
    query=queries.PULL_REQUESTS_WITH_FILES,
    by_id_query=queries.PULL_REQUESTS_WITH_FILES_BY_ID,
    page_sizes=queries.PULL_REQUEST_WITH_FILES_PAGES,
    inner={**queries.PULL_REQUEST_CONNECTIONS, **queries.FILE_CONNECTIONS},
    # A checkpoint of its own, so that all pull requests are read again when files are turned on.
    checkpoint=f"{PULL_REQUESTS.name}{WITH_FILES}",
)
# Deployments are ordered by creation; their statuses may come later.
DEPLOYMENTS = Stream(
    "deployments",
    "deployments",
    "Deployment",
    "databaseId",
    queries.DEPLOYMENT_PAGES,
    queries.DEPLOYMENTS,
    queries.DEPLOYMENTS_BARE,
    queries.DEPLOYMENTS_BEHIND,
    queries.DEPLOYMENTS_BY_ID,
    "createdAt",
    records.deployment,
    queries.DEPLOYMENT_CONNECTIONS,
    timedelta(days=3),
)
ISSUES = Stream(
    "issues",
    "issues",
    "Issue",
    "fullDatabaseId",
    queries.PAGES,
    queries.ISSUES,
    queries.ISSUES_BARE,
    queries.ISSUES_BEHIND,
    queries.ISSUES_BY_ID,
    "updatedAt",
    records.issue,
    queries.ISSUE_CONNECTIONS,
)
# A draft may be published long after it was created.
RELEASES = Stream(
    "releases",
    "releases",
    "Release",
    "databaseId",
    queries.PAGES,
    queries.RELEASES,
    queries.RELEASES_BARE,
    queries.RELEASES_BEHIND,
    queries.RELEASES_BY_ID,
    "createdAt",
    records.release,
    {},
    timedelta(days=60),
)

# In reading order. Pull requests come last, so that their merge commits and deployments are already stored.
STREAMS = (DEPLOYMENTS, RELEASES, ISSUES, PULL_REQUESTS)


def streams(with_files: bool) -> tuple[Stream, ...]:
    """The walked streams. `with_files`: pull requests come with the paths they change."""
    return (*STREAMS[:-1], PULL_REQUESTS_WITH_FILES) if with_files else STREAMS
