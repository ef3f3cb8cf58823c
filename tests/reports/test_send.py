"""Reports reach whom the Variable names, once: through a real mail server, which also refuses and hangs up."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

from pulse.reports import mail
from pulse.reports.due import period_start
from pulse.reports.send import NotSent, send_due
from tests.support.database import TestDatabase
from tests.support.servers import free_port

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)  # also the first day of a month
CONTENT = mail.Content(
    "Acme: nothing moved", "<p>%STOP-LINK%</p>", "Stop: %STOP-LINK%", b"%PDF-1.7 report", "brief-acme.pdf"
)


class Mailbox:
    """What the server took. It refuses who is in `refused`, and hangs up on a message for who is in `lost`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.refused: set[str] = set()
        self.lost: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refused:
            return "450 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        (address,) = envelope.rcpt_tos
        if address in self.lost:
            server.transport.abort()
        content = envelope.content
        assert isinstance(content, bytes)
        made = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.taken.append((address, made))
        return "250 OK"

    def addresses(self) -> list[str]:
        return [address for address, _ in self.taken]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    for name, value in {
        "PULSE_SMTP_HOST": "127.0.0.1",
        "PULSE_SMTP_PORT": str(server.port),
        "PULSE_SMTP_SECURITY": "none",
        "PULSE_SMTP_FROM": "Pulse <pulse@pulse.example>",
        "PULSE_SUPERSET_PUBLIC_URL": "https://pulse.example",
    }.items():
        monkeypatch.setenv(name, value)
    yield box
    server.stop()


def add_user(db: TestDatabase, client_id: int, name: str, *reports: str, active: bool = True) -> str:
    address = f"{name}@example.com"
    with db.connect("pulse_admin") as admin:
        admin.execute(
            "insert into core.users (client_id, email, full_name, password_hash, role, reports, active)"
            " values (%s, %s, %s, 'x', 'executive', %s, %s)",
            [client_id, address, name.title(), list(reports), active],
        )
    return address


def send(db: TestDatabase, client_id: int, now: datetime = MONDAY) -> int:
    with db.connect("pulse_etl", autocommit=True) as etl:
        return send_due(etl, client_id, "acme", now, lambda: CONTENT)


def sent(db: TestDatabase) -> list[tuple[Any, ...]]:
    with db.cluster.primary.connect(database=db.name) as superuser:
        return superuser.execute(
            "select u.email, s.report, s.period_start, s.sent_at is not null from core.reports_sent s"
            " join core.users u on u.id = s.user_id order by 1, 2"
        ).fetchall()


def test_each_person_gets_each_report_once(db: TestDatabase, mailbox: Mailbox) -> None:
    acme, rival = db.add_client("acme"), db.add_client("rival")
    both = add_user(db, acme, "both", "weekly", "monthly")
    add_user(db, acme, "none")
    add_user(db, acme, "left", "weekly", active=False)
    add_user(db, rival, "stranger", "weekly")
    assert send(db, acme) == 2
    assert send(db, acme) == 0, "not twice"
    assert mailbox.addresses() == [both, both]
    assert sent(db) == [(both, report, MONDAY.date(), True) for report in ("monthly", "weekly")]
    assert send(db, acme, datetime(2026, 6, 8, 9, tzinfo=UTC)) == 1, "the next week's"

    made = mailbox.taken[0][1]
    assert made["From"] == "Pulse <pulse@pulse.example>"
    assert made["To"] == f"Both <{both}>"
    assert made["Subject"] == CONTENT.subject
    assert made["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = made["List-Unsubscribe"][1:-1]
    assert re.fullmatch(r"https://pulse\.example/pulse/brief/stop/[\w-]{40,}", link)
    html, text = made.get_body(("html",)), made.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert link in html.get_content()
    assert link in text.get_content()
    (pdf,) = made.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content_type()) == ("brief-acme.pdf", "application/pdf")
    assert pdf.get_content() == CONTENT.pdf
    links = [message["List-Unsubscribe"] for _, message in mailbox.taken]
    assert len(set(links)) == 3, "a token of its own in each message"


def test_what_is_refused_is_sent_later_and_nothing_else_again(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    first, second = add_user(db, acme, "first", "weekly"), add_user(db, acme, "second", "weekly")
    mailbox.refused.add(first)
    with pytest.raises(NotSent, match=r"client acme: 1 of 2 reports were sent.\n.*450"):
        send(db, acme)
    assert sent(db) == [(second, "weekly", MONDAY.date(), True)]
    mailbox.refused.clear()
    assert send(db, acme) == 1
    assert mailbox.addresses() == [second, first]


def test_what_may_have_been_sent_is_not_sent_again(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    lost, later = add_user(db, acme, "lost", "weekly"), add_user(db, acme, "later", "weekly")
    mailbox.lost.add(lost)
    with pytest.raises(NotSent, match=r"It may have been sent.*look for <.*@pulse\.example>"):
        send(db, acme)
    assert sent(db) == [(lost, "weekly", MONDAY.date(), False)]
    assert send(db, acme) == 1, "the other person's"
    assert mailbox.addresses() == [lost, later]


def test_a_server_that_is_away_or_not_set_is_named(
    db: TestDatabase, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = db.add_client("acme")
    add_user(db, acme, "boss", "monthly")
    monkeypatch.setenv("PULSE_SMTP_PORT", str(free_port()))
    with pytest.raises(NotSent, match="cannot be used"):
        send(db, acme)
    monkeypatch.delenv("PULSE_SMTP_HOST")
    with pytest.raises(NotSent, match="set PULSE_SMTP_HOST"):
        send(db, acme)
    assert not sent(db)


def test_the_link_stops_one_report_of_one_person(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    add_user(db, acme, "both", "weekly", "monthly")
    other = add_user(db, acme, "other", "weekly")
    send(db, acme)
    token = mailbox.taken[0][1]["List-Unsubscribe"][1:-1].rpartition("/")[2]
    stop = "select core.stop_report(%s)"
    with db.connect("pulse_auth", autocommit=True) as auth:
        for _ in range(2):
            hashed = hashlib.sha256(token.encode()).hexdigest()
            assert auth.execute(stop, [hashed]).fetchone() == ("weekly",)
        assert auth.execute(stop, ["0" * 64]).fetchone() == (None,)
        for table in ("core.reports_sent", "core.reports_stopped"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                auth.execute(f"select * from {table}")  # type: ignore[arg-type]
    mailbox.taken.clear()
    assert send(db, acme, datetime(2026, 6, 8, 9, tzinfo=UTC)) == 1
    assert mailbox.addresses() == [other]
    assert send(db, acme, datetime(2026, 7, 1, 9, tzinfo=UTC)) == 2, "the monthly one goes on"


@pytest.mark.parametrize(
    ("report", "now", "due"),
    [
        ("weekly", datetime(2026, 6, 1, 5, 59), None),
        ("weekly", datetime(2026, 6, 1, 6, 0), date(2026, 6, 1)),
        ("weekly", datetime(2026, 6, 7, 23, 0), date(2026, 6, 1)),
        ("monthly", datetime(2026, 7, 1, 5, 0), None),
        ("monthly", datetime(2026, 7, 31, 5, 0), date(2026, 7, 1)),
    ],
)
def test_reports_are_due_when_the_working_day_begins(report: str, now: datetime, due: date | None) -> None:
    assert period_start(report, now) == due
