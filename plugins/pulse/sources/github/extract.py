"""What Pulse reads from GitHub, in what order, until when.

Discovery lists the repositories with a fingerprint each, and passes on those that moved and which of their streams moved.
For each repository it reads the default branch's history, deployments, releases, issues, pull requests, tags and workflow
runs, what deployed branches hold, then records that could not be read before, and finally counts what is stored. A
watermark is the server's clock at the start of a walk, minus an overlap. It is never the newest row seen, which could hide
a row that changed while the page was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pulse.errors import AccessLost, AuthError, PulseError
from pulse.sources.base import Credential, Scope, Source, page_of
from pulse.sources.github import actions, comparisons, probe, records, rest_pull
from pulse.sources.github.by_id import ById, rows_page
from pulse.sources.github.client import GitHubClient, Node, StaleCursor
from pulse.sources.github.counting import Census
from pulse.sources.github.history import History
from pulse.sources.github.repositories import RepositoryListing
from pulse.sources.github.streams import DEPLOYMENTS, PULL_REQUESTS, Stream, streams
from pulse.sources.github.tags import read_tags
from pulse.sources.github.walk import Walk
from pulse.sources.refusals import UNREADABLE
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

ESSENTIAL = ("history", "pull_requests")
OF_RUNS = ("workflow_runs", "workflow_jobs")
# A review does not always update its pull request, so the last quarter is read again once a week.
RESCAN = timedelta(days=90)
# Deployments whose stored state may be outdated: those that had not ended, and those that were active before a recent
# deployment to the same environment. (Limited, because in some repositories deployments never end.)
_OUTDATED = """
    select payload ->> 'id', record_id
    from (
        select d.payload, d.record_id, max(payload ->> 'createdAt') filter (
                   where payload ->> 'state' in ('ACTIVE', 'INACTIVE')) over (partition by payload ->> 'environment') as newest
        from raw.github_deployments d
        where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
          and deleted_at is null
    ) d
    where payload ->> 'state' in ('PENDING', 'QUEUED', 'IN_PROGRESS', 'WAITING')
       or payload ->> 'state' = 'ACTIVE' and payload ->> 'createdAt' < newest
          and newest::timestamptz >= %(since)s::timestamptz
    order by payload ->> 'createdAt' desc
    limit 300
