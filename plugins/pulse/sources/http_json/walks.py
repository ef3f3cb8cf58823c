"""The walks through a stream's pages: in what order, until when, and what they leave for the next run.

Each page is stored with its position, so that an interrupted walk resumes with the page it stored last. A stream with
`since` asks for what changed since its watermark: the upstream's clock at the start of the last finished walk, minus an
overlap. A stream without `since` reads everything each time, and what is no longer listed is gone.

A page that ends a walk because it cannot be read (Stuck) is left for the next run: it asks for that page first, goes on
behind it if it can be read by then, and in any case walks through what is new. So is a page with a record that cannot be
read, where the pages have names of their own and the next run would not ask for it anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.clients.streams import Since, Stream
from pulse.errors import AccessLost, AuthError, PulseError, UpstreamError
from pulse.sources.base import Source
from pulse.sources.http_json import paging, records
from pulse.sources.http_json.client import PAGE_REFUSED, JsonClient, Read, Stuck
from pulse.sources.http_json.paging import Position
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.erased import Erased
from pulse.warehouse.loader import Page

OVERLAP = timedelta(minutes=10)
MOST_LEFT = 100  # pages; one more, and the walk that it ends is not over
# What an upstream answers to a position that it no longer knows.
_POSITION_LOST = (400, 404, 410, 422)


@dataclass
class Part:
    """A walk, or the rest of one that an earlier run left.

    `since`: its watermark as ISO text; None: it reads everything. `alone`: only this page is left, because a record of it
    could not be read. `restarted`: it has begun at its start again, because the upstream did not know its position.
    """

    position: Position
    since: str | None
    alone: bool = False
    restarted: bool = False


@dataclass
class Found:
    """What one walk has found. `listed`: digests of ids, because there may be many and long ones."""

    listed: set[bytes] = field(default_factory=set)
    skipped: int = 0
    complete: bool = True


class Walks:
    """The walks of one run through one stream."""

    def __init__(self, source: Source, upstream: JsonClient, stream: Stream, checkpoint: str) -> None:
        self.source = source
        self.upstream = upstream
        self.stream = stream
        self.checkpoint = source.checkpoint(checkpoint, stream.name)
        self.watermark = self.checkpoint.watermark_at
        self.erased = Erased.of_client(source.conn, source.integration.client_id)
        self.left = [Part(**one) for one in self.checkpoint.cursor.get("left", [])]
        self.is_over = False  # whether an earlier walk through everything has come to its end
        self.interrupted: dict[str, Any] = {
            name: self.checkpoint.cursor[name] for name in ("position", "started_at") if name in self.checkpoint.cursor
        }

    def run(self) -> None:
        """Read what earlier runs left, then what is new. Warns, once, of what is left for the next run."""
        causes = [cause for part in list(self.left) if (cause := self._read_left(part)) is not None]
        if self.is_over and not self.interrupted:
            self._store(Page(records.ENTITY))  # the next run reads all of it again
        else:
            causes += self._read_new()
        if causes:
            self.source.stats.warn(
                f"client {self.source.integration.client_slug}, {self.source.integration.name}: stream {self.stream.name}: a"
                " page cannot be read, and nothing says where the next one is, so what comes behind it is not read; everything"
                " before it is stored. Correct that record at the upstream, or declare a pagination by page or offset; the next"
                f" run asks for the page again. {causes[0]}"
            )

    def _read_left(self, part: Part) -> PulseError | None:
        """Go on with a walk that an earlier run left, or read a page of it. Returns why, if it is still stuck."""
        try:
            if part.alone:
                self._read_alone(part)
            else:
                self._go_on(part)
        except Stuck as stuck:
            part.position = stuck.position
            return None if part.alone else stuck.cause
        except (UpstreamError, AccessLost, AuthError) as error:
            if error.status not in PAGE_REFUSED:
                raise
            return self._refused(part, error)
        return None

    def _refused(self, part: Part, error: PulseError) -> PulseError | None:
        """What to do about a page that is refused: its name may have expired. Returns why the walk is stuck, if it is."""
        expired = error.status in _POSITION_LOST
        if self.stream.since is None or (part.alone and expired):
            self.left.remove(part)  # a new walk comes to it, or nothing does
            return None
        if expired and not part.restarted:
            part.position, part.restarted = {}, True
            return self._read_left(part)
        return None if part.alone else error

    def _read_alone(self, part: Part) -> None:
        read = next(iter(self._pages(part)))
        if read.lost:
            return
        self.left.remove(part)
        self._store(self._page(read, Found(), part))
        if not any(one.alone for one in self.left):
            self.source.close_unnamed_rejects(records.ENTITY, self.stream.name)

    def _go_on(self, part: Part) -> None:
        found = Found()
        for read in self._pages(part):
            part.position = read.position
            self._store(self._page(read, found, part))
        self.left.remove(part)
        self.is_over = self.stream.since is None

    def _read_new(self) -> list[PulseError]:
        """Walk from the watermark, or on from where a run was interrupted. Returns why the walk is stuck, if it is."""
        resumed = bool(self.interrupted)
        since = self.watermark.isoformat() if self.watermark else None
        part = Part(self.interrupted.get("position", {}), since)
        found = Found(complete=not resumed)
        try:
            self._walk(part, found)
        except Stuck as stuck:
            part.position = stuck.position
            return [self._leave(part, stuck)]
        except (UpstreamError, AccessLost) as error:
            if not resumed or error.status not in _POSITION_LOST:
                raise
            self.interrupted = {}
            return self._read_new()
        if found.skipped and found.skipped == len(found.listed):
            self.source.stats.warn(
                f"client {self.source.integration.client_slug}, {self.source.integration.name}: stream {self.stream.name}:"
                f" all {found.skipped} records were skipped: check 'values' and the paths of the times"
            )
        gone = []
        if self.stream.since is None:
            self.left.clear()
            if found.complete:
                gone = self._gone(found.listed)
                self.source.close_unnamed_rejects(records.ENTITY, self.stream.name)
        self._finish(gone)
        return []

    def _walk(self, part: Part, found: Found) -> None:
        for read in self._pages(part):
            self.interrupted = {
                "position": read.position,
                "started_at": self.interrupted.get("started_at") or read.server_time.isoformat(),
            }
            self._store(self._page(read, found, part))

    def _leave(self, part: Part, stuck: Stuck) -> PulseError:
        """Note the rest of a walk that is stuck, and end it."""
        if self.stream.since is None:
            self.left[:] = [part]
        elif part not in self.left:
            if len(self.left) >= MOST_LEFT:
                raise stuck.cause
            self.left.append(part)
        self._finish([])
        return stuck.cause

    def _pages(self, part: Part) -> Iterator[Read]:
        since = datetime.fromisoformat(part.since) if part.since else None
        return self.upstream.pages(self.stream, _since(self.stream.since, since), part.position)

    def _page(self, read: Read, found: Found, part: Part) -> Page:
        if read.lost and self.stream.since is not None and paging.is_named(self.stream.pagination):
            lost = Part(read.position, part.since, alone=True)
            if lost not in self.left:
                self.left.append(lost)
        mapped = records.map_records(self.stream, read.items, read.lost)
        found.listed.update(_digest(self.erased.text(record_id)) for record_id in mapped.listed)
        found.skipped += mapped.skipped
        found.complete = found.complete and mapped.complete
        return mapped.page

    def _store(self, page: Page) -> None:
        """Store a page with what is still to be done."""
        cursor = dict(self.interrupted)
        if self.left:
            cursor["left"] = [asdict(part) for part in self.left]
        self.source.store([page], [Checkpoint(self.checkpoint.stream, self.stream.name, self.watermark, cursor)])

    def _finish(self, gone: list[str]) -> None:
        """The walk is over: the next one begins at its start."""
        self.watermark = datetime.fromisoformat(self.interrupted["started_at"]) - OVERLAP
        self.interrupted = {}
        self._store(Page(records.ENTITY, gone=gone))

    def _gone(self, listed: set[bytes]) -> list[str]:
        """Ids of the stream's stored rows that a complete read did not list."""
        stored = self.source.each(
            "select record_id from raw.http_json_records where client_id = %(client)s"
            " and integration_id = %(integration)s and scope_key = %(scope)s and deleted_at is null",
            scope=self.stream.name,
        )
        return sorted(str(record_id) for (record_id,) in stored if _digest(record_id) not in listed)


def _digest(record_id: str) -> bytes:
    return hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).digest()[:16]


def _since(declared: Since | None, watermark: datetime | None) -> dict[str, str]:
    """The parameter that asks for what changed since the watermark; empty in the first walk."""
    if declared is None or watermark is None:
        return {}
    seconds = int(watermark.timestamp())
    texts = {
        "iso": watermark.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "epoch": str(seconds),
        "epoch_ms": str(seconds * 1000),
    }
    return {declared.param: texts[declared.format]}
