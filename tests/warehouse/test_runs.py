"""core.etl_runs: what a run records, however it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from pulse.errors import RateLimited, UpstreamError
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.runs import RunStats, record_run
from tests.support.database import TestDatabase


class Recorded:
    """A client, and its runs."""

    def __init__(self, db: TestDatabase) -> None:
        self.db = db
        self.client_id = db.add_client("acme")
        self.conn = db.connect("pulse_etl")

    def run(self) -> Any:
        return record_run(self.conn, client_id=self.client_id, dag_run_id="r1", task_id="github.extract")

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        fresh = self.db.connect("pulse_etl")
        with client_transaction(fresh, self.client_id):
            return fresh.execute(f"select {columns} from core.etl_runs order by id").fetchall()  # type: ignore[arg-type]


@pytest.fixture
def recorded(db: TestDatabase) -> Recorded:
    return Recorded(db)


def test_a_run_records_what_it_cost(recorded: Recorded) -> None:
    with recorded.run() as stats:
        assert recorded.rows("state, finished_at") == [("running", None)]
        stats.add(RunStats(7, 5, 100, 20, 1))
    columns = "state, api_calls, api_points, rows_read, rows_written, rows_rejected, error, finished_at is not null"
    assert recorded.rows(columns) == [("success", 7, 5, 100, 20, 1, None, True)]


def test_a_failure_is_kept_with_what_it_cost_although_its_transaction_is_dead(recorded: Recorded) -> None:
    def fail() -> None:
        with recorded.run() as stats:
            stats.api_calls = 3
            recorded.conn.execute("select 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        fail()
    assert recorded.rows("state, api_calls, error") == [("failed", 3, "DivisionByZero: division by zero")]


def test_a_failure_is_kept_although_the_connection_is_lost(recorded: Recorded) -> None:
    def lose_the_connection() -> None:
        with recorded.run(), recorded.db.cluster.primary.connect() as superuser:
            superuser.execute("select pg_terminate_backend(%s)", [recorded.conn.info.backend_pid])
            recorded.conn.execute("select 1")

    with pytest.raises(psycopg.OperationalError):
        lose_the_connection()
    state, error = recorded.rows("state, error")[0]
    assert state == "failed"
    assert "AdminShutdown" in error


def test_a_used_up_budget_is_not_a_failure(recorded: Recorded) -> None:
    with pytest.raises(RateLimited), recorded.run():
        raise RateLimited(
            client="acme", source="github", resume_at=datetime(2026, 6, 1, 12, tzinfo=UTC), message="no points left"
        )
    state, error = recorded.rows("state, error")[0]
    assert state == "deferred"
    assert "2026-06-01 12:00:00 UTC" in error


def test_a_run_that_was_killed_is_closed_by_the_next_one(recorded: Recorded) -> None:
    with client_transaction(recorded.conn, recorded.client_id):
        recorded.conn.execute(
            "insert into core.etl_runs (client_id, dag_run_id, task_id) values (%s, 'r0', 'github.extract')",
            [recorded.client_id],
        )
    with recorded.run():
        assert recorded.rows("state, error") == [("failed", "killed before it ended"), ("running", None)]
    assert recorded.rows("state") == [("failed",), ("success",)]


def test_the_error_is_shortened_and_can_be_stored(recorded: Recorded) -> None:
    with pytest.raises(UpstreamError), recorded.run():
        raise UpstreamError(client="acme", source="jira", message="x\x00" * 4000, remedy="wait")
    assert len(recorded.rows("error")[0][0]) <= 2000
