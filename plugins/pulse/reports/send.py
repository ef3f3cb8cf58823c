"""Sends a client's reports: each at most once, whatever fails in between.

A message cannot be sent and noted in one step. So its row in core.reports_sent is committed first, and deleted only when the
mail server says that it has not taken the message. When nobody can know, because the connection broke or the process died, the
row stays and the message is not sent again: the run is red and says what to look for.
"""

from __future__ import annotations

import hashlib
import secrets
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from textwrap import shorten
from typing import Any

import psycopg

from pulse import environ
from pulse.errors import ReportsMaybeSent, ReportsNotSent
from pulse.reports import mail
from pulse.reports.due import Due, awaiting_signals, due
from pulse.superset.api import SupersetApi

STOP_LINK = "%STOP-LINK%"  # as in pulse_superset.brief.mail
STOP_PATH = "/pulse/brief/stop/"
PAPER = "a4"

# Of this run: the next one is an hour later.
_UNCLEAR = (
    "select report, user_id, message_id from core.reports_sent"
    " where client_id = %s and sent_at is null and begun_at > now() - interval '55 minutes' order by begun_at"
)

Connection = psycopg.Connection[Any]


@dataclass
class Outcome:
    """What became of the reports of a client."""

    sent: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Letter:
    """What one person gets, and the events that it tells of."""

    person: Due
    content: mail.Content
    events: tuple[mail.Event, ...] = ()

    def keys(self, client_id: int) -> list[tuple[Any, ...]]:
        """The rows of core.reports_sent that note it."""
        told = [(event.day, event.about) for event in self.events] or [(self.person.period_start, "")]
        return [(client_id, self.person.user_id, self.person.report, day, about) for day, about in told]


def brief_of(
    api: SupersetApi, slug: str, language: str, paper: str = PAPER, *, scheduled: bool = False
) -> mail.Content | None:
    """The client's brief in a language, as Superset draws it with the client's login; None as long as no number is published.

    A scheduled one says how it is stopped; STOP_LINK is where the link goes.

    It is fetched over HTTP because only Superset's process has the passwords of clients' logins and reads the replica as them.
    """
    body = api.page("pulse/brief/mail/", client=slug, language=language, scheduled=str(int(scheduled))).json()
    if not body["has_numbers"]:
        return None
    pdf = api.page("pulse/brief.pdf", client=slug, language=language, paper=paper).content
    events = tuple(mail.Event(date.fromisoformat(day), about, text) for day, about, text in body["events"])
    return mail.Content(body["subject"], body["html"], body["text"], pdf, body["file_name"], events)


def send_due(
    connection: Connection, client_id: int, slug: str, now: datetime, brief: Callable[[str], mail.Content | None]
) -> int:
    """Send what is due, as pulse_admin; the number of messages. `brief` is asked once for each language of those who are due.

    Raises ReportsNotSent after everybody was tried, and ReportsMaybeSent as long as a message of this hour is in doubt.
    """
    people, listeners = due(connection, client_id, now), awaiting_signals(connection, client_id, now)
    briefs = {language: brief(language) for language in sorted({person.language for person in [*people, *listeners]})}
    letters = [Letter(person, content) for person in people if (content := briefs[person.language])]
    letters += _of_signals(connection, client_id, listeners, briefs)
    outcome = Outcome()
    try:
        if letters:
            with mail.server() as server:
                for letter in letters:
                    _send_one(connection, server, client_id, letter, outcome)
    except (mail.NoMailServer, mail.Refused, mail.Unsure) as error:
        outcome.wrong.append(str(error))
    unclear = connection.execute(_UNCLEAR, [client_id]).fetchall()
    if unclear or outcome.wrong:
        told = f"client {slug}: {outcome.sent} of {len(letters) or len(people)} reports were sent.\n" + "\n".join(
            outcome.wrong
        )
        raise (ReportsMaybeSent if unclear else ReportsNotSent)(told + "".join(map(_maybe, unclear)))
    return outcome.sent


def _maybe(row: tuple[Any, ...]) -> str:
    return (
        f"\n{row[0]} report for user {row[1]}: it may have been sent, so it is not sent again. Look for {row[2]} in the mail"
        " server's log. To send it again, delete its row in core.reports_sent."
    )


def _of_signals(
    connection: Connection, client_id: int, listeners: list[Due], briefs: dict[str, mail.Content | None]
) -> list[Letter]:
    """A letter for everybody who has not heard of an event yet: the brief, with these events as its subject."""
    told = set(
        connection.execute(
            "select user_id, period_start, about from core.reports_sent where client_id = %s and report = 'signals'",
            [client_id],
        ).fetchall()
    )
    letters = []
    for person in listeners:
        content = briefs[person.language]
        if content is None:
            continue
        new = tuple(event for event in content.events if (person.user_id, event.day, event.about) not in told)
        if new:
            subject = f"{content.subject.partition(':')[0]}: {' '.join(event.sentence for event in new)}"
            letters.append(Letter(person, replace(content, subject=shorten(subject, 150, placeholder=" …")), new))
    return letters


def _send_one(connection: Connection, server: smtplib.SMTP, client_id: int, letter: Letter, outcome: Outcome) -> None:
    person, content = letter.person, letter.content
    token, message_id = secrets.token_urlsafe(32), mail.new_message_id()
    keys = letter.keys(client_id)
    link = environ.SUPERSET_PUBLIC_URL.get().rstrip("/") + STOP_PATH + token
    own = replace(content, html=content.html.replace(STOP_LINK, link), text=content.text.replace(STOP_LINK, link))
    made = mail.message(own, person.email, person.name, message_id, link)
    if not _begin(connection, keys, message_id, token):
        return  # another run has it
    try:
        mail.send(server, made)
    except mail.Refused as error:
        _note(connection, keys, "delete from core.reports_sent")
        outcome.wrong.append(f"{person.report} report for user {person.user_id}: {error}. It will be tried again.")
    else:
        _note(connection, keys, "update core.reports_sent set sent_at = now()")
        outcome.sent += 1


def _begin(connection: Connection, keys: list[tuple[Any, ...]], message_id: str, token: str) -> bool:
    """Write the rows of a message that is about to be sent; False if there are some already."""
    hashed = hashlib.sha256(token.encode()).hexdigest()
    with connection.transaction():
        written = [
            connection.execute(
                "insert into core.reports_sent"
                " (client_id, user_id, report, period_start, about, message_id, unsubscribe_hash)"
                " values (%s, %s, %s, %s, %s, %s, %s)"
                " on conflict (client_id, user_id, report, period_start, about) do nothing",
                [*key, message_id, hashed],
            ).rowcount
            for key in keys
        ]
        return any(written)


def _note(connection: Connection, keys: list[tuple[Any, ...]], statement: str) -> None:
    where = "where (client_id, user_id, report, period_start, about) = (%s, %s, %s, %s, %s)"
    with connection.transaction():
        for key in keys:
            connection.execute(f"{statement} {where}".encode(), key)
