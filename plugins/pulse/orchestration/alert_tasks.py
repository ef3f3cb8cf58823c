"""What the task of the DAG watch_clients does."""

from __future__ import annotations

import logging
from contextlib import closing

import requests
from airflow.sdk.exceptions import AirflowSkipException

from pulse import environ
from pulse.health import alerts, backups, state
from pulse.reports import mail
from pulse.warehouse.connect import connect

TIMEOUT_SECONDS = 10

log = logging.getLogger(__name__)


def tell_of_clients() -> int:
    """Record the problems of clients and backups, and send mail about them; how many problems the mails were about.

    Skips the run if nobody is to hear of it.

    Then, and only if all of that worked, says that Pulse is alive.
    """
    has_readers, alive = bool(environ.ALERTS_TO.get()) and mail.is_set(), environ.ALIVE_URL.get()
    if not has_readers and not alive:
        raise AirflowSkipException(
            f"nobody is told: set {environ.ALERTS_TO.name} and {environ.SMTP_HOST.name} for mails, or {environ.ALIVE_URL.name},"
            " and start Pulse again"
        )
    with closing(connect("pulse_admin", autocommit=True)) as conn:
        conn.execute("select pg_advisory_lock(hashtext('pulse.alerts'))")  # where several Airflows share the clients
        alerts.note(conn, state.read(), backups.problems())
        told = alerts.tell(conn) if has_readers else 0
    if alive:
        _say_alive(alive)
    return told


def _say_alive(address: str) -> None:
    """Whoever waits for this tells when it stays away, so a failure here needs no alarm of its own."""
    try:
        requests.get(address, timeout=TIMEOUT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        log.warning("%s does not take the sign of life: %s", environ.ALIVE_URL.name, type(error).__name__)
