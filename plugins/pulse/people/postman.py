"""Sends the mails with links within seconds: a thread of Airflow's API server, which has the mail server's settings.

A task would need a minute's schedule, and Superset's process must not have the mail server's password.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import psycopg

from pulse.people import links
from pulse.warehouse.connect import connect

EVERY_SECONDS = 5.0
AFTER_FAILURE_SECONDS = 30.0

log = logging.getLogger(__name__)


class Postman:
    """The thread. It keeps one connection."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse-postman", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(connect("pulse_admin", autocommit=True, options="-c pulse.actor=postman")) as connection:
                    self._go_round(connection)
            except psycopg.OperationalError as error:
                log.warning("no link can be sent now: %s", error)
            except Exception:  # the next round tries again
                log.exception("links could not be sent")
            self._stopped.wait(AFTER_FAILURE_SECONDS)

    def _go_round(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopped.is_set():
            links.take_requests(connection)
            links.send_due(connection)
            self._stopped.wait(EVERY_SECONDS)


@asynccontextmanager
async def working(_: object) -> AsyncIterator[None]:
    """The lifespan of an app of the API server: a postman works meanwhile."""
    postman = Postman()
    postman.begin()
    yield
    postman.end()
