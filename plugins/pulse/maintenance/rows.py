"""Deletes rows of the clients' database that are old and that no number needs.

One client at a time, as pulse_etl, which sees that client's rows only. Each batch is a transaction of its own: what a killed
run has not deleted, the next one does. The rows that numbers are made of (typed tables, facts) are never touched.
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg import sql

from pulse import environ
from pulse.maintenance.keep import days
from pulse.people import links
from pulse.warehouse.connect import client_transaction

log = logging.getLogger(__name__)
Connection = psycopg.Connection[Any]
BATCH = 20_000

# A record that upstream no longer has. Its typed row says so (deleted_at), once normalise has read that it is gone.
GONE_RECORDS = """
    t.deleted_at < now() - make_interval(days => %(days)s)
    and t.loaded_xid < (select w.loaded_xid from core.transform_watermarks w where w.transform = 'normalise')
"""
# Normalise looks at rejects that were closed shortly before it last ran.
CLOSED_REJECTS = """
    t.replayed_at < now() - make_interval(days => %(days)s)
    and t.replayed_at < (select w.updated_at - interval '1 day' from core.transform_watermarks w where w.transform = 'normalise')
"""
# What the page Clients and report.freshness show stays: of each task and state the newest, and what has not ended.
OLD_RUNS = """
    t.started_at < now() - make_interval(days => %(days)s) and t.state in ('success', 'failed')
    and exists (
        select from core.etl_runs later
        where later.client_id = t.client_id and later.integration_id is not distinct from t.integration_id
          and later.state = t.state and later.finished_at > t.finished_at)
"""
OLD_HISTORY = "t.valid_to < now() - make_interval(days => %(days)s)"
OLD_RESTATEMENTS = "t.restated_at < now() - make_interval(days => %(days)s)"
OLD_PUBLICATIONS = """
    t.published_at < now() - make_interval(days => %(days)s)
    and exists (
        select from core.dora_publications later
        where later.client_id = t.client_id and later.published_at > t.published_at)
"""
RULES = (
    ("raw.rejects", environ.KEEP_REJECTS, CLOSED_REJECTS),
    ("core.etl_runs", environ.KEEP_RUNS, OLD_RUNS),
    ("core.dora_metric_history", environ.KEEP_HISTORY, OLD_HISTORY),
    ("core.dora_restatements", environ.KEEP_HISTORY, OLD_RESTATEMENTS),
    ("core.dora_publications", environ.KEEP_HISTORY, OLD_PUBLICATIONS),
)
_RAW_TABLES = """
    select 'raw.' || quote_ident(c.relname) from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'deleted_at' and not a.attisdropped
    where c.relnamespace = 'raw'::regnamespace and c.relkind = 'r' order by 1
"""
# Autovacuum comes by itself; after a large deletion, or where it is slower than the loads, this is sooner.
_NEEDS = """
    select s.schemaname, s.relname, s.n_dead_tup > 10000 and s.n_dead_tup > s.n_live_tup / 10 as vacuum
    from pg_stat_user_tables s
    where s.schemaname in ('raw', 'core') and has_table_privilege(s.relid, 'MAINTAIN')
      and (s.n_dead_tup > 10000 and s.n_dead_tup > s.n_live_tup / 10
           or s.n_mod_since_analyze > 10000 and s.n_mod_since_analyze > s.n_live_tup / 5)
    order by 1, 2
"""


def trim_client(conn: Connection, client_id: int) -> dict[str, int]:
    """Delete one client's old rows; how many, by table. `conn`: as pulse_etl, in autocommit. Raises ValueError."""
    gone = {table: _delete(conn, client_id, table, keep, rule) for table, keep, rule in RULES}
    for (table,) in conn.execute(_RAW_TABLES).fetchall():
        gone[table] = _delete(conn, client_id, table, environ.KEEP_RAW, GONE_RECORDS)
    return {table: count for table, count in gone.items() if count}


def _delete(conn: Connection, client_id: int, table: str, keep: environ.Variable[int], rule: str) -> int:
    kept = days(keep)
    if kept is None:
        return 0
    name = sql.SQL(table)
    query = sql.SQL(
        "delete from {table} where ctid = any (array(select t.ctid from {table} t"
        " where t.client_id = (select core.etl_client_id()) and {rule} limit {batch}))"
    ).format(table=name, rule=sql.SQL(rule), batch=sql.Literal(BATCH))
    total = 0
    while True:
        with client_transaction(conn, client_id):
            deleted = conn.execute(query, {"days": kept}).rowcount
        total += deleted
        if deleted < BATCH:
            return total


def trim_shared(conn: Connection) -> dict[str, int]:
    """Delete what is old and belongs to no client's numbers; how many. `conn`: as pulse_admin, in autocommit."""
    gone = {"links": links.forget_old(conn)}
    row = conn.execute("select audit.forget_old()").fetchone()
    gone["events of the audit"] = int(row[0]) if row else 0
    kept = days(environ.KEEP_RUNS)
    if kept is not None:
        gone["alerts"] = sum(
            conn.execute(
                f"delete from {table} where over_at < now() - make_interval(days => %s)"
                " and (told_at is null or over_told_at is not null)".encode(),
                [kept],
            ).rowcount
            for table in ("core.alerts", "core.installation_alerts")
        )
    kept = days(environ.KEEP_SESSIONS)
    if kept is not None:
        gone["sessions"] = conn.execute(
            "delete from core.user_sessions where expires_at < now() - make_interval(days => %s)", [kept]
        ).rowcount
    return gone


def tidy_tables(conn: Connection) -> list[str]:
    """Vacuum and analyse the tables that need it; their names. `conn`: as pulse_etl, in autocommit.

    Before PostgreSQL 17 only a table's owner may; then autovacuum does it alone.
    """
    if conn.info.server_version < 170000:
        log.info("PostgreSQL %s: autovacuum alone tidies tables", conn.info.server_version)
        return []
    done = []
    for schema, table, vacuum in conn.execute(_NEEDS).fetchall():
        what = sql.SQL("vacuum (analyze) {}" if vacuum else "analyze {}")
        conn.execute(what.format(sql.Identifier(schema, table)))
        done.append(f"{schema}.{table}")
    return done
