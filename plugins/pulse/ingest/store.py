"""The app's work in the database, as pulse_ingest: it can touch only the integration whose key the transaction shows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from pulse.clients.served import Served
from pulse.ingest.records import Taken
from pulse.warehouse.connect import connect
from pulse.warehouse.loader import load_pages

Connection = psycopg.Connection[Any]
T = TypeVar("T")

CONNECTION = "pulse_ingest"
DELIVERIES_KEPT = "30 days"


class UnknownKey(Exception):
    """The key is unknown or revoked, or its client or integration is not active."""


class Unavailable(Exception):
    """The database does not answer; nothing was taken."""


@dataclass(frozen=True)
class Sender:
    """The integration that a key belongs to."""

    client_id: int
    integration_id: int
    slug: str
    integration_type: str
    name: str
    config: dict[str, Any]


class Store:
    """One connection for each thread that works. What a method did is committed when it returns."""

    def __init__(self) -> None:
        self._here = threading.local()

    def sender(self, key_hash: str) -> Sender:
        """Who a key belongs to. Raises UnknownKey, Unavailable."""
        return self._work(lambda conn: _sender(conn, key_hash))

    def nonces(self, slug: str, integration_type: str, name: str) -> list[str]:
        """What the secrets of an integration's webhook are derived from. Raises Unavailable."""
        query = "select * from core.webhook_nonces(%s, %s, %s)"
        return self._work(
            lambda conn: [row[0] for row in conn.execute(query, [slug, integration_type, name]).fetchall()]
        )

    def keep(self, key_hash: str, taken: Taken) -> bool:
        """Store what was pushed. Returns whether the client wishes for a run. Raises UnknownKey, Unavailable."""

        def work(conn: Connection) -> bool:
            sender = _sender(conn, key_hash)
            load_pages(conn, sender.client_id, sender.integration_id, [taken.page])
            row = conn.execute(
                "select setting_value = 'true'::jsonb from core.system_settings"
                " where client_id = %s and setting_key = 'ingest.triggers_run'",
                [sender.client_id],
            ).fetchone()
            wishes = bool(row and row[0] and taken.page.rows)
            if wishes:
                _wish_for_a_run(conn, sender)
            return wishes

        return self._work(work)

    def mark(self, key_hash: str, delivery: list[str], moves: list[tuple[str, str]]) -> bool:
        """Mark (scope, stream) as moved, and wish for a run. Returns False, and does nothing, if the delivery, by one of its
        names, was taken before. Raises UnknownKey, Unavailable."""

        def work(conn: Connection) -> bool:
            sender = _sender(conn, key_hash)
            keys = [sender.client_id, sender.integration_id]
            conn.execute(
                "delete from core.ingest_deliveries where (client_id, integration_id) = (%s, %s)"
                " and received_at < now() - %s::interval",
                [*keys, DELIVERIES_KEPT],
            )
            for name in delivery:
                done = conn.execute(
                    "insert into core.ingest_deliveries (client_id, integration_id, delivery) values (%s, %s, %s)"
                    " on conflict do nothing",
                    [*keys, name],
                )
                if done.rowcount == 0:
                    raise _Replay
            for scope, stream in sorted(set(moves)):
                conn.execute(
                    "insert into core.ingest_moves (client_id, integration_id, scope_key, stream) values (%s, %s, %s, %s)"
                    " on conflict (client_id, integration_id, scope_key, stream) do update set moved_at = now()",
                    [*keys, scope, stream],
                )
            if moves:
                _wish_for_a_run(conn, sender)
            return True

        try:
            return self._work(work)
        except _Replay:
            return False

    def claim_runs(self) -> list[tuple[str, int]]:
        """The clients that this Airflow serves whose run should start now, with the count of their wishes; each is given away
        once a minute."""
        served = Served.here()
        names = [list(served.named), list(served.left_out)]
        return self._work(
            lambda conn: conn.execute("select slug, wished from core.claim_runs(%s, %s)", names).fetchall()
        )

    def run_started(self, slug: str, wished: int) -> None:
        """Note that a run begins after this many wishes."""
        self._work(lambda conn: conn.execute("select core.run_started(%s, %s)", [slug, wished]).rowcount)

    def _work(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction; once more on a new connection, if the server was restarted or two waited for each
        other. Every work may be repeated."""
        for attempt in (1, 2):
            try:
                with self._connection().transaction():
                    return work(self._connection())
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                if attempt == 2:
                    raise Unavailable(f"the clients' database does not answer: {error}") from error
        raise AssertionError("unreachable")

    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._here, "connection", None)
        if found is None or found.closed:
            try:
                found = self._here.connection = connect(CONNECTION, autocommit=True, connect_timeout=5)
            except psycopg.OperationalError:
                raise
            except Exception as error:  # whatever Airflow, or its secrets backend, says about the Connection
                raise Unavailable(f"there is no Connection {CONNECTION} that can be used: {error}") from error
        return found

    def close(self) -> None:
        """Close this thread's connection."""
        found: Connection | None = getattr(self._here, "connection", None)
        if found is not None:
            found.close()


class _Replay(Exception):
    pass


def _sender(conn: Connection, key_hash: str) -> Sender:
    """Show the key to this transaction, and read whose it is."""
    conn.execute("select set_config('pulse.ingest_key', %s, true)", [key_hash])
    row = conn.execute("select * from core.ingest_source()").fetchone()
    if row is None:
        raise UnknownKey
    return Sender(*row)


def _wish_for_a_run(conn: Connection, sender: Sender) -> None:
    conn.execute(
        "insert into core.ingest_runs as t (client_id) values (%s) on conflict (client_id) do update set wished = t.wished + 1",
        [sender.client_id],
    )
