"""Walking a repository's connection from its newest row down to the watermark, page by page, and surviving the way.

Each page is one transaction with its checkpoint, which holds the cursor and the time at which the walk began; the watermark
is saved only when the walk has reached its end. A row that changes meanwhile moves to the top, out of this walk's way: the
next one finds it, as it reads down to the time at which this one began. So rows may be read twice and are never missed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pulse.errors import AccessLost
from pulse.sources.base import Scope, Source
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node, StaleCursor
from pulse.sources.http import Answer, HeavyPage
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

# Also covers what GitHub's replicas lag behind its clock.
OVERLAP = timedelta(minutes=5)
PAGES_BEFORE_WIDER = 2
PAUSES_SECONDS = (1.0, 4.0)
DRAINED_TOGETHER = 20


@dataclass(frozen=True)
class Stream:
    """A connection of a repository that is walked."""

    name: str
    connection: str
    widths: Sequence[int]
    query: str
    thin_query: str | None
    bare_query: str
    ordered_by: str
    lookback: timedelta = timedelta(0)


@dataclass(frozen=True)
class Rung:
    """A way to ask for a page. `bare`: only what names its row, which becomes a reject."""

    query: str
    first: int
    bare: bool = False


class Ladder:
    """How much is asked for at once: less when GitHub cannot answer, more again when pages went well."""

    def __init__(self, stream: Stream) -> None:
        full = [Rung(stream.query, first) for first in stream.widths]
        thin = [Rung(stream.thin_query, 1)] if stream.thin_query else []
        self.rungs = [*full, *thin, Rung(stream.bare_query, 1, bare=True)]
        self.narrowest = len(full) - 1
        self.place = self.good = 0

    @property
    def rung(self) -> Rung:
        return self.rungs[self.place]

    def down(self) -> bool:
        """A rung less; False at the last one."""
        self.good = 0
        if self.place == len(self.rungs) - 1:
            return False
        if self.place >= self.narrowest:
            # A single row can hardly be too much: give an upstream that is out of order a moment first.
            time.sleep(PAUSES_SECONDS[min(self.place - self.narrowest, 1)])
        self.place += 1
        return True

    def went_well(self) -> None:
        """Count a page; back to wider ones after some."""
        self.good += 1
        if self.place > self.narrowest:
            self.place, self.good = self.narrowest, 0
        elif self.place and self.good >= PAGES_BEFORE_WIDER:
            self.place, self.good = self.place - 1, 0


class Walk:
    """One stream of one repository. `build` makes the page that is stored, and may ask for more (HeavyPage)."""

    def __init__(
        self, source: Source, github: GitHubClient, scope: Scope, stream: Stream, build: Callable[[list[Node]], Page]
    ) -> None:
        self.source = source
        self.github = github
        self.scope = scope
        self.stream = stream
        self.build = build
        self.entity = f"github_{stream.name}"

    def run(self) -> datetime | None:
        """Walk to the end, from where an interrupted walk stopped; after one of these walk once more, for what changed
        since it began. Returns the watermark that the last walk began with."""
        while True:
            checkpoint = self.source.checkpoint(self.stream.name, self.scope.key)
            self._descend(checkpoint)
            if not checkpoint.cursor:
                return checkpoint.watermark_at

    def _descend(self, checkpoint: Checkpoint) -> None:
        cursor = dict(checkpoint.cursor)
        until = checkpoint.watermark_at - self.stream.lookback if checkpoint.watermark_at else None
        ladder = Ladder(self.stream)
        while True:
            try:
                connection, answer = self._ask(ladder.rung, cursor.get("after"))
                fresh = [node for node in connection["nodes"] if self._is_fresh(node, until)]
                page = self._bare_page(fresh) if ladder.rung.bare else self.build(fresh)
            except HeavyPage:
                if not ladder.down():
                    raise self.github.http.failure(
                        f"GitHub cannot answer for a single one of {self.scope.label}'s {self.stream.name}"
                    ) from None
                continue
            except StaleCursor:
                if "after" not in cursor:
                    raise self.github.http.failure(f"GitHub refuses the first page of {self.stream.name}") from None
                cursor = {}
                continue
            cursor.setdefault("started_at", answer.server_time.isoformat())
            ends = len(fresh) < len(connection["nodes"]) or not connection["pageInfo"]["hasNextPage"]
            if ends:
                saved = Checkpoint(
                    self.stream.name, self.scope.key, datetime.fromisoformat(cursor["started_at"]) - OVERLAP
                )
            else:
                cursor["after"] = connection["pageInfo"]["endCursor"]
                saved = Checkpoint(self.stream.name, self.scope.key, checkpoint.watermark_at, dict(cursor))
            self.source.store([page], [saved])
            if ends:
                return
            ladder.went_well()

    def _ask(self, rung: Rung, after: str | None) -> tuple[dict[str, Any], Answer]:
        data, answer = self.github.ask(
            rung.query, self.scope.label, divisible=True, id=self.scope.data["node_id"], first=rung.first, after=after
        )
        connection: dict[str, Any] = subject(self.source, self.scope, data)[self.stream.connection]
        if not rung.bare and any(node is None for node in connection["nodes"]):
            raise HeavyPage
        return connection, answer

    def _is_fresh(self, node: Node | None, until: datetime | None) -> bool:
        try:
            return until is None or node is None or datetime.fromisoformat(node[self.stream.ordered_by]) >= until
        except (KeyError, TypeError, ValueError):
            return True  # build rejects it

    def _bare_page(self, nodes: list[Node | None]) -> Page:
        return Page(
            self.entity,
            rejects=[
                Reject(
                    records.record_id(node) if node else None, self.scope.key, json.dumps(node),
                    "GitHub could not answer for this record, even alone",
                )
                for node in nodes
            ],
        )  # fmt: skip


def subject(source: Source, scope: Scope, data: dict[str, Any]) -> Node:
    """The repository of an answer. Raises AccessLost when there is none."""
    if data.get("node") is None:
        raise AccessLost(
            client=source.integration.client_slug, source=source.integration.name,
            message=f"{scope.label} is not visible any more", way_out="check the token's access; stored rows are kept",
        )  # fmt: skip
    node: Node = data["node"]
    return node


def drain(github: GitHubClient, nodes: list[Node], typename: str, connections: dict[str, tuple[str, str, int]]) -> None:
    """Complete the inner connections that have more pages, several nodes a call."""
    for connection in connections.items():
        name = connection[0]
        unfinished = {node["id"]: node[name] for node in nodes if _has_more(node.get(name))}
        while unfinished:
            batch = dict(list(unfinished.items())[:DRAINED_TOGETHER])
            after = {node_id: value["pageInfo"]["endCursor"] for node_id, value in batch.items()}
            data, _ = github.ask_sized(queries.drain(typename, connection, after), f"{typename}.{name}", queries.PAGES)
            for index, node_id in enumerate(batch):
                more = data[f"n{index}"][name]
                batch[node_id]["nodes"].extend(more["nodes"])
                batch[node_id]["pageInfo"] = more["pageInfo"]
                if not _has_more(more):
                    del unfinished[node_id]


def _has_more(connection: Any) -> bool:
    return bool(((connection or {}).get("pageInfo") or {}).get("hasNextPage"))
