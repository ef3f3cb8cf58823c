"""How far an extraction has come: read at its start, saved in the transaction that stores the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pulse.warehouse.connect import fetch_for_client


@dataclass(frozen=True)
class Checkpoint:
    """The progress of one stream of a scope.

    Everything that the upstream changed before `watermark_at` is stored, or lies in a part that `cursor` still notes.
    `cursor` says where an unfinished walk resumes; it is empty if there is none.
    """

    stream: str
    scope_key: str
    watermark_at: datetime | None = None
    cursor: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(
    conn: psycopg.Connection[Any], client_id: int, integration_id: int, stream: str, scope_key: str
) -> Checkpoint:
    """The stored checkpoint, or a new one without watermark and cursor."""
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
