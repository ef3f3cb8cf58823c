"""The data team is told of a cause once, when it begins and when it is over, in one message for all clients that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from pulse.health import alerts
from pulse.health.state import Health
from pulse.orchestration import alert_tasks
from pulse.reports import mail
from tests.reports.conftest import Mailbox
from tests.support.database import TestDatabase

Hear = Callable[..., int]


def health(client_id: int, state: str, kind: str = "", cause: str = "", slug: str = "slug") -> Health:
    return Health(client_id, slug, "Name", 0, state, kind or state, cause, None, "", "", 0, "")


@pytest.fixture
def hear(db: TestDatabase, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Hear:
    """Look at these clients and tell of them, as the DAG does every ten minutes."""
    monkeypatch.setenv("PULSE_ALERTS_TO", "data@team.example")

    def look(*found: Health) -> int:
        with db.connect("pulse_admin", autocommit=True) as admin:
            alerts.note(admin, found)
            return alerts.tell(admin)

    return look


def test_one_cause_is_one_message_when_it_begins_and_when_it_is_over(
    db: TestDatabase, mailbox: Mailbox, hear: Hear
) -> None:
    ids = [db.add_client(f"client{n}") for n in range(14)]
    bad = [health(n, "failing", "failing: UpstreamError", "GitHub answers 502. What to do: wait.") for n in ids]
    assert hear(*(health(n, "good") for n in ids)) == 0
    assert mailbox.taken == [], "nothing when all is well"
    assert hear(*bad) == 14
    assert hear(*bad) == 0, "once"
    (_, first), *others = mailbox.taken
    assert others == []
    assert first["To"] == "data@team.example"
    assert first["Subject"] == "Pulse: 14 clients failing"
    text = first.get_content()
    assert text.count("GitHub answers 502. What to do: wait.") == 1
    assert "Clients: client0, client1" in text
    assert "and 4 more" in text

    late = health(ids[0], "late", cause="Nothing was read for more than 26 hours.")
    assert hear(late, *bad[1:]) == 2, "another cause begins, and the first is over for one client"
    text = mailbox.taken[1][1].get_content().replace("\r\n", "\n")
    assert "client client0 late\nNothing was read" in text
    assert "Over: client client0 failing" in text
    assert hear(*(health(n, "good") for n in ids)) == 14
    assert mailbox.taken[2][1]["Subject"].startswith("Pulse: Over: 13 clients failing")
    assert hear(*bad) == 14, "it begins again"


def test_a_client_whose_first_variable_is_faulty_is_told_of_by_its_slug(
    db: TestDatabase, mailbox: Mailbox, hear: Hear
) -> None:
    known = health(db.add_client("known"), "faulty", cause="Correct it.")
    unborn = [health(0, "faulty", cause="Correct it.", slug=slug) for slug in ("globex", "initech")]
    assert hear(unborn[0]) == 1
    assert hear(known, *unborn) == 2
    assert hear(known, *unborn) == 0, "once"
    first, second = (message.get_content().replace("\r\n", "\n") for _, message in mailbox.taken)
    assert first.startswith("client globex faulty\nCorrect it.")
    assert "2 clients faulty\nCorrect it." in second
    assert "Clients: known, initech" in second or "Clients: initech, known" in second
    assert hear(known) == 2
    assert mailbox.taken[2][1]["Subject"] == "Pulse: Over: 2 clients faulty"


def test_what_the_server_refuses_is_told_by_the_next_run(db: TestDatabase, mailbox: Mailbox, hear: Hear) -> None:
    client = db.add_client("acme")
    problem = health(client, "check", cause="A check fails.")
    mailbox.refused |= {"data@team.example"}
    with pytest.raises(mail.Refused):
        hear(problem)
    mailbox.refused.clear()
    assert hear(problem) == 1
    assert hear() == 1, "a client that is gone is over"


def test_what_nobody_heard_of_is_not_told_when_it_is_over(db: TestDatabase, mailbox: Mailbox, hear: Hear) -> None:
    client = db.add_client("acme")
    mailbox.refused |= {"data@team.example"}
    with pytest.raises(mail.Refused):
        hear(health(client, "late"))
    mailbox.refused.clear()
    assert hear(health(client, "good")) == 0
    assert mailbox.taken == []


def test_since_is_when_it_began(db: TestDatabase, mailbox: Mailbox, hear: Hear) -> None:
    hear(health(db.add_client("acme"), "late", cause="Late."))
    since = mailbox.taken[0][1].get_content().partition("Since ")[2][:16]
    assert abs((datetime.now() - datetime.strptime(since, "%Y-%m-%d %H:%M")).total_seconds()) < 3600


class Waiting(BaseHTTPRequestHandler):
    """A monitoring service that waits for signs of life."""

    asked: ClassVar[list[str]] = []
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Waiting]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PULSE_ALIVE_URL", f"http://127.0.0.1:{server.server_port}/pulse")
        Waiting.asked, Waiting.status = [], 200
        yield Waiting
        server.shutdown()


def test_a_run_that_works_gives_a_sign_of_life(
    db: TestDatabase, service: type[Waiting], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    db.add_client("acme")
    db.wait_replica()
    assert alert_tasks.tell_of_clients() == 0
    assert service.asked == ["/pulse"]
    service.status = 500
    assert alert_tasks.tell_of_clients() == 0, "whoever waits complains"
    assert "PULSE_ALIVE_URL does not take the sign of life" in caplog.text


def test_without_the_databases_there_is_no_sign_of_life(
    service: type[Waiting], monkeypatch: pytest.MonkeyPatch, db: TestDatabase
) -> None:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(psycopg.OperationalError):
        alert_tasks.tell_of_clients()
    assert service.asked == []


def test_nobody_to_tell_skips_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_ALIVE_URL", raising=False)
    with pytest.raises(AirflowSkipException, match=r"PULSE_ALERTS_TO.*PULSE_ALIVE_URL"):
        alert_tasks.tell_of_clients()
