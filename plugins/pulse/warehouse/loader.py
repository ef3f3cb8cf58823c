"""Loading one page of records: COPY into a temporary stage, guarded upsert, rejects and checkpoint in one transaction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from pulse.warehouse.checkpoints import Checkpoint, save_checkpoint
from pulse.warehouse.connect import client_transaction

# What neither text nor jsonb of PostgreSQL can hold: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# ordinal, record id, scope key, payload, hash, changed at: a row of the stage.
_Line = tuple[int, str, str, str, str, datetime | None]


@dataclass(frozen=True)
class RawRow:
    """One upstream record: its stable id, whose extraction owns it, its trimmed payload and when it last changed."""

    record_id: str
    scope_key: str
    payload: dict[str, Any]
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Reject:
    """A record that cannot be read, as it came, and why."""

    record_id: str | None
    scope_key: str
    payload: str
    reason: str


@dataclass(frozen=True)
class LoadResult:
    """Rows read from upstream, written (new or changed) and rejected."""

    read: int = 0
    written: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Page:
    """Records of one entity that are stored together. `gone`: ids that upstream says do not exist any more."""

    entity: str
    rows: list[RawRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def load_pages(
    conn: psycopg.Connection[Any],
    client_id: int,
    integration_id: int,
    pages: Iterable[Page],
    checkpoints: Iterable[Checkpoint] = (),
) -> LoadResult:
    """Store pages and checkpoints in one transaction: all of it or nothing.

    Only rows whose payload differs from the stored one are written; of several rows with one id the last one counts. A
    row that is gone upstream keeps its payload and gets deleted_at; one that comes back loses it, and closes its rejects.
    """
    read = written = rejected = 0
    with client_transaction(conn, client_id):
        for page in pages:
            target = _Target(conn, client_id, integration_id, page.entity)
            lines, unfit = _serialised(page.rows)
            rejects = [*page.rejects, *unfit]
            read += len(page.rows) + len(page.rejects)
            rejected += len(rejects)
            written += target.upsert(lines) + target.bury(page.gone)
            target.reject(rejects)
        for checkpoint in checkpoints:
            save_checkpoint(conn, client_id, integration_id, checkpoint)
    return LoadResult(read, written, rejected)


def storable(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without characters that PostgreSQL cannot hold; the fields that lost some are listed in `_sanitised`."""
    cleaned: list[str] = []
    result = _clean(payload, "", cleaned)
    return {**result, "_sanitised": cleaned} if cleaned else payload


def _clean(value: Any, path: str, cleaned: list[str]) -> Any:
    if isinstance(value, str):
        if not _UNSTORABLE.search(value):
            return value
        cleaned.append(path)
        return _UNSTORABLE.sub("", value)
    if isinstance(value, dict):
        return {
            _UNSTORABLE.sub("", key): _clean(item, f"{path}.{key}" if path else key, cleaned)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_clean(item, f"{path}[{index}]", cleaned) for index, item in enumerate(value)]
    return value


def _serialised(rows: Iterable[RawRow]) -> tuple[list[_Line], list[Reject]]:
    """Rows as the stage takes them; a payload that is no JSON (NaN, infinity) becomes a reject."""
    lines: list[_Line] = []
    unfit: list[Reject] = []
    for ordinal, row in enumerate(rows):
        try:
            text = json.dumps(
                storable(row.payload), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
            )
        except ValueError as error:
            unfit.append(Reject(row.record_id, row.scope_key, json.dumps(row.payload), str(error)))
            continue
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        identity = _UNSTORABLE.sub("", row.record_id)
        lines.append((ordinal, identity, _UNSTORABLE.sub("", row.scope_key), text, digest, row.updated_at))
    return lines, unfit


_CREATE_STAGE = """
    create temporary table if not exists pulse_stage (ordinal integer, record_id text, scope_key text, payload text,
        payload_hash text, upstream_updated_at timestamptz) on commit delete rows
"""
# Casting a payload to jsonb is the expensive part, so only rows that are new or changed get there.
_UPSERT = """
    insert into {target} as t
        (client_id, integration_id, record_id, scope_key, payload, payload_hash, upstream_updated_at)
    select %(client)s, %(integration)s, s.record_id, s.scope_key, s.payload::jsonb, s.payload_hash,
           s.upstream_updated_at
    from (select distinct on (record_id) * from pulse_stage order by record_id, ordinal desc) s
    left join {target} known
      on known.client_id = %(client)s and known.integration_id = %(integration)s
     and known.record_id = s.record_id
    where known.record_id is null or known.payload_hash <> s.payload_hash or known.scope_key <> s.scope_key
       or known.deleted_at is not null
    on conflict (client_id, integration_id, record_id) do update set
        scope_key = excluded.scope_key, payload = excluded.payload, payload_hash = excluded.payload_hash,
        upstream_updated_at = excluded.upstream_updated_at, extracted_at = now(),
        loaded_xid = pg_current_xact_id(), deleted_at = null
"""
_CLOSE_REJECTS = """
    update raw.rejects set replayed_at = now()
    where client_id = %(client)s and integration_id = %(integration)s and entity = %(entity)s and replayed_at is null
      and record_id = any(%(ids)s)
"""
_BURY = """
    update {target} set deleted_at = now(), loaded_xid = pg_current_xact_id()
    where client_id = %(client)s and integration_id = %(integration)s and record_id = any(%(gone)s)
      and deleted_at is null
"""
# A record that stays unreadable is not stored again by each run.
_REJECT = """
    insert into raw.rejects (client_id, integration_id, entity, record_id, scope_key, payload, reason)
    select %(client)s, %(integration)s, %(entity)s, %(record)s, %(scope)s, %(payload)s, %(reason)s
    where not exists (
        select from raw.rejects
        where client_id = %(client)s and integration_id = %(integration)s and entity = %(entity)s
          and record_id is not distinct from %(record)s and payload = %(payload)s and replayed_at is null)
"""


class _Target:
    """One raw table and the rejects of its entity, inside the caller's transaction."""

    def __init__(self, conn: psycopg.Connection[Any], client_id: int, integration_id: int, entity: str) -> None:
        self.conn = conn
        self.table = sql.Identifier("raw", entity)
        self.params: dict[str, Any] = {"client": client_id, "integration": integration_id, "entity": entity}

    def upsert(self, lines: list[_Line]) -> int:
        if not lines:
            return 0
        self.conn.execute(_CREATE_STAGE)
        self.conn.execute("delete from pulse_stage")
        with self.conn.cursor() as cursor, cursor.copy("copy pulse_stage from stdin") as copy:
            for line in lines:
                copy.write_row(line)
        written = self.conn.execute(sql.SQL(_UPSERT).format(target=self.table), self.params).rowcount
        self._close_rejects([line[1] for line in lines])
        return written

    def bury(self, record_ids: list[str]) -> int:
        if not record_ids:
            return 0
        self._close_rejects(record_ids)
        return self.conn.execute(sql.SQL(_BURY).format(target=self.table), {**self.params, "gone": record_ids}).rowcount

    def _close_rejects(self, record_ids: list[str]) -> None:
        self.conn.execute(_CLOSE_REJECTS, {**self.params, "ids": record_ids})

    def reject(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            clean = {
                "record": _visible(reject.record_id), "scope": _visible(reject.scope_key),
                "payload": _visible(reject.payload), "reason": _visible(reject.reason),
            }  # fmt: skip
            self.conn.execute(_REJECT, {**self.params, **clean})


def _visible(text: str | None) -> str | None:
    return None if text is None else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
