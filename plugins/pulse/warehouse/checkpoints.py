"""Where an extraction stands: read at its start, saved in the transaction that stores the rows it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pulse.warehouse.connect import fetch_for_client


@dataclass(frozen=True)
class Checkpoint:
    """A stream of a scope: everything upstream changed before `watermark_at` is stored; `cursor` is where an unfinished
    walk goes on (empty: none is under way)."""

    stream: str
    scope_key: str
    watermark_at: datetime | None = None
    cursor: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(
    conn: psycopg.Connection[Any], client_id: int, integration_id: int, stream: str, scope_key: str
) -> Checkpoint:
    """The stored checkpoint, or one without watermark and cursor."""
    rows = fetch_for_client(
        conn,
        client_id,
        "select watermark_at, cursor_data from core.etl_checkpoints"
        " where client_id = %s and integration_id = %s and stream = %s and scope_key = %s",
        [client_id, integration_id, stream, scope_key],
    )
    return Checkpoint(stream, scope_key, *rows[0]) if rows else Checkpoint(stream, scope_key)


def save_checkpoint(conn: psycopg.Connection[Any], client_id: int, integration_id: int, checkpoint: Checkpoint) -> None:
    """Store a checkpoint inside the caller's transaction."""
    conn.execute(
        "insert into core.etl_checkpoints (client_id, integration_id, stream, scope_key, watermark_at, cursor_data)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (client_id, integration_id, stream, scope_key) do update set"
        " watermark_at = excluded.watermark_at, cursor_data = excluded.cursor_data, updated_at = now()",
        [
            client_id,
            integration_id,
            checkpoint.stream,
            checkpoint.scope_key,
            checkpoint.watermark_at,
            Jsonb(checkpoint.cursor),
        ],
    )
