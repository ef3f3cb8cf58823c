"""How far a run is, written while it is at work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from pulse.warehouse.connect import client_transaction

EVERY_SECONDS = 1.0


class Progress:
    """Writes a run's counts to its row of core.etl_runs, once a second at most.

    It has a connection of its own, because the run may be inside a transaction; a run that ends within a second opens none.
    What cannot be written is left out: no run fails for it.
    """

    def __init__(self, conn: psycopg.Connection[Any], client_id: int, run_id: int) -> None:
        self._login = {"conninfo": conn.info.dsn, "password": conn.info.password}
        self._client_id = client_id
        self._run_id = run_id
        self._own = contextlib.ExitStack()
        self._conn: psycopg.Connection[Any] | None = None
        self._due = time.monotonic() + EVERY_SECONDS

    def write(self, counts: dict[str, int]) -> None:
        """Write columns of core.etl_runs, if the last time is a second ago."""
        if time.monotonic() < self._due:
            return
        with contextlib.suppress(psycopg.Error):
            if self._conn is None or self._conn.closed:
                self._conn = self._own.enter_context(
                    contextlib.closing(psycopg.connect(**self._login, connect_timeout=5))  # type: ignore[arg-type]
                )
            columns = ", ".join(f"{name} = %({name})s" for name in counts)
            with client_transaction(self._conn, self._client_id):
                self._conn.execute(
                    f"update core.etl_runs set {columns} where client_id = %(client)s and id = %(run)s".encode(),
                    {**counts, "client": self._client_id, "run": self._run_id},
                )
        self._due = time.monotonic() + EVERY_SECONDS

    @contextlib.contextmanager
    def open(self) -> Iterator[Progress]:
        """Close its connection at the end."""
        with self._own:
            yield self
