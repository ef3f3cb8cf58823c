"""What the task of the DAG watch_clients does."""

from __future__ import annotations

from contextlib import closing

from airflow.sdk.exceptions import AirflowSkipException

from pulse import environ
from pulse.health import alerts, state
from pulse.reports import mail
from pulse.warehouse.connect import connect


def tell_of_clients() -> int:
    """Note what is wrong with clients and tell of it; how many problems were told. Skips the run without an address."""
    if not environ.ALERTS_TO.get() or not mail.is_set():
        raise AirflowSkipException("nobody is told: set PULSE_ALERTS_TO and PULSE_SMTP_HOST, and start Pulse again")
    with closing(connect("pulse_admin", autocommit=True)) as conn:
        alerts.note(conn, state.read())
        return alerts.tell(conn)
