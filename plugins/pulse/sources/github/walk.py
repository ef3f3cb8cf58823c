"""Walking a repository's connection from its newest row down, page by page, in a way that survives interruptions.

The first page of a walk sets the watermark to the server's clock at the start, minus an overlap. In the same transaction
it notes what is still to be read below: a segment, from a cursor down to the old watermark. So at any moment, every row
that changed before the watermark is stored or lies in a noted segment, and the next walk, which starts at the top again,
finds every later one. A row that changes meanwhile moves to the top, out of the segment, so rows may be read twice but are
never missed. A killed run leaves its segment behind. A long history is read in bounded runs, newest first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pulse.errors import AccessLost, PulseError, TooMuch
from pulse.sources.base import Scope, Source
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node, StaleCursor
from pulse.sources.github.streams import Connections, Stream
from pulse.sources.http import HeavyPage, JsonResponse
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

# Also covers the lag of GitHub's replicas.
OVERLAP = timedelta(minutes=5)
PAGES_BEFORE_LARGER = 2
PAUSES_SECONDS = (1.0, 4.0)
COMPLETED_PER_CALL = 20

# What is still to be read: from the cursor `after` (None: the top) down to the time `until` (None: the end).
Segment = dict[str, str | None]


@dataclass(frozen=True)
class PageRequest:
    """A way to ask for a page. `bare`: only what identifies the row, which is then read elsewhere or becomes a reject."""

    query: str
    first: int
    bare: bool = False


class PageSizing:
    """How much to ask for at once: less when GitHub cannot answer, more again after pages that went well."""

    def __init__(self, stream: Stream) -> None:
        full = [PageRequest(stream.query, first) for first in stream.page_sizes]
        self.requests = [*full, PageRequest(stream.bare_query, 1, bare=True)]
        self.smallest = len(full) - 1
        self.index = self.successes = 0

    @property
    def request(self) -> PageRequest:
        return self.requests[self.index]

    def shrink(self) -> bool:
        """Ask for less; False if there is nothing less."""
        self.successes = 0
        if self.index == len(self.requests) - 1:
            return False
        if self.index >= self.smallest - 1:
            # So few rows can hardly be too many. The upstream may be in trouble: give it a moment first.
            time.sleep(PAUSES_SECONDS[self.index - self.smallest + 1])
        self.index += 1
        return True

    def succeeded(self) -> None:
        """Count a good page; after some, ask for more again."""
        self.successes += 1
        if self.index > self.smallest:
            self.index, self.successes = self.smallest, 0
        elif self.index and self.successes >= PAGES_BEFORE_LARGER:
            self.index, self.successes = self.index - 1, 0


class Walk:
    """One stream of one repository.

    `build` makes the page to store; it may call GitHub and raise HeavyPage. `fallback` reads a row elsewhere that GraphQL
    cannot deliver, and may raise PulseError; None: there is no other way.
    """

    def __init__(
        self,
        source: Source,
        github: GitHubClient,
        scope: Scope,
        stream: Stream,
        build: Callable[[list[Node]], Page],
        fallback: Callable[[Node], Node] | None = None,
    ) -> None:
        self.source = source
        self.github = github
        self.scope = scope
        self.stream = stream
        self.build = build
        self.fallback = fallback
        self.sizing = PageSizing(stream)
        self.pages_left = stream.pages_per_run

    def run(self, since: datetime | None = None) -> None:
        """Read from the top down to the watermark, or further down to `since`; then what earlier runs left, newest first.

        When this run's pages are used up, the rest is counted as unfinished.
        """
        checkpoint = self.source.checkpoint(self.stream.checkpoint_name, self.scope.key)
        left: list[Segment] = list(checkpoint.cursor.get("segments", []))
        until = checkpoint.watermark_at - self.stream.lookback if checkpoint.watermark_at else None
        if until and since:
            until = min(until, since)
        segments = [{"after": None, "until": until.isoformat() if until else None}, *left]
        watermark = checkpoint.watermark_at
        top = True
        while segments and (self.pages_left > 0 or top):
            watermark = self._page(segments, watermark, top)
            top = False
        self.source.stats.unfinished += 1 if segments else 0

    def _page(self, segments: list[Segment], watermark: datetime | None, top: bool) -> datetime | None:
        """Read and store the next page of the first segment, and shorten the segment. Returns the watermark."""
        segment = segments[0]
        until = datetime.fromisoformat(segment["until"]) if segment["until"] else None
        connection, response, page, fresh = self._read(segment, until)
        if top:
            watermark = response.server_time - OVERLAP
        ends = fresh < len(connection["nodes"]) or not connection["pageInfo"]["hasNextPage"]
        if ends:
            segments.pop(0)
        else:
            segment["after"] = connection["pageInfo"]["endCursor"]
        cursor = {"segments": segments} if segments else {}
        self.source.store([page], [Checkpoint(self.stream.checkpoint_name, self.scope.key, watermark, cursor)])
        self.sizing.succeeded()
        self.pages_left -= 1
        return watermark

    def _read(self, segment: Segment, until: datetime | None) -> tuple[dict[str, Any], JsonResponse, Page, int]:
        """The next page of a segment at a size that GitHub can answer: the connection, the answer, the page to store, and
        how many of its rows are fresh."""
        while True:
            try:
                connection, response = self._ask(self.sizing.request, segment["after"])
                fresh = [node for node in connection["nodes"] if self._is_fresh(node, until)]
                page = self._bare_page(fresh) if self.sizing.request.bare else self.build(fresh)
                return connection, response, page, len(fresh)
            except (HeavyPage, TooMuch) as error:
                self.github.http.forget(0)
                if not self.sizing.shrink():
                    if isinstance(error, TooMuch):
                        raise
                    raise self.github.http.failure(
                        f"GitHub cannot answer for even one of {self.scope.label}'s {self.stream.name}"
                    ) from None
            except StaleCursor:
                if segment["after"] is None:
                    raise self.github.http.failure(f"GitHub refuses the first page of {self.stream.name}") from None
                segment["after"] = None

    def _ask(self, request: PageRequest, after: str | None) -> tuple[dict[str, Any], JsonResponse]:
        data, response = self.github.ask(
            request.query,
            self.scope.label,
            divisible=True,
            id=self.scope.data["node_id"],
            first=request.first,
            after=after,
        )
        connection: dict[str, Any] = repository_of(self.source, self.scope, data)[self.stream.connection]
        if not request.bare and any(node is None for node in connection["nodes"]):
            raise HeavyPage
        return connection, response

    def _is_fresh(self, node: Node | None, until: datetime | None) -> bool:
        try:
            return until is None or node is None or datetime.fromisoformat(node[self.stream.ordered_by]) >= until
        except (KeyError, TypeError, ValueError):
            return True  # build will reject it

    def _bare_page(self, nodes: list[Node | None]) -> Page:
        page = Page(self.stream.entity)
        for node in nodes:
            reason = "GitHub could not answer for this record, even alone"
            if node is not None and self.fallback is not None:
                try:
                    found = self.build([self.fallback(node)])
                    page.rows.extend(found.rows)
                    page.rejects.extend(found.rejects)
                    continue
                except PulseError as error:
                    reason += f", nor could REST: {error}"
            identity = records.record_id(node) if node else None
            page.rejects.append(Reject(identity, self.scope.key, json.dumps(node), reason))
        return page


def repository_of(source: Source, scope: Scope, data: dict[str, Any]) -> Node:
    """The repository in an answer. Raises AccessLost if there is none."""
    if data.get("node") is None:
        raise AccessLost(
            client=source.integration.client_slug,
            source=source.integration.name,
            message=f"{scope.label} is no longer visible",
            remedy="check the token's access; stored rows are kept",
        )
    node: Node = data["node"]
    return node


def complete_connections(github: GitHubClient, nodes: list[Node], typename: str, connections: Connections) -> None:
    """Read the remaining pages of inner connections, several nodes per call; of comments only as many as are needed."""
    for connection in connections.items():
        name = connection[0]
        unfinished = {node["id"]: node for node in nodes if _wants_more(node, name)}
        while unfinished:
            batch = dict(list(unfinished.items())[:COMPLETED_PER_CALL])
            after = {node_id: node[name]["pageInfo"]["endCursor"] for node_id, node in batch.items()}
            data, _ = github.ask_sized(
                queries.next_pages(typename, connection, after), f"{typename}.{name}", queries.PAGES
            )
            for index, (node_id, node) in enumerate(batch.items()):
                more = data[f"n{index}"][name]
                node[name]["nodes"].extend(more["nodes"])
                node[name]["pageInfo"] = more["pageInfo"]
                if not _wants_more(node, name):
                    del unfinished[node_id]


def _wants_more(node: Node, name: str) -> bool:
    has_more = bool(((node.get(name) or {}).get("pageInfo") or {}).get("hasNextPage"))
    return has_more and not (name == "comments" and records.is_commented(node))
