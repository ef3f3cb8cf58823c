"""Loading pages of records: COPY into a temporary stage, guarded upsert, rejects and checkpoint, in one transaction."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from pulse.texts import is_suspect, one_line, tidy
from pulse.warehouse.checkpoints import Checkpoint, save_checkpoint
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.erased import Erased

# What PostgreSQL can store neither as text nor as jsonb: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# An index holds the id, and a page of it a few thousand bytes.
ID_CHARACTERS = 500

# Sorted keys, so that equal payloads give equal texts. Several times faster than the json module.
_ENCODER = msgspec.json.Encoder(order="sorted")
# Characters that have a meaning in COPY's text format.
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class RawRow:
    """One upstream record: its stable id, the scope that extracts it, its trimmed payload, and when it last changed."""

    record_id: str
    scope_key: str
    payload: dict[str, Any]
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Reject:
    """A record that cannot be read: its payload as received, and the reason."""

    record_id: str | None
    scope_key: str
    payload: str
    reason: str


@dataclass(frozen=True)
class LoadResult:
    """The number of records read from the upstream, written (new or changed), and rejected.

    `tables`: the rows written by table of raw, with 0 where all that was read was stored already.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    tables: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Page:
    """Records of one entity that are stored together. `gone`: ids that no longer exist upstream."""

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
    """Store pages and checkpoints in one transaction: all or nothing.

    Only rows whose payload differs from the stored one are written. If several rows have the same id, the last one counts.
    A row that is gone upstream keeps its payload and gets deleted_at; if it comes back, deleted_at is cleared and its
    rejects are closed. `conn` may be inside a transaction of the same client. Returns the counts.
    """
    read = rejected = 0
    tables: Counter[str] = Counter()
    with client_transaction(conn, client_id):
        erased = Erased.of(conn)
        for page in pages:
            target = _Target(conn, client_id, integration_id, page.entity)
            lines, unfit = _lines(page.rows, erased)
            rejects = [_without_erased(reject, erased) for reject in (*page.rejects, *unfit)]
            read += len(page.rows) + len(page.rejects)
            rejected += len(rejects)
            tables[page.entity] += target.upsert(lines) + target.mark_deleted([erased.text(one) for one in page.gone])
            target.reject(rejects)
        for checkpoint in checkpoints:
            save_checkpoint(conn, client_id, integration_id, checkpoint)
    return LoadResult(read, tables.total(), rejected, tables)


