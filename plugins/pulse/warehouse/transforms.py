"""Running include/sql: one stage, one client, one transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from pulse import environ
from pulse.errors import PublicationStopped
from pulse.warehouse.connect import client_transaction

Stage = str
STAGES: dict[Stage, tuple[str, ...]] = {"normalise": ("normalise",), "dora": ("dora", "work", "quality")}


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
    return environ.ROOT.get() / "include" / "sql"


def stage_files(stage: Stage) -> list[Path]:
    """The SQL files of a stage in the order they run. Raises KeyError for an unknown stage."""
    return [path for folder in STAGES[stage] for path in sorted((sql_root() / folder).glob("*.sql"))]


def run_stage(
    conn: psycopg.Connection[Any], client_id: int, stage: Stage, *, now: datetime | None = None, full: bool = False
) -> list[StepResult]:
    """Run a stage for one client; readers see all of it or nothing.

    Two runs of one client exclude each other (advisory lock); different clients run side by side. Every file is
    idempotent and writes only rows that differ. The stage dora computes what has moved since its last run; `full` lets it
    compute everything, with the same result. `now` (aware) is the moment that it works for; default: the real one.
    Raises TransformError that names client, file and cause; PublicationStopped when a blocking quality check fails.
    """
    # On its own, so that the statistics are there at once for other clients' stages too; from a third of the usual sample,
    # since many clients' first runs sample growing tables again and again.
    with client_transaction(conn, client_id):
        conn.execute("set local default_statistics_target = 30")
        _analyze(conn, [table for (table,) in conn.execute(_STALE).fetchall()], set())
    try:
        with client_transaction(conn, client_id):
            return _run_files(conn, client_id, stage, now, full)
    except _Blocked as blocked:
        with client_transaction(conn, client_id):
            _store_failed_checks(conn, blocked.checks)
        raise PublicationStopped(
            client=str(client_id),
            source="quality checks",
            message=f"nothing was published, the dashboards keep the numbers they have. {_told(blocked.checks)}",
            remedy="look at report.quality_checks; severities are set in the Variable (settings, quality.<check>)",
        ) from None


def _run_files(
    conn: psycopg.Connection[Any], client_id: int, stage: Stage, now: datetime | None, full: bool
) -> list[StepResult]:
    results: list[StepResult] = []
    conn.execute("select pg_advisory_xact_lock(hashtext('pulse.transforms'), %s)", (client_id,))
    conn.execute(
        "select set_config('pulse.now', %s, true), set_config('pulse.full', %s, true)",
        (now.isoformat() if now else "", "on" if full else ""),
    )
    written = _Written(conn)
    rows, analyzed = 0, set[str]()
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
        found = written.so_far()
        if stage == "normalise":
            _analyze(conn, [table.name for table in found if table.written > 500], analyzed)
        else:  # works from temporary tables, which have statistics of their own
            grown = [table.name for table in found if table.inserted > max(1000, table.rows)]
            _analyze(conn, grown, analyzed, wait=True)
        before, rows = rows, sum(table.written for table in found)
        results.append(StepResult(name, rows - before, time.monotonic() - started))
    if stage == "dora":
        _stop_where_blocked(conn)
    return results


class _Blocked(Exception):
    def __init__(self, checks: list[tuple[Any, ...]]) -> None:
        self.checks = checks


_CHECK_COLUMNS = (
    "client_id, check_name, detail, severity, status, value, threshold, numerator, denominator, message, examples"
)


def _stop_where_blocked(conn: psycopg.Connection[Any]) -> None:
    checks = conn.execute(
        f"select {_CHECK_COLUMNS} from core.quality_results where client_id = (select core.etl_client_id())"
        " and severity = 'block' and status = 'fail' order by check_name, detail"
    ).fetchall()
    if checks:
        raise _Blocked(checks)


def _store_failed_checks(conn: psycopg.Connection[Any], checks: list[tuple[Any, ...]]) -> None:
    """What stopped the publication, after everything else of the stage was rolled back."""
    for check in checks:
        conn.execute("delete from core.quality_results where (client_id, check_name, detail) = (%s, %s, %s)", check[:3])
        conn.execute(
            f"insert into core.quality_results ({_CHECK_COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [*check[:-1], Jsonb(check[-1])],
        )


def _told(checks: list[tuple[Any, ...]]) -> str:
    return " ".join(
        f"{name}{f' ({detail})' if detail else ''}: {message} Examples: {examples}."
        for _, name, detail, *_, message, examples in checks
    )


# A load, or a step that writes many rows, leaves the planner with the statistics of an empty table: it then joins by
# nested loops until autovacuum comes by, a minute too late. Once a table has doubled is often enough: many clients' first
# runs would else sample it again and again.
_STALE = """
    select format('%I.%I', schemaname, relname) from pg_stat_user_tables
    where schemaname in ('raw', 'core') and n_mod_since_analyze > 500 + 0.5 * n_live_tup
"""


@dataclass
class _Table:
    """A table of raw or core: the rows that the planner knew of before, and what this transaction has written since."""

    name: str
    rows: float
    inserted: int = 0
    written: int = 0


class _Written:
    """What a transaction writes to the tables of raw and core; the queue between the stages is none of them."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        rows = conn.execute(
            "select c.oid::bigint, format('%I.%I', n.nspname, c.relname), c.reltuples from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname in ('raw', 'core') and c.relkind = 'r' and c.relname <> 'dora_queue'"
        ).fetchall()
        self.conn = conn
        self.tables = {oid: _Table(name, known) for oid, name, known in rows}
        self.before = self._counts()  # of transactions before, which the session has not handed in yet

    def so_far(self) -> list[_Table]:
        """The tables written to, in the order of their creation."""
        found = []
        for oid, (inserted, others) in self._counts().items():
            inserted_before, others_before = self.before.get(oid, (0, 0))
            table = replace(self.tables[oid], inserted=inserted - inserted_before)
            table.written = table.inserted + others - others_before
            found.append(table)
        return found

    def _counts(self) -> dict[int, tuple[int, int]]:
        """Rows inserted, and updated or deleted. (The view pg_stat_xact_user_tables would read the whole catalogue.)"""
        rows = self.conn.execute(
            "select * from (select t::bigint, pg_stat_get_xact_tuples_inserted(t) as inserted,"
            " pg_stat_get_xact_tuples_updated(t) + pg_stat_get_xact_tuples_deleted(t) as others"
            " from unnest(%s::oid[]) t) x where inserted + others > 0 order by t",
            [list(self.tables)],
        ).fetchall()
        return {oid: (inserted, others) for oid, inserted, others in rows}


def _analyze(conn: psycopg.Connection[Any], tables: list[str], done: set[str], *, wait: bool = False) -> None:
    """ANALYZE holds its lock until the transaction ends: where another client's has it, ours goes on without, or waits.

    Waiting is safe where all come to the tables in the same order, and to none but those they write in that order.
    """
    for table in tables:
        if table not in done and _may_analyze(conn, table):
            how = sql.SQL("" if wait else "(skip_locked) ")
            conn.execute(sql.SQL("analyze {}{}").format(how, sql.Identifier(*table.split("."))))
            done.add(table)


def _may_analyze(conn: psycopg.Connection[Any], table: str) -> bool:
    """Only PostgreSQL 17 and later have the right MAINTAIN; before, autovacuum alone does it."""
    if conn.info.server_version < 170000:
        return False
    row = conn.execute("select has_table_privilege(%s, 'maintain')", [table]).fetchone()
    return bool(row and row[0])
