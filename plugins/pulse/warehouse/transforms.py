"""Running include/sql: one stage, one client, one transaction."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pulse.warehouse.connect import client_transaction

Stage = str
STAGES: dict[Stage, tuple[str, ...]] = {"normalise": ("normalise",), "dora": ("dora", "quality")}


@dataclass(frozen=True)
class StepResult:
    """One SQL file's effect: `rows` it inserted, updated or deleted, and how long that took."""

    file: str
    rows: int
    seconds: float


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
        analyzed: set[str] = set()
        _analyze(conn, _STALE, analyzed)
        for path in stage_files(stage):
            name = f"{path.parent.name}/{path.name}"
            cursor = conn.cursor()
            started = time.monotonic()
            try:
                cursor.execute(path.read_bytes())
            except psycopg.Error as error:
                raise TransformError(
                    f"client {client_id}: include/sql/{name} failed: {error}. Nothing of this stage was changed;"
                    " correct the cause and run the task again."
                ) from error
            _analyze(conn, _JUST_WRITTEN, analyzed)
            results.append(StepResult(name, _rows_of_all_statements(cursor), time.monotonic() - started))
    return results


# A load, or a step that writes many rows, leaves the planner with the statistics of an empty table: it then joins by
# nested loops until autovacuum comes by, a minute too late.
_STALE = """
    select format('%I.%I', schemaname, relname) from pg_stat_user_tables
    where schemaname in ('raw', 'core') and n_mod_since_analyze > 500 + 0.2 * n_live_tup
"""
_JUST_WRITTEN = """
    select format('%I.%I', schemaname, relname) from pg_stat_xact_user_tables
    where schemaname in ('raw', 'core') and n_tup_ins + n_tup_upd + n_tup_del > 500
"""


def _analyze(conn: psycopg.Connection[Any], which: LiteralString, done: set[str]) -> None:
    for (table,) in conn.execute(which).fetchall():
        if table not in done and _may_analyze(conn, table):
            conn.execute(sql.SQL("analyze {}").format(sql.Identifier(*table.split("."))))
            done.add(table)


def _may_analyze(conn: psycopg.Connection[Any], table: str) -> bool:
    """Only PostgreSQL 17 and later have the right MAINTAIN; before, autovacuum alone does it."""
    if conn.info.server_version < 170000:
        return False
    row = conn.execute("select has_table_privilege(%s, 'maintain')", [table]).fetchone()
    return bool(row and row[0])


def _rows_of_all_statements(cursor: psycopg.Cursor[Any]) -> int:
    rows = 0
    while True:
        command = (cursor.statusmessage or "").split(" ")[0]
        if command in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            rows += max(cursor.rowcount, 0)
        if not cursor.nextset():
            return rows
