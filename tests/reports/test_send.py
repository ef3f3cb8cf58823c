"""Reports reach whom the Variable names, once: through a real mail server, which also refuses and hangs up."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import requests
from psycopg.types.json import Json
from pypdf import PdfReader

from pulse.errors import ReportsMaybeSent, ReportsNotSent
from pulse.reports import mail
from pulse.reports.due import period_start
from pulse.reports.send import brief_of, send_due
from pulse.superset.api import SupersetApi
from stack.context import existing_stack
from tests.reports.conftest import Mailbox
from tests.support.database import TestDatabase
from tests.support.servers import free_port
from tests.support.stack import database, login_of

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)  # also the first day of a month
CONTENT = mail.Content(
    "Acme: nothing moved", "<p>%STOP-LINK%</p>", "Stop: %STOP-LINK%", b"%PDF-1.7 report", "brief-acme.pdf"
)


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
    with db.connect("pulse_admin", autocommit=True) as admin:
        return send_due(admin, client_id, "acme", now, lambda _: CONTENT)


def sent(db: TestDatabase) -> list[tuple[Any, ...]]:
    with db.cluster.primary.connect(database=db.name) as superuser:
        return superuser.execute(
            "select u.email, s.report, s.period_start, s.sent_at is not null from core.reports_sent s"
            " join core.users u on u.id = s.user_id order by 1, 2"
        ).fetchall()


def test_everybody_reads_it_in_their_language(db: TestDatabase, mailbox: Mailbox) -> None:
    """A person's own, or else the client's; each language is drawn once."""
    drawn: list[str] = []

    def brief(language: str) -> mail.Content:
        drawn.append(language)
        return replace(CONTENT, subject=f"Acme: {language}")

    acme = db.add_client("acme")
    people = {name: add_user(db, acme, name, "weekly") for name in ("ada", "bob", "cem")}
    with db.connect("pulse_admin", autocommit=True) as admin:
        admin.execute("update core.clients set language = 'de' where id = %s", [acme])
        admin.execute("update core.users set language = 'en' where email = %s", [people["cem"]])
        assert send_due(admin, acme, "acme", MONDAY, brief) == 3
    assert {address: made["Subject"] for address, made in mailbox.taken} == {
        people["ada"]: "Acme: de",
        people["bob"]: "Acme: de",
        people["cem"]: "Acme: en",
    }
    assert sorted(drawn) == ["de", "en"]


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
    with pytest.raises(ReportsNotSent, match=r"client acme: 1 of 2 reports were sent.\n.*450"):
        send(db, acme)
    assert sent(db) == [(second, "weekly", MONDAY.date(), True)]
    mailbox.refused.clear()
    assert send(db, acme) == 1
    assert mailbox.addresses() == [second, first]


def test_what_may_have_been_sent_is_not_sent_again(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    lost, later = add_user(db, acme, "lost", "weekly"), add_user(db, acme, "later", "weekly")
    mailbox.lost.add(lost)
    doubt = r"user \d+: it may have been sent, .* Look for <.*@pulse\.example>"
    with pytest.raises(ReportsMaybeSent, match=doubt):
        send(db, acme)
    assert sent(db) == [(lost, "weekly", MONDAY.date(), False)]
    with pytest.raises(ReportsMaybeSent, match=doubt):  # another try of the task must not hide it
        send(db, acme)
    assert mailbox.addresses() == [lost, later], "the other person's was sent, this one not again"
    with db.connect("pulse_admin") as admin:
        admin.execute("update core.reports_sent set begun_at = begun_at - interval '1 hour'")
    assert send(db, acme) == 0, "the next run is green"


def test_a_server_that_is_away_or_not_set_is_named(
    db: TestDatabase, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = db.add_client("acme")
    add_user(db, acme, "boss", "monthly")
    monkeypatch.setenv("PULSE_SMTP_PORT", str(free_port()))
    with pytest.raises(ReportsNotSent, match="cannot be used"):
        send(db, acme)
    monkeypatch.delenv("PULSE_SMTP_HOST")
    with pytest.raises(ReportsNotSent, match="set PULSE_SMTP_HOST"):
        send(db, acme)
    assert not sent(db)


def test_a_signal_is_told_once_and_not_at_night(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    first = add_user(db, acme, "first", "signals")
    fell = mail.Event(date(2026, 5, 4), "deployment_frequency", "Deployment frequency fell.")
    reached = mail.Event(date(2026, 12, 31), "change_failure_rate target 0.05 reached", "Target reached.")

    def hear(hour: int, *events: mail.Event) -> int:
        content = replace(CONTENT, events=events)
        with db.connect("pulse_admin", autocommit=True) as admin:
            return send_due(admin, acme, "acme", MONDAY.replace(hour=hour), lambda _: content)

    assert hear(9) == 0, "nothing to tell"
    assert hear(4, fell) == hear(22, fell) == 0, "the quiet hours"
    mailbox.refused.add(first)
    with pytest.raises(ReportsNotSent, match="0 of 1"):
        hear(9, fell)
    mailbox.refused.clear()
    assert hear(10, fell) == 1
    assert hear(11, fell) == 0
    second = add_user(db, acme, "second", "signals")
    assert hear(12, fell, reached) == 2
    assert [(address, made["Subject"]) for address, made in mailbox.taken] == [
        (first, "Acme: Deployment frequency fell."),
        (first, "Acme: Target reached."),
        (second, "Acme: Deployment frequency fell. Target reached."),
    ]
    assert hear(13, fell, reached) == 0
    token = mailbox.taken[0][1]["List-Unsubscribe"][1:-1].rpartition("/")[2]
    with db.connect("pulse_auth", autocommit=True) as auth:
        hashed = hashlib.sha256(token.encode()).hexdigest()
        assert auth.execute("select core.stop_report(%s)", [hashed]).fetchone() == ("signals",)
    again = mail.Event(date(2026, 6, 1), "deployment_frequency", "It rose.")
    assert hear(14, again) == 1
    assert mailbox.addresses()[-1] == second


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


def test_the_running_superset_draws_it_and_takes_the_click(
    stack: dict[str, Any], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, address = stack["addresses"]["superset"], login_of(stack, "superset", "executive", "techcorp")["username"]
    monkeypatch.setenv("PULSE_SUPERSET_PUBLIC_URL", base)
    running = existing_stack()
    assert running is not None
    api = SupersetApi(base, "pulse_service", running.settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"])
    ask = "update core.users set reports = %s where email = %s returning client_id"
    with database(stack, "pulse_admin") as admin:
        admin.autocommit = True
        (client_id,) = admin.execute(ask, [["weekly"], address]).fetchone() or (0,)

        def send_week(day: int) -> int:
            now = datetime(2026, 6, day, 9, tzinfo=UTC)
            return send_due(
                admin, client_id, "techcorp", now, lambda name: brief_of(api, "techcorp", name, scheduled=True)
            )

        try:
            assert send_week(1) == 1
            made = mailbox.taken[0][1]
            (pdf,) = made.iter_attachments()
            assert "TechCorp: the brief" in PdfReader(io.BytesIO(pdf.get_content())).pages[0].extract_text()
            html = made.get_body(("html",))
            assert html is not None
            assert f"{base}/pulse/brief/" in html.get_content()
            link = made["List-Unsubscribe"][1:-1]
            assert requests.get(link, timeout=60).status_code == 200
            assert send_week(8) == 1, "a look stops nothing"
            answer = requests.post(link, data={"List-Unsubscribe": "One-Click"}, timeout=60)
            assert answer.status_code == 200
            assert "no more weekly reports" in answer.text
            assert send_week(15) == 0
        finally:
            admin.execute(ask, [[], address])
            admin.execute("delete from core.reports_stopped where client_id = %s", [client_id])
            admin.execute("delete from core.reports_sent where client_id = %s", [client_id])


@pytest.mark.parametrize(
    ("report", "now", "week_start", "due"),
    [
        ("weekly", datetime(2026, 6, 1, 5, 59), "monday", None),
        ("weekly", datetime(2026, 6, 1, 6, 0), "monday", date(2026, 6, 1)),
        ("weekly", datetime(2026, 6, 7, 23, 0), "monday", date(2026, 6, 1)),
        ("weekly", datetime(2026, 6, 7, 5, 0), "sunday", None),
        ("weekly", datetime(2026, 6, 7, 6, 0), "sunday", date(2026, 6, 7)),
        ("weekly", datetime(2026, 6, 5, 23, 0), "saturday", date(2026, 5, 30)),
        ("monthly", datetime(2026, 7, 1, 5, 0), "monday", None),
        ("monthly", datetime(2026, 7, 31, 5, 0), "sunday", date(2026, 7, 1)),
    ],
)
def test_reports_are_due_when_the_working_day_begins(
    report: str, now: datetime, week_start: str, due: date | None
) -> None:
    assert period_start(report, now, week_start) == due


def test_a_week_that_begins_on_another_day_from_now_on_sends_nothing_twice(db: TestDatabase, mailbox: Mailbox) -> None:
    acme = db.add_client("acme")
    add_user(db, acme, "ada", "weekly")
    assert send(db, acme) == 1
    with db.connect("pulse_admin", autocommit=True) as admin:
        admin.execute(
            "insert into core.system_settings (client_id, setting_key, setting_value) values (%s, 'dora.week_start', %s)",
            [acme, Json("sunday")],
        )
    # Monday's was sent; that of the Sunday before began in another week, and the next Sunday is six days later.
    assert [send(db, acme, MONDAY + timedelta(days=days)) for days in (1, 6, 13)] == [0, 0, 1]
    assert len(mailbox.taken) == 2
