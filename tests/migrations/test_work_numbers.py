"""0043: the numbers of work, which had a table of their own, are published with those of delivery."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from pulse.warehouse.connect import client_transaction
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster
from tests.support.database import TestDatabase
from tests.work.board import DONE, OPEN, PROGRESS, Board

SHARED = (
    "metric_type, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial, metric_value, p50, p75,"
    " p90, numerator, denominator, sample_size, null_reason, published_at"
)
SHOWN = "select * from report.work_metrics order by metric_type, grain, scope_id, calculation_date"


def fill(board: Board) -> None:
    for day in range(1, 28):
        board.issue(
            f"2026-02-{day:02} 08:00",
            (f"2026-02-{day:02} 09:00", OPEN, PROGRESS),
            (f"2026-03-{day:02} 08:00", PROGRESS, DONE),
            project=("OPS", "WEB")[day % 2],
            kind=("Story", "Bug")[day % 3 // 2],
        )


def test_an_upgrade_keeps_the_numbers_and_restates_none(
    cluster: Cluster, db: TestDatabase, made_by: Callable[[str], TestDatabase]
) -> None:
    now = Board(db)
    fill(now)
    now.compute()
    with client_transaction(now.conn, now.client_id):
        published = now.conn.execute(
            f"select {SHARED}, case unit when 'items' then 'count' else unit end from core.dora_metrics".encode()
        ).fetchall()
        version = now.conn.execute("select definition_version from core.dora_state").fetchone()
    assert len(published) > 150

    old = made_by("0042_theme_mode")
    client = old.add_client("acme", "Acme")
    with old.connect("pulse_etl") as etl:
        etl.execute("select set_config('pulse.client_id', %s, true)", [str(client)])
        etl.execute(
            "insert into core.dora_state (client_id, definition, definition_version, computed_through, published_at)"
            " values (%s, 'of before', %s, '2026-03-31', now())",
            [client, *(version or ())],
        )
        with etl.cursor() as cursor:
            cursor.executemany(
                sql.SQL("insert into core.work_metrics ({}, unit, client_id) values ({})").format(
                    sql.SQL(SHARED), sql.SQL(", ").join([sql.Placeholder()] * 19)
                ),
                [(*row, client) for row in published],
            )
    postgres_roles.migrate(cluster, old.name)

    board = Board(old, client_id=client)
    shown = board.rows(SHOWN)
    assert [row[1:] for row in shown] == [row[1:] for row in now.rows(SHOWN)]
    fill(board)
    board.compute()
    assert board.rows(SHOWN) == shown, "the numbers are the same, and were not published again"
    assert board.rows("select count(*) from core.dora_restatements") == [(0,)]
    assert board.rows("select count(*) from core.dora_metric_history") == [(0,)]
