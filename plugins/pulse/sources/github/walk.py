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
from pulse.sources.github.answers import Answer, BadShape, connection_in
from pulse.sources.github.client import GitHubClient, Node, StaleCursor
from pulse.sources.github.streams import Connections, Stream
from pulse.sources.http import JsonResponse
from pulse.sources.refusals import HeavyPage
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

# Also covers the lag of GitHub's replicas.
OVERLAP = timedelta(minutes=5)
PAGES_BEFORE_LARGER = 2
PAUSES_SECONDS = (1.0, 4.0)
COMPLETED_PER_CALL = 20
# How long the path to a node is (node, connection, nodes, 3), and that to an inner connection (n0, commits).
_NODE, _INNER = 4, 2

# What is still to be read: from the cursor `after` (None: the top) down to the time `until` (None: the end).
Segment = dict[str, str | None]


@dataclass(frozen=True)
class PageRequest:
    """A way to ask for a page. `bare`: only what identifies the row, which is then read elsewhere or becomes a reject.
    `behind`: not even that."""

    query: str
    first: int
    bare: bool = False
    behind: bool = False


class PageSizing:
    """How much to ask for at once: less when GitHub cannot answer, more again after pages that went well."""

    def __init__(self, stream: Stream) -> None:
        full = [PageRequest(stream.query, first) for first in stream.page_sizes]
        behind = PageRequest(stream.behind_query, 1, bare=True, behind=True)
        self.requests = [*full, PageRequest(stream.bare_query, 1, bare=True), behind]
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
        if self.smallest - 1 <= self.index <= self.smallest:
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
        self.text = ""  # what came when a page could not be read

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
                connection, answer = self._ask(self.sizing.request, segment["after"])
                refused = self._refused(answer)
                fresh = [(place, node) for place, node in enumerate(connection["nodes"]) if self._is_fresh(node, until)]
                readable = [node for place, node in fresh if place not in refused]
                page = self._bare_page(readable) if self.sizing.request.bare else self.build(readable)
                page.rejects.extend(
                    self._forbidden(segment, place, refused[place]) for place, _ in fresh if place in refused
                )
                return connection, answer.response, page, len(fresh)
            except (HeavyPage, TooMuch, BadShape) as error:
                self.github.http.forget(0)
                self.text = getattr(error, "text", "")
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

    def _ask(self, request: PageRequest, after: str | None) -> tuple[dict[str, Any], Answer]:
        answer = self.github.ask(
            request.query,
            self.scope.label,
            divisible=True,
            id=self.scope.data["node_id"],
            first=request.first,
            after=after,
        )
        repository = repository_of(self.source, self.scope, answer.data)
        if request.behind and isinstance(found := repository.get(self.stream.connection), dict):
            is_there = isinstance(found.get("pageInfo"), dict) and found["pageInfo"].get("endCursor") is not None
            found["nodes"] = [None] if is_there else []
        connection = connection_in(repository, self.stream.connection)
        told = self._refused(answer)
        if not request.bare and any(
            node is None and place not in told for place, node in enumerate(connection["nodes"])
        ):
            raise HeavyPage
        return connection, answer

    def _refused(self, answer: Answer) -> dict[Any, str]:
        """The places of the nodes that GitHub says may not be read. Of other parts that are null there is a warning."""
        nodes: dict[Any, str] = {}
        for refusal in answer.refused:
            if len(refusal.place) > _NODE:
                part = ".".join(step for step in refusal.place[_NODE:] if isinstance(step, str))
                self.source.stats.warn(
                    f"{self.scope.label}: GitHub does not give {part} of some {self.stream.name}: {refusal.reason}."
                    " Everything else of them is read"
                )
            elif not refusal.below or self.sizing.request.bare:
                nodes[refusal.place[-1]] = refusal.reason
        return nodes

    def _forbidden(self, segment: Segment, place: int, reason: str) -> Reject:
        self.source.stats.warn(
            f"{self.scope.label}: GitHub does not give some {self.stream.name}: {reason}. The others are read; see raw.rejects"
        )
        payload = {"after": segment["after"], "place": place, "errorMessage": reason}
        return Reject(None, self.scope.key, json.dumps(payload), f"GitHub: {reason}")

    def _is_fresh(self, node: Node | None, until: datetime | None) -> bool:
        try:
            return until is None or node is None or datetime.fromisoformat(node[self.stream.ordered_by]) >= until
        except (KeyError, TypeError, ValueError):
            return True  # build will reject it

    def _bare_page(self, nodes: list[Node | None]) -> Page:
        page = Page(self.stream.entity)
        for node in nodes:
            reason = "GitHub could not answer for this record, even alone"
            if self.text:
                reason = "GitHub's answer about this record cannot be read"
            if node is not None and self.fallback is not None:
                try:
                    found = self.build([self.fallback(node)])
                    page.rows.extend(found.rows)
                    page.rejects.extend(found.rejects)
                    continue
                except PulseError as error:
                    reason += f", nor could REST: {error}"
                except (HeavyPage, LookupError, TypeError, ValueError, AttributeError) as error:
                    reason += f", nor can that of REST: {type(error).__name__}: {error}"
            identity = records.record_id(node) if node else None
            kept = {**node, "answer": self.text} if node and self.text else node
            page.rejects.append(Reject(identity, self.scope.key, json.dumps(kept), reason))
        return page


