"""The census of a repository: does Pulse store exactly the rows that GitHub has?

After a visit, the probe's counts are compared with the stored rows, which costs nothing. If they differ, and once a week
anyway, the ids of all pull requests, issues, deployments and releases are listed, a hundred of each per call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from psycopg import sql

from pulse.sources import census
from pulse.sources.base import Scope, Source
from pulse.sources.github import queries
from pulse.sources.github.answers import connection_in
from pulse.sources.github.client import GitHubClient
from pulse.sources.github.streams import Stream
from pulse.sources.github.walk import repository_of
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page

# Fetches nodes of a stream by id (with their record ids); returns their page, and the ids that are gone.
Fetch = Callable[[Stream, dict[str, str]], tuple[Page, list[str]]]


class Census:
    """The census of one repository. `fetch` reads nodes by id and says which of them GitHub no longer knows."""

    def __init__(
        self, source: Source, github: GitHubClient, scope: Scope, streams: tuple[Stream, ...], fetch: Fetch
    ) -> None:
        self.source = source
        self.github = github
        self.scope = scope
        self.streams = tuple(stream for stream in streams if stream.name in scope.data["totals"])
        self.fetch = fetch
        self.now = datetime.fromisoformat(scope.data["now"])

    def run(self) -> None:
        """Compare the counts; list the ids of what differs, and once a week of everything."""
        before = self.source.checkpoint(census.STREAM, self.scope.key)
        # A difference that remains after listing all ids (a row that cannot be read) must not cause a listing every day.
        known: dict[str, list[int]] = before.cursor.get("counts", {})
        counts = {s.name: [int(self.scope.data["totals"][s.name]), self._stored(s)] for s in self.streams}
        weekly = bool(self.scope.data.get("census"))
        suspect = [
            s
            for s in self.streams
            if weekly or (counts[s.name][0] != counts[s.name][1] and counts[s.name] != known.get(s.name))
        ]
        for stream in self.streams:
            if stream not in suspect:
                total, stored = counts[stream.name]
                census.record(self.source, stream.entity, self.scope.key, total, stored, max(0, total - stored))
        if suspect:
            self._list(suspect)
            counts |= {s.name: [int(self.scope.data["totals"][s.name]), self._stored(s)] for s in suspect}
        for stream in self.streams:
            if counts[stream.name][0] == counts[stream.name][1]:  # what had no identity is no longer missing
                self.source.close_unnamed_rejects(stream.entity, self.scope.key)
        counted_at = self.now if weekly or before.watermark_at is None else before.watermark_at
        if before.watermark_at != counted_at or known != known | counts or "failed" in before.cursor:
            self.source.store([], [Checkpoint(census.STREAM, self.scope.key, counted_at, {"counts": known | counts})])

    def note_failure(self) -> None:
        """Have the next run count again, without reading anything else anew."""
        before = self.source.checkpoint(census.STREAM, self.scope.key)
        cursor = {**before.cursor, "failed": True}
        self.source.store([], [Checkpoint(census.STREAM, self.scope.key, before.watermark_at, cursor)])

    def _stored(self, stream: Stream) -> int:
        """The number of stored rows of the scope that existed when the probe counted."""
        query = sql.SQL(
            "select count(*) from raw.{} where client_id = %(client)s and integration_id = %(integration)s"
            " and scope_key = %(scope)s and deleted_at is null and (payload ->> 'createdAt')::timestamptz <= %(now)s"
        ).format(sql.Identifier(stream.entity))
        ((count,),) = self.source.query(query, scope=self.scope.key, now=self.now)
        return int(count)

    def _list(self, suspect: list[Stream]) -> None:
        ids: dict[str, dict[str, str]] = {stream.name: {} for stream in suspect}
        pending = {stream.connection: stream for stream in suspect}
        after: dict[str, str] = {}
        while pending:
            query = queries.census({name: stream.database_id for name, stream in pending.items()}, after)
            names = tuple(pending)

            def check(data: dict[str, Any], names: tuple[str, ...] = names) -> None:
                for name in names:
                    connection_in(repository_of(self.source, self.scope, data), name)

            answer = self.github.ask_sized(
                query, self.scope.label, queries.PAGES, check=check, id=self.scope.data["node_id"]
            )
            repository = repository_of(self.source, self.scope, answer.data)
            for name, stream in list(pending.items()):
                connection = connection_in(repository, name)
                if any(node is None for node in connection["nodes"]):
                    why = "".join(f": {refusal.reason}" for refusal in answer.refused[:1])
                    raise self.github.http.failure(f"GitHub leaves out {stream.name} of {self.scope.label}{why}")
                ids[stream.name].update((str(node[stream.database_id]), node["id"]) for node in connection["nodes"])
                if connection["pageInfo"]["hasNextPage"]:
                    after[name] = connection["pageInfo"]["endCursor"]
                else:
                    del pending[name]
        for stream in suspect:
            reconcile = partial(self._reconcile, stream, ids[stream.name])
            census.count(self.source, stream.entity, self.scope, set(ids[stream.name]), reconcile)

    def _reconcile(self, stream: Stream, node_ids: dict[str, str], difference: census.Difference) -> int:
        """Fetch what is missing; mark what GitHub confirms to be gone. Returns how many were marked."""
        record_ids = self._stored_nodes(stream, difference.surplus)
        names = {node_ids[key]: key for key in sorted(difference.missing)} | record_ids
        wanted = list(names)
        removed = 0
        for start in range(0, len(wanted), queries.NODES):
            page, gone = self.fetch(stream, {one: names[one] for one in wanted[start : start + queries.NODES]})
            page.gone.extend(record_ids[node_id] for node_id in gone if node_id in record_ids)
            removed += len(page.gone)
            self.source.store([page])
        return removed

    def _stored_nodes(self, stream: Stream, record_ids: set[str]) -> dict[str, str]:
        """Record ids of stored rows, by their node ids."""
        query = sql.SQL(
            "select payload ->> 'id', record_id from raw.{} where client_id = %(client)s"
            " and integration_id = %(integration)s and record_id = any(%(ids)s) order by 2"
        ).format(sql.Identifier(stream.entity))
        return dict(self.source.query(query, ids=list(record_ids)))
