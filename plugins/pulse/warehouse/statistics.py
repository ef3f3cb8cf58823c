"""Statistics for the planner while a stage runs: what was written, and when that is worth an ANALYZE.

A load, or a model that writes many rows, leaves the planner with the statistics of an empty table. It then joins by nested
loops until autovacuum comes by, a minute too late.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

# Many clients' first runs would sample a growing table again and again: once it has doubled is often enough.
_STALE = """
    select format('%I.%I', schemaname, relname) from pg_stat_user_tables
    where schemaname in ('raw', 'core') and n_mod_since_analyze > 500 + 0.5 * n_live_tup
"""


def analyze_stale(conn: psycopg.Connection[Any]) -> None:
    """ANALYZE the tables that the planner knows too little about, with a third of the usual sample."""
    conn.execute("set local default_statistics_target = 30")
    _analyze(conn, [table for (table,) in conn.execute(_STALE).fetchall()], set())


@dataclass
class Table:
    """A table of raw or core: the rows that the planner knew of before, and what this transaction has written since."""

    name: str
    rows: float
    inserted: int = 0
    written: int = 0


class Statistics:
    """What a transaction writes to the tables of raw and core; the queue between the stages does not count.

    `thorough`: for the stage dora. It works from temporary tables, which have statistics of their own, and waits for another
    client's ANALYZE of a table that has doubled.
    """

    def __init__(self, conn: psycopg.Connection[Any], *, thorough: bool) -> None:
        rows = conn.execute(
            "select c.oid::bigint, format('%I.%I', n.nspname, c.relname), c.reltuples from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname in ('raw', 'core') and c.relkind = 'r' and c.relname <> 'dora_queue'"
        ).fetchall()
        self.conn = conn
        self.thorough = thorough
        self.tables = {oid: Table(name, known) for oid, name, known in rows}
        self.before = self._counts()  # of earlier transactions, which the session has not reported yet
        self.analyzed: set[str] = set()
        self.tables_written: Counter[str] = Counter()  # rows by table, as renew() has last found
        self._told: Counter[str] = Counter()

    def renew(self) -> int:
        """ANALYZE the tables that have changed much; how many rows were written since the last call."""
        found = self._so_far()
        if self.thorough:
            grown = [table.name for table in found if table.inserted > max(1000, table.rows)]
        else:
            grown = [table.name for table in found if table.written > 500]
        _analyze(self.conn, grown, self.analyzed, wait=self.thorough)
        so_far = Counter({table.name: table.written for table in found})
        self.tables_written, self._told = so_far - self._told, so_far
        return sum(self.tables_written.values())

    def _so_far(self) -> list[Table]:
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
    """ANALYZE holds its lock until the transaction ends: where another client has it, go on without, or wait.

    Waiting is safe where all come to the tables in the same order, and only to those that they write in that order.
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