"""


class GitHubSource(Source):
    """The repositories of an organisation or user, and everything that happens in them."""

    def connect(self, credential: Credential) -> None:
        self.github = GitHubClient(self.integration, credential, self.stats)
        self.with_files = bool(self.integration.config.get("pull_request_files", False))
        self.with_runs = bool(self.integration.config.get("workflow_runs", True))
        self.streams = streams(self.with_files)

    def discover(self) -> list[Scope]:
        listing = RepositoryListing(self, self.github)
        with self.github.http.understood("the repositories"):
            nodes = listing.read()
        assert listing.now is not None
        known = probe.last_visits(self, listing.now)
        nodes.sort(key=lambda node: str(node.get("pushedAt") or ""), reverse=True)
        scopes = [self._scope_of(node, known, listing.now) for node in nodes]
        return [scope for scope in scopes if scope is not None]

    def _scope_of(self, node: Node, known: dict[str, probe.LastVisit], now: datetime) -> Scope | None:
        """A repository as a scope; None if nothing in it moved, or if GitHub's answer does not say."""
        try:
            last = known.get(str(int(node["databaseId"])))
            return probe.scope_of(node, last, now, self.with_runs, self.with_files)
        except UNREADABLE as error:
            self.stats.warn(
                f"{node['nameWithOwner']}: GitHub's answer about what moved in it cannot be read, the next run asks again:"
                f" {type(error).__name__}: {error}"
            )
            return None

    def extract(self, scope: Scope) -> RunStats:
        """Read each stream that moved from its checkpoint on; resume an interrupted one where it stopped.

        History and pull requests are what a repository is read for: when one fails, the others are read, and then the run
        of the repository fails. Any other stream that fails is a warning, and is read again in the next run.
        """
        due = set(scope.data["due"])
        before = self.stats.unfinished
        failed: dict[str, PulseError] = {}
        for name, read in self._readers(scope, due):
            error = self._tried(name, scope, read)
            # Where runs are off, GitHub answers 404; else the repository is gone, or the token: then nothing can be read.
            if isinstance(error, AccessLost) and name not in OF_RUNS:
                raise error
            if error is not None:
                failed[name] = error
        if essential := [failed[name] for name in ESSENTIAL if name in failed]:
            raise essential[0]
        if self.stats.unfinished == before:
            # Count only the streams that moved: the others were counted when they last did.
            moved = set(probe.STREAM_NAMES) if scope.data.get("census") else due
            counted = tuple(stream for stream in self.streams if stream.name in moved - failed.keys())
            counting = Census(self, self.github, scope, counted, ById(self, self.github, scope).fetch)
            if (error := self._tried("census", scope, counting.run)) is not None:
                failed["census"] = error
                if not isinstance(error, AuthError):
                    counting.note_failure()
        for name, cause in failed.items():
            self.stats.warn(f"{scope.label}: {name.replace('_', ' ')} could not be read, everything else was: {cause}")
        # What is forbidden is asked for again when it moves; anything else in the next run.
        again = {name for name, cause in failed.items() if not isinstance(cause, AuthError)}
        self.store([], [probe.visited(scope, but=again)])
        return self.finish()

    def _tried(self, name: str, scope: Scope, read: Callable[[], None]) -> PulseError | None:
        """Read a part; returns what made it fail. Raises what would make every other part fail too."""
        return self.github.http.tried(f"{name.replace('_', ' ')} of {scope.label}", read, (StaleCursor,))

    def _readers(self, scope: Scope, due: set[str]) -> Iterator[tuple[str, Callable[[], None]]]:
        """What to read, in order, by the name of the stream."""
        if "history" in due:
            yield "history", History(self, self.github, scope).run
        for stream in self.streams:
            if stream.name in due:
                yield stream.name, partial(self._read_stream, stream, scope)
        if "tags" in due:
            yield "tags", partial(read_tags, self, self.github, scope)
        if not due.isdisjoint(OF_RUNS):
            runs = actions.WorkflowRuns(self, self.github, scope)
            if "workflow_runs" in due:
                yield "workflow_runs", partial(runs.run, rescan=bool(scope.data.get("reread")))
            yield "workflow_jobs", runs.jobs.run
        if comparisons.STREAM in due:
            yield comparisons.STREAM, comparisons.Comparisons(self, self.github, scope).run

    def _read_stream(self, stream: Stream, scope: Scope) -> None:
        by_id = ById(self, self.github, scope)
        self._walk(stream, scope, by_id)
        by_id.retry_rejects(stream)

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        if entity == "github_repositories":
            return page_of(entity, [payload], records.repository, scope_key, records.record_id)
        if entity == "github_workflow_runs":
            return page_of(entity, [payload], lambda item: records.workflow_run(item, scope_key), scope_key)
        if entity == "github_commits":
            return page_of(
                entity, [payload], lambda node: records.commit(node, scope_key), scope_key, records.record_id
            )
        if entity == comparisons.ENTITY:
            return page_of(
                entity, [payload], lambda node: records.comparison(node, scope_key), scope_key, records.record_id
            )
        if entity == "github_tags":
            return page_of(entity, [payload], lambda node: records.tag(node, scope_key), scope_key, records.record_id)
        stream = next(stream for stream in self.streams if stream.entity == entity)
        return rows_page(stream, [payload], scope_key)

    def _walk(self, stream: Stream, scope: Scope, by_id: ById) -> None:
        read: set[str] = set()

        def build(nodes: list[Node]) -> Page:
            read.update(str(node.get("id")) for node in nodes if isinstance(node, dict))
            return by_id.page(stream, nodes)

        def fallback(bare: Node) -> Node:
            return rest_pull.pull_request(self.github, scope.label, bare, self.with_files)

        rescan = datetime.fromisoformat(scope.data["now"]) - RESCAN if scope.data.get("reread") else None
        before = self.checkpoint(stream.checkpoint_name, scope.key).watermark_at
        Walk(self, self.github, scope, stream, build, fallback if stream.name == PULL_REQUESTS.name else None).run(
            rescan
        )
        if stream.name == DEPLOYMENTS.name:
            since = before - stream.lookback if before else None
            outdated = dict(self.query(_OUTDATED, scope=scope.key, since=since))
            by_id.refresh(stream, {node: key for node, key in outdated.items() if node not in read})


SOURCE = GitHubSource
