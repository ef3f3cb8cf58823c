"""Running include/sql: one stage, one client, one transaction."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg

from pulse.warehouse.connect import client_transaction

Stage = str
STAGES: dict[Stage, tuple[str, ...]] = {"normalise": ("normalise",), "dora": ("dora", "quality")}


@dataclass(frozen=True)
class StepResult:
    """One SQL file's effect: `rows` it inserted, updated or deleted."""

    file: str
    rows: int


class TransformError(Exception):
    """A SQL file failed; the whole stage was rolled back."""


def sql_root() -> Path:
    """The folder include/sql of this installation."""
    root = os.environ.get("PULSE_ROOT")
    return (Path(root) if root else Path(__file__).resolve().parents[3]) / "include" / "sql"


def stage_files(stage: Stage) -> list[Path]:
    """The SQL files of a stage in the order they run. Raises KeyError for an unknown stage."""
    return [path for folder in STAGES[stage] for path in sorted((sql_root() / folder).glob("*.sql"))]


def run_stage(conn: psycopg.Connection[Any], client_id: int, stage: Stage) -> list[StepResult]:
    """Run a stage for one client; readers see all of it or nothing.

    Two runs of one client exclude each other (advisory lock); different clients run side by side. Every file is
    idempotent and writes only rows that differ. Raises TransformError that names client, file and cause.
    """
    results: list[StepResult] = []
    with client_transaction(conn, client_id):
        conn.execute("select pg_advisory_xact_lock(hashtext('pulse.transforms'), %s)", (client_id,))
        for path in stage_files(stage):
            name = f"{path.parent.name}/{path.name}"
            cursor = conn.cursor()
            try:
                cursor.execute(cast(LiteralString, path.read_text(encoding="utf-8")))
            except psycopg.Error as error:
                raise TransformError(
                    f"client {client_id}: include/sql/{name} failed: {error}. Nothing of this stage was changed;"
                    " correct the cause and run the task again."
                ) from error
            results.append(StepResult(name, _rows_of_all_statements(cursor)))
    return results


def _rows_of_all_statements(cursor: psycopg.Cursor[Any]) -> int:
    rows = 0
    while True:
        command = (cursor.statusmessage or "").split(" ")[0]
        if command in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            rows += max(cursor.rowcount, 0)
        if not cursor.nextset():
            return rows
