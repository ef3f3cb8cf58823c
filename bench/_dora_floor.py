"""What the dora stage is compared with in the same run: only writing the rows it wrote, with the same keys and indexes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from psycopg import sql

from tests.support.database import TestDatabase

SCHEMA = "bench_floor"
WRITTEN = (
    "deployments",
    "changes",
    "change_references",
    "deployment_changes",
    "incidents",
    "incident_references",
    "incident_deployments",
    "rework_evidence",
    "dora_metrics",
    "work_items",
    "work_status_times",
)


def write_alone(db: TestDatabase, clients: list[int], workers: int) -> float:
    """Seconds that this many connections need to insert the stage's rows of these clients into empty copies of its tables.

    One transaction per client, no computation, no policies. The copies are dropped afterwards.
    """
    with db.cluster.primary.connect(database=db.name) as conn:
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        for table in WRITTEN:
            conn.execute(
                sql.SQL("create table {} (like core.{} including all)").format(
                    sql.Identifier(SCHEMA, table), sql.Identifier(table)
                )
            )
    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda client_id: _write(db, client_id), clients))
    seconds = time.monotonic() - started
    with db.cluster.primary.connect(database=db.name) as conn:
        conn.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(SCHEMA)))
    return seconds


def _write(db: TestDatabase, client_id: int) -> None:
    with db.cluster.primary.connect(database=db.name) as conn, conn.transaction():
        for table in WRITTEN:
            found = conn.execute(
                "select attname from pg_attribute where attrelid = ('core.' || %s)::regclass and attnum > 0"
                " and not attisdropped and attgenerated = '' order by attnum",
                [table],
            ).fetchall()
            names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in found)
            conn.execute(
                sql.SQL(
                    "insert into {} ({names}) overriding system value select {names} from core.{} where client_id = {}"
                ).format(sql.Identifier(SCHEMA, table), sql.Identifier(table), sql.Literal(client_id), names=names)
            )
