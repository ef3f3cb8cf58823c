"""Connections to the clients' database, and transactions that work for one client."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.abc import Params, Query, QueryNoTemplate

from pulse import tracing


def connect(conn_id: str, **kwargs: Any) -> psycopg.Connection[Any]:
    """Open a psycopg 3 connection to the database that an Airflow Connection names.

    `conn_id` is looked up in the environment first (AIRFLOW_CONN_<ID>, a postgresql:// URL) and then in Airflow, so the
    library also runs without Airflow. Where it names several hosts, `target_session_attrs=read-write` in the URL (in Airflow:
    in the Extra) means the one that takes writes. `kwargs` go to psycopg.connect. Raises ValueError for a Connection of
    another type, and psycopg.OperationalError if the server does not answer.
    """
    options = {"application_name": tracing.application_name(conn_id), "connect_timeout": 10, **kwargs}
    url = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}", "")
    if "://" not in url:
        return psycopg.connect(**_from_airflow(conn_id), **options)
    scheme, _, rest = url.partition("://")
    _require_postgres(conn_id, scheme)
    return psycopg.connect(f"postgresql://{rest}", **options)


def _from_airflow(conn_id: str) -> dict[str, Any]:
    from airflow.sdk import BaseHook

    found = BaseHook.get_connection(conn_id)
    _require_postgres(conn_id, found.conn_type)
    if set(found.password or "") == {"*"}:
        raise ValueError(f"the password of Connection {conn_id} is what Airflow shows instead of one: enter it again")
    return {
        "host": found.host,
        "port": found.port or 5432,
        "user": found.login,
        "password": found.password,
        "dbname": found.schema or "pulse",
        **{name: value for name, value in found.extra_dejson.items() if name == "target_session_attrs"},
    }


def _require_postgres(conn_id: str, kind: str) -> None:
    if kind not in ("postgres", "postgresql"):
        raise ValueError(f"Connection {conn_id} has type {kind!r}; its type must be postgres")


@contextlib.contextmanager
def client_transaction(connection: psycopg.Connection[Any], client_id: int) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that can read and write only one client's rows. Commits at the end, rolls back on an exception.

    It sets pulse.client_id for the transaction only, so the connection carries no client over to the next one. Inside an
    open transaction it is a savepoint, and raises ValueError if that transaction works for another client.
    """
    with connection.transaction():
        current = _current_client(connection)
        if current not in (None, client_id):
            raise ValueError(f"this transaction works for client {current}, not for client {client_id}")
        connection.execute("select set_config('pulse.client_id', %s, true)", [str(int(client_id))])
        yield connection


def fetch_for_client(
    connection: psycopg.Connection[Any], client_id: int, query: QueryNoTemplate, params: Params | None = None
) -> list[tuple[Any, ...]]:
    """All rows of one query, read in a client_transaction of its own."""
    with client_transaction(connection, client_id):
        return connection.execute(query, params).fetchall()


def each_for_client(
    connection: psycopg.Connection[Any], client_id: int, query: Query, params: Params | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of one query, some thousands in memory at a time, read in a client_transaction of its own."""
    with client_transaction(connection, client_id), connection.cursor("pulse_rows") as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(query, params)


def _current_client(connection: psycopg.Connection[Any]) -> int | None:
    row = connection.execute("select nullif(current_setting('pulse.client_id', true), '')").fetchone()
    return int(row[0]) if row and row[0] is not None else None
