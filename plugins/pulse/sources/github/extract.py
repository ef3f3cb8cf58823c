"""What Pulse reads from GitHub, in what order, until when.

Discovery lists the repositories with a fingerprint each, and passes on those that moved and which of their streams moved.
For each repository it reads the default branch's history, deployments, releases, issues, pull requests, tags and workflow
runs, then records that could not be read before, and finally counts what is stored. A watermark is the server's clock at
the start of a walk, minus an overlap. It is never the newest row seen, which could hide a row that changed while the page
was read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, RateLimited
from pulse.sources.base import Credential, Scope, Source, page_of
from pulse.sources.github import actions, probe, queries, records, rest_pull
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.github.counting import Census
from pulse.sources.github.history import History
from pulse.sources.github.repositories import RepositoryListing
from pulse.sources.github.streams import DEPLOYMENTS, PULL_REQUESTS, Stream, streams
from pulse.sources.github.tags import read_tags
from pulse.sources.github.walk import Walk, complete_connections
from pulse.sources.http import HeavyPage
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

ESSENTIAL = ("history", "pull_requests")
REFUSED_TOKEN = 401
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
_OPEN_REJECTS = """
    select payload from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and entity = %(entity)s and not is_stored_form and replayed_at is null and rejected_at > now() - interval '7 days'
    order by id desc limit 10
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
        nodes = listing.read()
        assert listing.now is not None
        known = probe.last_visits(self, listing.now)
        nodes.sort(key=lambda node: str(node.get("pushedAt") or ""), reverse=True)
        scopes = [
            probe.scope_of(node, known.get(str(int(node["databaseId"]))), listing.now, self.with_runs, self.with_files)
            for node in nodes
        ]
        return [scope for scope in scopes if scope is not None]

    def extract(self, scope: Scope) -> RunStats:
        """Read each stream that moved from its checkpoint on; resume an interrupted one where it stopped.

        History and pull requests are what a repository is read for: when one fails, the others are read, and then the run
        of the repository fails. Any other stream that fails is a warning, and is read again in the next run.
        """
        due = set(scope.data["due"])
        before = self.stats.unfinished
        failed: dict[str, PulseError] = {}
        for name, read in self._readers(scope, due):
            try:
                read()
            except (RateLimited, ConfigError):
                raise
            except PulseError as error:
                # The repository is gone, or the token: then nothing can be read. GitHub also answers 404 where runs are off.
                is_gone = isinstance(error, AccessLost) and name != "workflow_runs"
                if is_gone or error.status == REFUSED_TOKEN:
                    raise
                self.github.http.forget(0)
                failed[name] = error
        if essential := [failed[name] for name in ESSENTIAL if name in failed]:
            raise essential[0]
        for name, cause in failed.items():
            self.stats.warn(f"{scope.label}: {name.replace('_', ' ')} could not be read, everything else was: {cause}")
        if self.stats.unfinished == before:
            # Count only the streams that moved: the others were counted when they last did.
            counted = tuple(stream for stream in self.streams if stream.name in due - failed.keys())
            Census(self, self.github, scope, counted, partial(self._fetch, scope)).run()
        # What is forbidden is asked for again when it moves; anything else in the next run.
        again = {name for name, cause in failed.items() if not isinstance(cause, AuthError)}
        self.store([], [probe.visited(scope, but=again)])
        return self.finish()

    def _readers(self, scope: Scope, due: set[str]) -> Iterator[tuple[str, Callable[[], None]]]:
        """What to read, in order, by the name of the stream."""
        if "history" in due:
            yield "history", History(self, self.github, scope).run
        for stream in self.streams:
            if stream.name in due:
                yield stream.name, partial(self._read_stream, stream, scope)
        if "tags" in due:
            yield "tags", partial(read_tags, self, self.github, scope)
        if "workflow_runs" in due:
            runs = actions.WorkflowRuns(self, self.github, scope)
            yield "workflow_runs", partial(runs.run, rescan=bool(scope.data.get("census")))

    def _read_stream(self, stream: Stream, scope: Scope) -> None:
        self._walk(stream, scope)
        self._retry_rejects(stream, scope)

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        if entity == "github_repositories":
            return page_of(entity, [payload], records.repository, scope_key, records.record_id)
        if entity == "github_workflow_runs":
            return page_of(entity, [payload], lambda item: records.workflow_run(item, scope_key), scope_key)
        if entity == "github_commits":
            return page_of(
                entity, [payload], lambda node: records.commit(node, scope_key), scope_key, records.record_id
            )
        if entity == "github_tags":
            return page_of(entity, [payload], lambda node: records.tag(node, scope_key), scope_key, records.record_id)
        stream = next(stream for stream in self.streams if stream.entity == entity)
        return self._rows_page(stream, [payload], scope_key)

    def _walk(self, stream: Stream, scope: Scope) -> None:
        read: set[str] = set()

        def build(nodes: list[Node]) -> Page:
            read.update(str(node["id"]) for node in nodes)
            return self._page(stream, nodes, scope)

        def fallback(bare: Node) -> Node:
            return rest_pull.pull_request(self.github, scope.label, bare, self.with_files)

        rescan = datetime.fromisoformat(scope.data["now"]) - RESCAN if scope.data.get("census") else None
        before = self.checkpoint(stream.checkpoint_name, scope.key).watermark_at
        Walk(self, self.github, scope, stream, build, fallback if stream.name == PULL_REQUESTS.name else None).run(
            rescan
        )
        if stream.name == DEPLOYMENTS.name:
            since = before - stream.lookback if before else None
            outdated = dict(self.query(_OUTDATED, scope=scope.key, since=since))
            self._refresh(stream, scope, {node: key for node, key in outdated.items() if node not in read})

    def _refresh(self, stream: Stream, scope: Scope, known: dict[str, str]) -> None:
        """Read stored rows again, given their node and record ids; mark those that GitHub no longer knows."""
        ids = list(known)
        for start in range(0, len(ids), queries.NODES):
            page, gone = self._fetch(scope, stream, ids[start : start + queries.NODES])
            page.gone.extend(known[node_id] for node_id in gone)
            self.store([page])

    def _retry_rejects(self, stream: Stream, scope: Scope) -> None:
        """Ask again for what could not be read, because it may not change again soon."""
        rejects = self.query(_OPEN_REJECTS, scope=scope.key, entity=stream.entity)
        payloads = [json.loads(payload) or {} for (payload,) in rejects]
        for node_id in {payload["id"] for payload in payloads if isinstance(payload.get("id"), str)}:
            try:
                found = self.github.nodes(stream.by_id_query, scope.label, [node_id])
                self.store([self._page(stream, [node for node in found.values() if node], scope)])
            except HeavyPage:
                continue  # still too large; the reject stays open

    def _fetch(self, scope: Scope, stream: Stream, node_ids: list[str]) -> tuple[Page, list[str]]:
        """Nodes of a stream by id as a page, and the ids of those that GitHub no longer knows."""
        found: dict[str, Node | None] = {}
        size = max(stream.page_sizes)
        for start in range(0, len(node_ids), size):
            found |= self._by_id(stream, scope, node_ids[start : start + size])
        page = self._page(stream, [node for node in found.values() if node], scope)
        return page, [node_id for node_id, node in found.items() if node is None]

    def _by_id(self, stream: Stream, scope: Scope, ids: list[str]) -> dict[str, Node | None]:
        """Nodes by id, in smaller parts if GitHub cannot answer for all at once; leaves out those it cannot answer for alone."""
        try:
            return self.github.nodes(stream.by_id_query, scope.label, ids)
        except HeavyPage:
            if len(ids) == 1:
                self.stats.warn(f"GitHub cannot answer for {stream.typename} {ids[0]} of {scope.label}")
                return {}
        half = len(ids) // 2
        return {**self._by_id(stream, scope, ids[:half]), **self._by_id(stream, scope, ids[half:])}

    def _page(self, stream: Stream, nodes: list[Node], scope: Scope) -> Page:
        complete_connections(self.github, nodes, stream.typename, stream.inner)
        return self._rows_page(stream, nodes, scope.key)

    def _rows_page(self, stream: Stream, nodes: list[Node], scope_key: str) -> Page:
        return page_of(stream.entity, nodes, lambda node: stream.build(node, scope_key), scope_key, records.record_id)


SOURCE = GitHubSource