def storable(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without characters that PostgreSQL cannot store; `_sanitised` lists the fields that lost some."""
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


@dataclass(frozen=True)
class _Line:
    """A row in the form that the table takes."""

    record_id: str
    scope_key: str
    payload: bytes
    payload_hash: str
    updated_at: datetime | None

    def as_copy(self) -> bytes:
        """A line in COPY's text format. JSON already escapes every character that COPY would, except its own backslash."""
        changed = self.updated_at.isoformat() if self.updated_at else "\\N"
        keys = (
            self.record_id.translate(_COPY_ESCAPES),
            self.scope_key.translate(_COPY_ESCAPES),
            self.payload_hash,
            changed,
        )
        return b"\t".join([*(key.encode() for key in keys), self.payload.replace(b"\\", b"\\\\")]) + b"\n"


def _without_erased(reject: Reject, erased: Erased) -> Reject:
    if not erased:
        return reject
    record_id = None if reject.record_id is None else erased.text(reject.record_id)
    return replace(
        reject, record_id=record_id, payload=erased.reject(reject.payload), reason=erased.text(reject.reason)
    )


def _lines(rows: Iterable[RawRow], erased: Erased) -> tuple[dict[str, _Line], list[Reject]]:
    """Rows by id (the last one wins); a payload that cannot be JSON, or too long an id, becomes a reject."""
    lines: dict[str, _Line] = {}
    unfit: list[Reject] = []
    for row in rows:
        if len(row.record_id) > ID_CHARACTERS:
            reason = f"the record's id is {len(row.record_id)} characters long, {ID_CHARACTERS} are allowed"
            unfit.append(Reject(row.record_id[:ID_CHARACTERS], row.scope_key, repr(row.payload), reason))
            continue
        try:
            payload = encoded(erased.payload(row.payload) if erased else row.payload)
        except (TypeError, ValueError) as error:
            unfit.append(Reject(row.record_id, row.scope_key, repr(row.payload), str(error)))
            continue
        digest = hash_of(payload)
        identity, scope = _UNSTORABLE.sub("", erased.text(row.record_id)), _UNSTORABLE.sub("", row.scope_key)
        lines[identity] = _Line(identity, scope, payload, digest, row.updated_at)
    return lines, unfit


def hash_of(payload: bytes) -> str:
    """The hash by which a stored payload is known again."""
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()


def encoded(payload: dict[str, Any]) -> bytes:
    """The payload as JSON that PostgreSQL can store, with people's texts tidied. Raises TypeError, ValueError."""
    try:
        text = _ENCODER.encode(payload)
    except UnicodeEncodeError:  # a lone surrogate
        return _ENCODER.encode(tidy(storable(payload)))
    if not is_suspect(text):
        return text
    return _ENCODER.encode(tidy(storable(payload) if b"\\u0000" in text else payload))


_KNOWN = """
    select t.record_id
    from unnest(%(ids)s::text[], %(hashes)s::text[], %(scopes)s::text[]) as s (record_id, payload_hash, scope_key)
    join {target} t
      on t.client_id = %(client)s and t.integration_id = %(integration)s and t.record_id = s.record_id
     and t.payload_hash = s.payload_hash and t.scope_key = s.scope_key
    where t.deleted_at is null
"""
# Text and uncompressed, because it lives only for a moment.
_CREATE_STAGE = """
    create temporary table if not exists pulse_stage (record_id text, scope_key text, payload_hash text,
        upstream_updated_at timestamptz, payload text storage external)
        with (toast_tuple_target = 8160) on commit delete rows
"""
_UPSERT = """
    insert into {target} as t
        (client_id, integration_id, record_id, scope_key, payload, payload_hash, upstream_updated_at)
    select %(client)s, %(integration)s, record_id, scope_key, payload::jsonb, payload_hash, upstream_updated_at
    from pulse_stage
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
_MARK_DELETED = """
    update {target} set deleted_at = now(), loaded_xid = pg_current_xact_id()
    where client_id = %(client)s and integration_id = %(integration)s and record_id = any(%(gone)s)
      and deleted_at is null
"""
# A record that stays unreadable must not be stored again by every run.
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

    def upsert(self, lines: dict[str, _Line]) -> int:
        """Write the lines that are new or differ; returns how many."""
        if not lines:
            return 0
        # Sending a payload and casting it to jsonb is the expensive part, so lines that are already stored stay here.
        known = self.conn.execute(
            sql.SQL(_KNOWN).format(target=self.table),
            {
                **self.params,
                "ids": list(lines),
                "hashes": [line.payload_hash for line in lines.values()],
                "scopes": [line.scope_key for line in lines.values()],
            },
        ).fetchall()
        changed = lines.keys() - {row[0] for row in known}
        self._close_rejects(list(lines))
        if not changed:
            return 0
        self.conn.execute(_CREATE_STAGE)
        self.conn.execute("delete from pulse_stage")
        with self.conn.cursor() as cursor, cursor.copy("copy pulse_stage from stdin") as copy:
            copy.write(b"".join(line.as_copy() for key, line in lines.items() if key in changed))
        return self.conn.execute(sql.SQL(_UPSERT).format(target=self.table), self.params).rowcount

    def mark_deleted(self, record_ids: list[str]) -> int:
        """Set deleted_at for rows that are gone upstream; returns how many."""
        if not record_ids:
            return 0
        self._close_rejects(record_ids)
        return self.conn.execute(
            sql.SQL(_MARK_DELETED).format(target=self.table), {**self.params, "gone": record_ids}
        ).rowcount

    def _close_rejects(self, record_ids: list[str]) -> None:
        self.conn.execute(_CLOSE_REJECTS, {**self.params, "ids": record_ids})

    def reject(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            clean = {
                "record": _visible(reject.record_id),
                "scope": _visible(reject.scope_key),
                "payload": _visible(reject.payload),
                "reason": one_line(_visible(reject.reason) or ""),
            }
            self.conn.execute(_REJECT, {**self.params, **clean})


def _visible(text: str | None) -> str | None:
    return None if text is None else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
