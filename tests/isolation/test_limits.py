"""A client's login takes no more than its share of the replica, whatever settings its sessions change."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg import errors

from pulse.tenancy import client_role
from tests.support.database import TestDatabase

ENDLESS = "select count(*) from generate_series(1, 1000000000000) n"


@pytest.fixture
def role(db: TestDatabase, two_clients: tuple[int, int]) -> str:
    db.wait_replica()
    return client_role(two_clients[0])


def outcome_of(
    connection: psycopg.Connection[Any], statement: str, found: list[BaseException | None]
) -> threading.Thread:
    """Run a statement in a thread, which puts its error into `found`."""

    def run() -> None:
        try:
            connection.execute(statement)  # type: ignore[arg-type]
        except BaseException as error:
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_lifted_time_out_does_not_keep_a_query_running(db: TestDatabase, role: str) -> None:
    hostile = db.connect(role, replica=True, autocommit=True)
    hostile.execute("set statement_timeout = 0")
    found: list[BaseException | None] = []
    thread = outcome_of(hostile, ENDLESS, found)
    auth = db.connect("pulse_auth", replica=True, autocommit=True)
    time.sleep(0.3)
    assert auth.execute("select core.end_long_queries(60)").fetchone() == (0,), "it is not old yet"
    deadline = time.monotonic() + 20
    while auth.execute("select core.end_long_queries(1)").fetchone() == (0,):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    thread.join(20)
    assert isinstance(found[0], errors.AdminShutdown | psycopg.OperationalError), found


def test_an_open_transaction_is_ended_too(db: TestDatabase, role: str) -> None:
    hostile = db.connect(role, replica=True)
    hostile.execute("set idle_in_transaction_session_timeout = 0")
    hostile.execute("select 1")
    time.sleep(1.2)
    auth = db.connect("pulse_auth", replica=True, autocommit=True)
    assert auth.execute("select core.end_long_queries(1)").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        hostile.execute("select 1")


def test_sessions_of_staff_are_left_alone(db: TestDatabase, role: str) -> None:
    staff = db.connect("pulse_staff", replica=True)
    staff.execute("select 1")
    time.sleep(1.2)
    auth = db.connect("pulse_auth", replica=True, autocommit=True)
    auth.execute("select core.end_long_queries(1)")
    staff.execute("select 1")


@pytest.mark.parametrize("who", ["client", "pulse_staff", "pulse_nobody"])
def test_nobody_else_may_end_queries(db: TestDatabase, role: str, who: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        db.connect(role if who == "client" else who, replica=True).execute("select core.end_long_queries(1)")


def test_one_query_may_not_fill_the_disk(db: TestDatabase, role: str) -> None:
    hostile = db.connect(role, replica=True, autocommit=True)
    with pytest.raises(errors.InsufficientPrivilege):
        hostile.execute("set temp_file_limit = -1")
    with pytest.raises(errors.ConfigurationLimitExceeded):
        hostile.execute(
            "select n, repeat('x', 2000) from generate_series(1, 100000000) n order by n desc limit 1 offset 9999999"
        )


def test_a_clients_login_has_few_connections(db: TestDatabase, role: str) -> None:
    connections = [db.connect(role, replica=True) for _ in range(10)]
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        db.connect(role, replica=True)
    assert len(connections) == 10
    db.connect("pulse_auth", replica=True)
