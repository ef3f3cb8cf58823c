"""Who is to get which report now, in the client's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

FROM_HOUR = 6  # local time: the report is there when the working day begins
UNTIL_HOUR = 20  # signals wait for the morning
WEEK_STARTS = {"monday": 0, "saturday": 5, "sunday": 6}  # as date.weekday() counts

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Due:
    """One person's report. `period_start`: the first day of the week or month, on which it became due; of signals, today."""

    user_id: int
    email: str
    name: str
    report: str
    period_start: date
    language: str


def period_start(report: str, now: datetime, week_start: str) -> date | None:
    """The day on which the report of now's week or month became due, now being local time; None before its hour.

    `week_start`: the client's setting `dora.week_start`.
    """
    today = now.date()
    days = (today.weekday() - WEEK_STARTS[week_start]) % 7
    first = today - timedelta(days=days) if report == "weekly" else today.replace(day=1)
    return first if now.replace(tzinfo=None) >= datetime.combine(first, time(FROM_HOUR)) else None


def due(connection: Connection, client_id: int, now: datetime) -> list[Due]:
    """Whoever is to get a report and has neither got it nor stopped it, as pulse_admin.

    When a week begins on another day from now on, nobody gets two reports in less than seven days.
    """
    local, week_start = _local(connection, client_id, now)
    found: list[Due] = []
    for report in ("weekly", "monthly"):
        start = period_start(report, local, week_start)
        if start is None:
            continue
        rows = connection.execute(
            "select u.id, u.email, u.full_name, coalesce(u.language, c.language) from core.users u"
            " join core.clients c on c.id = u.client_id"
            " where u.client_id = %(client)s and u.active and %(report)s = any (u.reports)"
            " and not exists (select from core.reports_stopped s"
            "                 where (s.client_id, s.user_id, s.report) = (u.client_id, u.id, %(report)s))"
            " and not exists (select from core.reports_sent t where (t.client_id, t.user_id, t.report)"
            "                 = (u.client_id, u.id, %(report)s) and t.period_start > %(start)s - 7) order by u.id",
            {"client": client_id, "report": report, "start": start},
        ).fetchall()
        found += [Due(user_id, email, name, report, start, language) for user_id, email, name, language in rows]
    return found


def awaiting_signals(connection: Connection, client_id: int, now: datetime) -> list[Due]:
    """Whoever wants to hear of signals and has not stopped that, as pulse_admin; nobody in the quiet hours."""
    local, _ = _local(connection, client_id, now)
    if not FROM_HOUR <= local.hour < UNTIL_HOUR:
        return []
    rows = connection.execute(
        "select u.id, u.email, u.full_name, coalesce(u.language, c.language) from core.users u"
        " join core.clients c on c.id = u.client_id where u.client_id = %s and u.active and 'signals' = any (u.reports)"
        " and not exists (select from core.reports_stopped s"
        "                 where (s.client_id, s.user_id, s.report) = (u.client_id, u.id, 'signals')) order by u.id",
        [client_id],
    ).fetchall()
    return [Due(user_id, email, name, "signals", local.date(), language) for user_id, email, name, language in rows]


def _local(connection: Connection, client_id: int, now: datetime) -> tuple[datetime, str]:
    """Now in the client's zone, and the day that its weeks begin on."""
    row = connection.execute(
        "select c.time_zone, coalesce(s.setting_value #>> '{}', 'monday') from core.clients c"
        " left join core.system_settings s on (s.client_id, s.setting_key) = (c.id, 'dora.week_start') where c.id = %s",
        [client_id],
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no client {client_id}")
    return now.astimezone(ZoneInfo(row[0])), row[1]