def repository_of(source: Source, scope: Scope, data: dict[str, Any]) -> Node:
    """The repository in an answer. Raises AccessLost if there is none, and BadShape if the answer does not say."""
    if "node" not in data or not isinstance(data["node"], dict | None):
        raise BadShape(f"GitHub's answer about {scope.label} has no repository")
    if data["node"] is None:
        raise AccessLost(
            client=source.integration.client_slug,
            source=source.integration.name,
            message=f"{scope.label} is no longer visible",
            remedy="check the token's access; stored rows are kept",
        )
    node: Node = data["node"]
    return node


def complete_connections(
    github: GitHubClient, nodes: list[Node], typename: str, connections: Connections
) -> dict[str, str | None]:
    """Read the remaining pages of inner connections, several nodes per call; of comments only as many as are needed.

    Returns the ids of the nodes that could not be completed, with GitHub's reason; None: the node is gone. Raises HeavyPage
    if GitHub cannot answer even for few.
    """
    lost: dict[str, str | None] = {}
    for connection in connections.items():
        name = connection[0]
        unfinished = {node["id"]: node for node in nodes if _wants_more(node, name) and node["id"] not in lost}
        while unfinished:
            batch = dict(list(unfinished.items())[:COMPLETED_PER_CALL])
            after = {node_id: node[name]["pageInfo"]["endCursor"] for node_id, node in batch.items()}
            data, _, refused, _ = github.ask_sized(
                queries.next_pages(typename, connection, after), f"{typename}.{name}", queries.PAGES, divisible=True
            )
            reasons = {refusal.place[0]: refusal for refusal in refused if len(refusal.place) <= _INNER}
            for index, (node_id, node) in enumerate(batch.items()):
                reason = reasons.get(f"n{index}")
                if reason is not None or data.get(f"n{index}") is None:
                    lost[node_id] = None if reason is None or reason.is_gone else reason.reason
                    del unfinished[node_id]
                    continue
                more = connection_in(data[f"n{index}"], name)
                node[name]["nodes"].extend(more["nodes"])
                node[name]["pageInfo"] = more["pageInfo"]
                if not _wants_more(node, name):
                    del unfinished[node_id]
    return lost


def _wants_more(node: Node, name: str) -> bool:
    """Whether a node's connection has another page that is needed."""
    try:
        has_more = node["id"] and node[name]["pageInfo"]["hasNextPage"] is True and node[name]["pageInfo"]["endCursor"]
        return bool(has_more) and not (name == "comments" and records.is_commented(node))
    except (LookupError, TypeError, AttributeError):
        return False  # build will reject it, or there is no such connection
