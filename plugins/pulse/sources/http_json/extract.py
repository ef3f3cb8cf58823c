"""What Pulse reads from a custom source, in what order, until when.

It reads all pages of each stream and stores each page with its position, so that an interrupted walk resumes with the
page it stored last. A stream with `since` asks for what changed since its watermark: the upstream's clock at the start of
the last finished walk, minus an overlap. A stream without `since` reads everything each time, and what is no longer listed
is gone.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pulse.clients.streams import HttpJsonAuth, Since, Stream
from pulse.errors import AccessLost, ConfigError, UpstreamError
from pulse.sources.base import Credential, Integration, Scope, Source
from pulse.sources.http_json import records
from pulse.sources.http_json.client import JsonClient
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.erased import Erased
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=10)
# What an upstream answers to a position that it no longer knows.
_POSITION_LOST = (400, 404, 410, 422)


def declared(integration: Integration, credential: Credential, stats: RunStats) -> tuple[JsonClient, dict[str, Stream]]:
    """The client of a declared endpoint, and its streams by name. Raises ConfigError."""
    config = integration.config
    try:
        auth = HttpJsonAuth.model_validate(config.get("auth") or {})
        streams = {one["name"]: Stream.model_validate(one) for one in config["streams"]}
    except (ValidationError, LookupError, TypeError):
        raise ConfigError(
            client=integration.client_slug,
            source=integration.name,
            message="the stored declaration cannot be read",
            remedy="trigger sync_clients, which checks it",
        ) from None
    return JsonClient(integration, credential, auth, stats), streams


class HttpJsonSource(Source):
    """The streams that an admin declares for one endpoint; each is a scope."""

    def connect(self, credential: Credential) -> None:
        self.upstream, self.streams = declared(self.integration, credential, self.stats)

    def discover(self) -> list[Scope]:
        """The declared streams that are read, in their order; calls nothing and stores nothing."""
        return [Scope(name, name) for name, stream in self.streams.items() if stream.path]

    def extract(self, scope: Scope) -> RunStats:
        stream = self.streams.get(scope.key)
        if stream is None:
            raise ConfigError(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"the stream {scope.key} is no longer declared",
                remedy="no action needed: the next run leaves it out",
            )
        checkpoint = self.checkpoint(self._checkpoint_name(stream), stream.name)
        try:
            self._walk(stream, checkpoint)
        except (UpstreamError, AccessLost) as error:
            if not checkpoint.cursor or error.status not in _POSITION_LOST:
                raise
            self._walk(stream, Checkpoint(checkpoint.stream, stream.name, checkpoint.watermark_at))
        return self.finish()

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        stream = self.streams.get(scope_key)
        if entity != records.ENTITY or stream is None:
            return Page(entity)
        return records.map_records(stream, [payload]).page

    def _checkpoint_name(self, stream: Stream) -> str:
        """Differs when address or declaration differ, so that rows made by another mapping are all read again."""
        declared = json.dumps([self.integration.base_url, stream.model_dump(mode="json")], sort_keys=True)
        return f"records:{hashlib.sha256(declared.encode()).hexdigest()[:12]}"

    def _walk(self, stream: Stream, checkpoint: Checkpoint) -> None:
        """Read all pages from the checkpoint's position on, then set the new watermark."""
        resumed = bool(checkpoint.cursor)
        started_at: str = checkpoint.cursor.get("started_at", "")
        erased = Erased.of_client(self.conn, self.integration.client_id)
        listed: set[bytes] = set()  # digests, because there may be many ids and long ones
        skipped, complete = 0, not resumed
        since = _since(stream.since, checkpoint.watermark_at)
        for read in self.upstream.pages(stream, since, checkpoint.cursor.get("position", {})):
            started_at = started_at or read.server_time.isoformat()
            found = records.map_records(stream, read.items, read.lost)
            cursor = {"position": read.position, "started_at": started_at}
            self.store([found.page], [Checkpoint(checkpoint.stream, stream.name, checkpoint.watermark_at, cursor)])
            listed.update(_digest(erased.text(record_id)) for record_id in found.listed)
            skipped += found.skipped
            complete = complete and found.complete
        if skipped and skipped == len(listed):
            self.stats.warn(
                f"client {self.integration.client_slug}, {self.integration.name}: stream {stream.name}: all {skipped}"
                " records were skipped: check 'values' and the paths of the times"
            )
        gone = []
        if stream.since is None and complete:
            gone = self._gone(stream, listed)
            self.close_unnamed_rejects(records.ENTITY, stream.name)
        watermark = datetime.fromisoformat(started_at) - OVERLAP
        self.store([Page(records.ENTITY, gone=gone)], [Checkpoint(checkpoint.stream, stream.name, watermark)])

    def _gone(self, stream: Stream, listed: set[bytes]) -> list[str]:
        """Ids of the stream's stored rows that a complete read did not list."""
        stored = self.each(
            "select record_id from raw.http_json_records where client_id = %(client)s"
            " and integration_id = %(integration)s and scope_key = %(scope)s and deleted_at is null",
            scope=stream.name,
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


SOURCE = HttpJsonSource
