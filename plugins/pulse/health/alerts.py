"""One message per cause to the data team: when it begins, and when it is over. Nothing when all is well.

What a client's state is, `pulse.health.state` says. A message is noted as told only after the mail server has taken it, so a
message that is lost is sent again by the next run.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.message import EmailMessage
from itertools import groupby
from typing import Any

import psycopg

from pulse import environ
from pulse.health.state import Health
from pulse.reports import mail

TOLD = ("faulty", "failing", "late", "check")  # what needs somebody; the rest is on the page Clients
NAMED = 10  # clients of a kind that a message names

Connection = psycopg.Connection[Any]


def note(connection: Connection, found: Iterable[Health]) -> None:
    """Write down what has begun and what is over, as pulse_admin."""
    problems = {(h.client_id, h.kind): h.cause for h in found if h.state in TOLD and h.client_id}
    with connection.transaction():
        known = {
            (client, kind): number
            for number, client, kind in connection.execute(
                "select id, client_id, kind from core.alerts where over_at is null for update"
            ).fetchall()
        }
        for (client, kind), cause in problems.items():
            if (client, kind) not in known:
                connection.execute(
                    "insert into core.alerts (client_id, kind, cause) values (%s, %s, %s)", [client, kind, cause]
                )
        over = [number for key, number in known.items() if key not in problems]
        connection.execute("update core.alerts set over_at = now() where id = any (%s)", [over])


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
        connection.execute("update core.alerts set told_at = now() where id = any (%s)", [[row[0] for row in begun]])
        connection.execute(
            "update core.alerts set over_told_at = now() where id = any (%s)", [[row[0] for row in over]]
        )
    return len(begun) + len(over)


def _untold(connection: Connection, condition: str, order: str) -> list[tuple[Any, ...]]:
    with connection.transaction():
        return connection.execute(
            "select a.id, c.slug, a.kind, a.cause, a.begun_at from core.alerts a join core.clients c on c.id = a.client_id"
            f" where {condition} order by a.kind, a.{order}, c.slug".encode()
        ).fetchall()


def _message(begun: list[tuple[Any, ...]], over: list[tuple[Any, ...]]) -> EmailMessage:
    parts = [*_paragraphs("", begun), *_paragraphs("Over: ", over)]
    subject = " ".join(f"Pulse: {parts[0].splitlines()[0]}".split())[:150]
    text = "\n\n".join(parts) + "\n\nThe page Clients in Airflow has every client.\n"
    return mail.notice(environ.ALERTS_TO.get(), subject, text)


def _paragraphs(head: str, rows: list[tuple[Any, ...]]) -> Iterable[str]:
    """One for each kind: how many clients, the cause and what to do, and who they are."""
    for kind, group in groupby(rows, key=lambda row: row[2]):
        same = list(group)
        slugs = [row[1] for row in same]
        who = f"client {slugs[0]}" if len(same) == 1 else f"{len(same)} clients"
        named = ", ".join(slugs[:NAMED]) + (f" and {len(slugs) - NAMED} more" if len(slugs) > NAMED else "")
        state = kind.partition(":")[0]
        lines = [f"{head}{who} {state}", same[0][3]]
        lines += [f"More: docs/runbook.md#{state}"] if not head else []
        lines += [f"Clients: {named}"] if len(same) > 1 else []
        yield "\n".join([*lines, f"Since {min(row[4] for row in same):%Y-%m-%d %H:%M} UTC"])
