"""A link is valid once and for 48 hours. Only its token's hash is stored, and only while it is open.

It is asked for in the tables (by sync_clients, by the page People, by "Forgot password?") and made here, when its mail goes out:
Superset's process can ask for a link, and never sees one. A newer link takes the older one's place.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from functools import partial
from typing import Any

import psycopg

from pulse import environ, languages
from pulse.addresses import is_address
from pulse.reports import mail

HOURS = 48
PATH = "/pulse/password/"
TRY_AGAIN = "5 minutes"
# Whoever forgets again and again waits twice as long each time: 5 minutes, then 10, … about 5 hours.
_WAIT = "interval '5 minutes' * power(2, least(l.asks - 1, 6))"
NO_SERVER = "no mail server is set"

Connection = psycopg.Connection[Any]
log = logging.getLogger(__name__)


class NoSuchPerson(ValueError):
    """A link cannot be made; the text says why, and what to do."""


def ask(connection: Connection, client_id: int, email: str, name: str, kind: str, asked_by: str) -> int:
    """Have a link sent, as pulse_admin; the rows written. It is mailed within seconds, or stays until there is a mail server."""
    return connection.execute(
        "insert into core.password_links as l (client_id, email, full_name, kind, asked_by, send_at)"
        " values (%s, %s, %s, %s, %s, now()) on conflict (client_id, email) do update set full_name = excluded.full_name,"
        " kind = excluded.kind, asked_by = excluded.asked_by, asked_at = now(), send_at = now(), problem = '',"
        # Whoever has let the last link lapse begins to count afresh.
        " asks = case when l.expires_at < now() then 1 else l.asks + 1 end",
        [client_id, email, name, kind, asked_by],
    ).rowcount


def make(connection: Connection, slug: str, email: str) -> str:
    """A link to pass on by hand, as pulse_admin; the caller commits. Raises NoSuchPerson."""
    row = connection.execute(
        "select c.id, coalesce(u.full_name, l.full_name), coalesce(l.kind, case u.password_hash when '' then 'declared'"
        " else 'reset' end) from core.clients c"
        " left join core.users u on u.client_id = c.id and u.email = %(email)s and u.active"
        " left join core.password_links l on l.client_id = c.id and l.email = %(email)s"
        " where c.slug = %(slug)s and c.active and (u.id is not null or l.kind = 'invited')",
        {"slug": slug, "email": email.lower()},
    ).fetchone()
    if row is None:
        raise NoSuchPerson(
            f"client {slug} is not active or has no person {email}: declare the person in the Variable pulse_client_{slug}"
            " (users[].email), and trigger sync_clients"
        )
    token = secrets.token_urlsafe(32)
    connection.execute(
        "insert into core.password_links as l"
        " (client_id, email, full_name, kind, asked_by, sent_at, token_hash, expires_at)"
        " values (%s, %s, %s, %s, 'by hand', now(), %s, now() + make_interval(hours => %s))"
        " on conflict (client_id, email) do update set send_at = null, sent_at = excluded.sent_at, problem = '',"
        " token_hash = excluded.token_hash, expires_at = excluded.expires_at, asked_by = excluded.asked_by",
        [row[0], email.lower(), row[1], row[2], _digest(token), HOURS],
    )
    return _address(token)


def take_requests(connection: Connection) -> int:
    """Turn what "Forgot password?" noted into links for those who exist; how many. As pulse_admin, in autocommit."""
    asked = 0
    with connection.transaction():
        for (email,) in connection.execute("delete from core.password_requests returning email").fetchall():
            row = connection.execute(
                "select u.client_id, u.email, u.full_name, coalesce(l.kind, 'reset') from core.users u"
                " join core.clients c on c.id = u.client_id and c.active"
                " left join core.password_links l on (l.client_id, l.email) = (u.client_id, u.email)"
                f" where u.email = %s and u.active and (l.asked_at is null or l.asked_at < now() - {_WAIT})",
                [email],
            ).fetchone()
            if row is not None and is_address(email):
                client_id, address, name, kind = row
                asked += ask(connection, client_id, address, name, kind, "the person")
    return asked


def send_due(connection: Connection) -> int:
    """Send the mails that are due; how many. As pulse_admin, in autocommit. What went wrong is noted with the person.

    Several processes may do this at once. A link is written down before its mail goes out: if nobody can know whether the mail
    was taken, it is not sent again before somebody asks for it.
    """
    if not mail.is_set():
        connection.execute(
            "update core.password_links set problem = %(why)s where send_at <= now() and problem <> %(why)s",
            {"why": NO_SERVER},
        )
        return 0
    sent = 0
    while (due := _claim(connection)) is not None:
        sent += _send(connection, *due)
    return sent


def unsent(connection: Connection, client_id: int) -> list[tuple[str, str]]:
    """The people of a client whose mail has not gone out or may be lost: address, and why."""
    return connection.execute(
        "select email, problem from core.password_links where client_id = %s and problem <> '' order by email",
        [client_id],
    ).fetchall()


def forget_old(connection: Connection) -> int:
    """Delete links that nobody has used for a month, and say how many."""
    return connection.execute(
        "delete from core.password_links where send_at is null and expires_at < now() - interval '30 days'"
    ).rowcount


def _claim(connection: Connection) -> tuple[int, str, str, str, str, str, str] | None:
    """The next person whose mail is due, with a new token."""
    token = secrets.token_urlsafe(32)
    row = connection.execute(
        "update core.password_links l set token_hash = %s, sent_at = now(), send_at = null, problem = '',"
        " expires_at = now() + make_interval(hours => %s) from core.clients c where c.id = l.client_id and c.active"
        " and (l.client_id, l.email) = (select d.client_id, d.email from core.password_links d join core.clients e"
        " on e.id = d.client_id and e.active where d.send_at <= now() order by d.send_at limit 1 for update of d skip locked)"
        " returning l.client_id, l.email, l.full_name, l.kind, c.name, coalesce((select u.language from core.users u"
        " where (u.client_id, u.email) = (l.client_id, l.email)), c.language)",
        [_digest(token), HOURS],
    ).fetchone()
    return None if row is None else (*row, token)


def _send(
    connection: Connection,
    client_id: int,
    email: str,
    name: str,
    kind: str,
    client_name: str,
    language: str,
    token: str,
) -> int:
    problem, again = "", False
    try:
        made = mail.note(email, name, *_text(language, kind, client_name, _address(token)))
        with mail.server() as server:
            mail.send(server, made)
    except (mail.NoMailServer, mail.Refused) as error:
        problem, again = str(error), True
    except mail.Unsure as error:
        problem = f"{error}: it may not have arrived"
    if not problem:
        return 1
    log.warning("client %s: the mail with a link was not sent: %s", client_id, problem)
    connection.execute(
        f"update core.password_links set problem = %s, send_at = case when %s then now() + interval '{TRY_AGAIN}' end"
        " where client_id = %s and email = %s and token_hash = %s".encode(),
        [problem[:500], again, client_id, email, _digest(token)],
    )
    return 0


def _text(language: str, kind: str, client: str, link: str) -> tuple[str, str]:
    """Subject and text of the mail."""
    say = partial(languages.say, language)
    once = say("The link works once, and for {hours} hours.", hours=HOURS)
    if kind == "reset":
        subject = say("Set a new password")
        begin = say(
            "Somebody, probably you, has asked for a new password for Pulse, where you see the numbers of {client}.",
            client=client,
        )
        end = say("If it was not you, nothing needs to be done: your password stays as it is.")
    else:
        subject = say("Your login to Pulse for {client}", client=client)
        begin = say(
            "You are invited to Pulse, where you see how {client} delivers software. Set your password here:",
            client=client,
        )
        end = say("Ask whoever invited you for another one when it is too late.")
    return subject, f"{begin}\n\n{link}\n\n{once} {end}\n"


def _address(token: str) -> str:
    return environ.SUPERSET_PUBLIC_URL.get().rstrip("/") + PATH + token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
