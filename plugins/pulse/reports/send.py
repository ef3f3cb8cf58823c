"""Sends a client's reports: each at most once, whatever fails in between.

A message cannot be sent and noted in one step. So its row in core.reports_sent is committed first, and deleted only when the
mail server says that it has not taken the message. When nobody can know, the row stays and the message is not sent again:
the task fails once and says whom to ask.
"""

from __future__ import annotations

import hashlib
import secrets
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg

from pulse import environ
from pulse.reports import mail
from pulse.reports.due import Due, due
from pulse.superset.api import SupersetApi
from pulse.warehouse.connect import client_transaction

STOP_LINK = "%STOP-LINK%"  # as in pulse_superset.brief.mail
STOP_PATH = "/pulse/brief/stop/"
PAPER = "a4"

Connection = psycopg.Connection[Any]


class NotSent(Exception):
    """At least one report was not sent, or nobody knows whether it was. One line per person."""


@dataclass
class Outcome:
    """What became of the reports of a client."""

    sent: int = 0
    wrong: list[str] = field(default_factory=list)


def brief_of(api: SupersetApi, slug: str, paper: str = PAPER, *, scheduled: bool = False) -> mail.Content | None:
    """The client's brief as Superset draws it, as the client's database login; None as long as no number is published.

    A scheduled one says how it is stopped; STOP_LINK is where the link goes.

    It is fetched over HTTP because only Superset's process has the passwords of clients' logins and reads the replica as them.
    """
    body = api.page("pulse/brief/mail/", client=slug, scheduled=str(int(scheduled))).json()
    if not body["has_numbers"]:
        return None
    pdf = api.page("pulse/brief.pdf", client=slug, paper=paper).content
    return mail.Content(body["subject"], body["html"], body["text"], pdf, body["file_name"])


def send_due(
    connection: Connection, client_id: int, slug: str, now: datetime, brief: Callable[[], mail.Content | None]
) -> int:
    """Send what is due; the number of messages. `brief` is asked for only if somebody is due.

    Raises NotSent after everybody was tried.
    """
    people = due(connection, client_id, now)
    content = brief() if people else None
    if content is None:
        return 0
    outcome = Outcome()
    try:
        with mail.server() as server:
            for person in people:
                _send_one(connection, server, client_id, person, content, outcome)
    except (mail.NoMailServer, mail.Refused) as error:
        outcome.wrong.append(str(error))
    if outcome.wrong:
        raise NotSent(f"client {slug}: {outcome.sent} of {len(people)} reports were sent.\n" + "\n".join(outcome.wrong))
    return outcome.sent


def _send_one(
    connection: Connection, server: smtplib.SMTP, client_id: int, person: Due, content: mail.Content, outcome: Outcome
) -> None:
    token, message_id = secrets.token_urlsafe(32), mail.new_message_id()
    key = (client_id, person.user_id, person.report, person.period_start)
    if not _begin(connection, key, message_id, token):
        return  # another run has it
    link = environ.SUPERSET_PUBLIC_URL.get().rstrip("/") + STOP_PATH + token
    own = replace(content, html=content.html.replace(STOP_LINK, link), text=content.text.replace(STOP_LINK, link))
    try:
        mail.send(server, mail.message(own, person.email, person.name, message_id, link))
    except mail.Refused as error:
        _note(connection, key, "delete from core.reports_sent")
        outcome.wrong.append(f"{person.report} report for user {person.user_id}: {error}. It will be tried again.")
    except mail.Unsure as error:
        outcome.wrong.append(
            f"{person.report} report for user {person.user_id}: {error}. It may have been sent, so it will not be tried again:"
            f" look for {message_id} in the mail server's log. To send it again, delete its row in core.reports_sent."
        )
        raise mail.Refused("the rest waits for the next try") from error
    else:
        _note(connection, key, "update core.reports_sent set sent_at = now()")
        outcome.sent += 1


def _begin(connection: Connection, key: tuple[Any, ...], message_id: str, token: str) -> bool:
    """Write the row of a message that is about to be sent; False if there is one."""
    with client_transaction(connection, key[0]):
        return bool(
            connection.execute(
                "insert into core.reports_sent (client_id, user_id, report, period_start, message_id, unsubscribe_hash)"
                " values (%s, %s, %s, %s, %s, %s) on conflict (client_id, user_id, report, period_start) do nothing",
                [*key, message_id, hashlib.sha256(token.encode()).hexdigest()],
            ).rowcount
        )


def _note(connection: Connection, key: tuple[Any, ...], statement: str) -> None:
    with client_transaction(connection, key[0]):
        connection.execute(
            f"{statement} where (client_id, user_id, report, period_start) = (%s, %s, %s, %s)".encode(), key
        )
