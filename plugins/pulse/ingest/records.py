"""Pushed records → the same raw rows and rejects as those of a custom source that is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.clients.streams import Stream
from pulse.ingest import body
from pulse.sources.http_json import records as http_json
from pulse.warehouse.loader import ID_CHARACTERS, Page, RawRow, Reject

# Clocks differ a little; a time zone that was left out differs more.
AHEAD = timedelta(minutes=5)


@dataclass(frozen=True)
class Refusal:
    """A record that was not taken: its place in the batch, its id if it has a readable one, and the reason."""

    index: int
    id: str | None
    reason: str


@dataclass
class Taken:
    """What became of a batch. Each record is taken, skipped or refused."""

    page: Page
    taken: int = 0
    skipped: int = 0
    refused: list[Refusal] = field(default_factory=list)


def take(stream: Stream, batch: list[Any], now: datetime | None = None) -> Taken:
    """Map the records of a batch. A record that cannot be read is refused, and kept as a reject; the others are taken.

    If several have the same id, the last one counts.
    """
    latest = ((now or datetime.now(UTC)) + AHEAD).isoformat()
    result = Taken(Page(http_json.ENTITY))
    for index, item in enumerate(batch):
        mapped = http_json.map_records(stream, [item])
        rows, rejects = mapped.page.rows, mapped.page.rejects
        if rows and (reason := body.odd(item) or _unfit(rows[0], latest)):
            identity = rows[0].record_id[:ID_CHARACTERS]
            rows, rejects = [], [Reject(identity, stream.name, json.dumps(item), reason)]
        result.page.rows.extend(rows)
        result.page.rejects.extend(rejects)
        result.taken += len(rows)
        result.skipped += mapped.skipped
        for reject in rejects:
            result.refused.append(Refusal(index, _upstreams(reject.record_id, stream), reject.reason))
    # In one order, so that two batches with the same records wait for each other instead of blocking each other.
    result.page.rows.sort(key=lambda row: row.record_id)
    return result


def _unfit(row: RawRow, latest: str) -> str | None:
    if len(row.record_id) > ID_CHARACTERS:
        return f"id: it is {len(row.record_id)} characters long, {ID_CHARACTERS} are allowed"
    record = row.payload["record"]
    ahead = [name for name, value in record.items() if name.endswith("_at") and value > latest]
    return f"{ahead[0]}: {record[ahead[0]]} is in the future: does it lack its time zone?" if ahead else None


def _upstreams(record_id: str | None, stream: Stream) -> str | None:
    """The id as the sender wrote it."""
    return None if record_id is None else record_id.removeprefix(f"{stream.name}:")
