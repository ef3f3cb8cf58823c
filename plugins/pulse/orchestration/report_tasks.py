"""What the tasks of the DAG send_reports do."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from airflow.sdk.exceptions import AirflowSkipException

from pulse.clients.served import Served
from pulse.reports import mail
from pulse.reports.send import brief_of, send_due
from pulse.superset.provision import api_from_connection
from pulse.warehouse.connect import connect


def clients_with_reports() -> list[str]:
    """The slugs of the active clients that this Airflow serves and in which somebody is to get reports.

    Skips the run without a mail server or client.
    """
    with closing(connect("pulse_admin")) as conn:
        rows = conn.execute(
            "select slug from core.clients c where active and exists (select from core.users u"
            " where u.client_id = c.id and u.active and cardinality(u.reports) > 0) order by slug"
        ).fetchall()
    served = Served.here()
    slugs = [slug for (slug,) in rows if slug in served]
    if not slugs:
        raise AirflowSkipException("no client's Variable asks for a report (users[].reports)")
    if not mail.is_set():
        raise AirflowSkipException(
            f"no mail server is set, so nothing is sent to {', '.join(slugs)}: set PULSE_SMTP_HOST and"
            " PULSE_SMTP_FROM, and start Pulse again"
        )
    return slugs


def send_reports_of(slug: str) -> int:
    """Send a client's reports that are due; how many were sent."""
    with closing(connect("pulse_admin")) as conn:
        row = conn.execute("select id from core.clients where slug = %s and active", [slug]).fetchone()
    if row is None:
        raise ValueError(f"{slug!r} is not an active client")
    with closing(connect("pulse_admin", autocommit=True, options="-c pulse.actor=send_reports")) as conn:
        return send_due(
            conn,
            int(row[0]),
            slug,
            datetime.now(UTC),
            lambda language: brief_of(api_from_connection(), slug, language, scheduled=True),
        )
