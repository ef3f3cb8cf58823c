"""One message per cause to the data team: when it begins, and when it is over. Nothing when all is well.

What a client's state is, `pulse.health.state` says. A message is noted as told only after the mail server has taken it, so a
message that is lost is sent again by the next run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from email.message import EmailMessage
from itertools import groupby
from typing import Any

import psycopg

from pulse import environ
from pulse.health.backups import Problem
from pulse.health.state import Health
from pulse.reports import mail

TOLD = ("faulty", "failing", "late", "check")  # what needs somebody; the rest is on the page Clients
ALL = "core.installation_alerts"
NAMED = 10  # clients of a kind that a message names
UNBORN = (
    "faulty: "  # begins the kind of a problem of the installation: a client that has no row yet, whose slug follows
)

Connection = psycopg.Connection[Any]


def note(connection: Connection, found: Collection[Health], installation: Iterable[Problem] = ()) -> None:
    """Write down what has begun and what is over, as pulse_admin: problems of clients, and of the installation."""
    clients: dict[tuple[int | str, ...], str] = {
        (h.client_id, h.kind): h.cause for h in found if h.state in TOLD and h.client_id
    }
    of_all: dict[tuple[int | str, ...], str] = {(problem.kind,): problem.cause for problem in installation}
    of_all |= {(UNBORN + h.slug,): h.cause for h in found if h.state in TOLD and not h.client_id}
    with connection.transaction():
        _note(connection, "core.alerts", ("client_id", "kind"), clients)
        _note(connection, ALL, ("kind",), of_all)


def _note(
    connection: Connection, table: str, key: tuple[str, ...], problems: Mapping[tuple[int | str, ...], str]
) -> None:
    """Bring one table in line with the problems that there are now, by key."""
    columns = ", ".join(key)
    known = {
        tuple(values): number
        for number, *values in connection.execute(
            f"select id, {columns} from {table} where over_at is null for update".encode()
        ).fetchall()
    }
    for values, cause in problems.items():
        if values not in known:
            places = ", ".join(["%s"] * (len(key) + 1))
            insert = f"insert into {table} ({columns}, cause) values ({places})"
            connection.execute(insert.encode(), [*values, cause])
    over = [number for values, number in known.items() if values not in problems]
    connection.execute(f"update {table} set over_at = now() where id = any (%s)".encode(), [over])


def tell(connection: Connection) -> int:
    """Send what nobody was told yet, in one message; how many problems it tells of. What began and ended untold is left out.

    Raises mail.Refused, mail.Unsure and mail.NoMailServer.
    """
    begun = _untold(connection, "told_at is null and over_at is null", "begun_at")
    over = _untold(connection, "told_at is not null and over_at is not null and over_told_at is null", "over_at")
    if not begun and not over:
        return 0
    with mail.server() as server:
        mail.send(server, _message(begun, over))
    with connection.transaction():
        for rows, column in ((begun, "told_at"), (over, "over_told_at")):
            for table in ("core.alerts", ALL):
                told = [number for where, number, *_ in rows if where == table]
                connection.execute(f"update {table} set {column} = now() where id = any (%s)".encode(), [told])
    return len(begun) + len(over)


def _untold(connection: Connection, condition: str, order: str) -> list[tuple[Any, ...]]:
    """Table, number, slug (empty: of the installation), kind, cause and beginning, those of a kind together."""
    unborn = f"starts_with(a.kind, '{UNBORN}')"
    with connection.transaction():
        return connection.execute(
            "select place, id, slug, kind, cause, begun_at from ("
            f"select 'core.alerts' as place, a.id, c.slug, a.kind, a.cause, a.begun_at, a.{order} as at from core.alerts a"
            f" join core.clients c on c.id = a.client_id where {condition} union all"
            f" select '{ALL}', a.id, case when {unborn} then substr(a.kind, {len(UNBORN) + 1}) else '' end,"
            f" case when {unborn} then 'faulty' else a.kind end, a.cause, a.begun_at, a.{order} from {ALL} a"
            f" where {condition}) found order by kind, at, slug".encode()
        ).fetchall()


def _message(begun: list[tuple[Any, ...]], over: list[tuple[Any, ...]]) -> EmailMessage:
    parts = [*_paragraphs("", begun), *_paragraphs("Over: ", over)]
    subject = " ".join(f"Pulse: {parts[0].splitlines()[0]}".split())[:150]
    text = "\n\n".join(parts) + "\n\nThe page Clients in Airflow has every client.\n"
    return mail.notice(environ.ALERTS_TO.get(), subject, text)


def _paragraphs(head: str, rows: list[tuple[Any, ...]]) -> Iterable[str]:
    """One for each kind: how many clients, the cause and what to do, and who they are."""
    for kind, group in groupby(rows, key=lambda row: row[3]):
        same = list(group)
        slugs = [row[2] for row in same]
        who = f"client {slugs[0]}" if len(same) == 1 else f"{len(same)} clients"
        who = who if slugs[0] else "the installation:"
        named = ", ".join(slugs[:NAMED]) + (f" and {len(slugs) - NAMED} more" if len(slugs) > NAMED else "")
        state = kind.partition(":")[0]
        lines = [f"{head}{who} {state}", same[0][4]]
        lines += [f"More: docs/runbook.md#{state}"] if not head else []
        lines += [f"Clients: {named}"] if len(same) > 1 else []
        yield "\n".join([*lines, f"Since {min(row[5] for row in same):%Y-%m-%d %H:%M} UTC"])
