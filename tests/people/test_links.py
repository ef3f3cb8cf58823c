"""Who gets a link: what the Variable asks for, through a real mail server, which also refuses, hangs up and is not there."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest

from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.sync import sync_client
from pulse.orchestration.sync_tasks import _tell_of_links
from pulse.people import links
from pulse.people.postman import Postman
from pulse.reports import mail
from pulse.tenancy import SERVICE_ROLES, client_role
from stack.paths import ROOT
from tests.people.conftest import HASH, Mailbox
from tests.support.database import TestDatabase
from tests.support.servers import free_port

CEO, BOSS = {"email": "ceo@initech.example"}, {"email": "boss@initech.example", "password": "first-password-1"}
Connection = psycopg.Connection[Any]


@pytest.fixture
def admin(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Connection:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    return db.connect("pulse_admin", autocommit=True)


def declare(admin: Connection, *users: dict[str, Any], active: bool = True) -> Any:
    spec = {"name": "Initech", "users": list(users), "active": active}
    return sync_client(admin, "initech", parse_spec("initech", json.dumps(spec)))


def rows(admin: Connection, query: str) -> list[tuple[Any, ...]]:
    return admin.execute(query.encode()).fetchall()


def state(admin: Connection, email: str = CEO["email"]) -> tuple[Any, ...] | None:
    return admin.execute(
        "select active, password_hash <> '', declared_hash <> '', origin from core.users where email = %s", [email]
    ).fetchone()


def token_of(mailbox: Mailbox) -> str:
    match = re.search(r"/pulse/password/([\w-]{43})\s", mailbox.taken[-1][1].get_content())
    assert match
    return match[1]


def take(db: TestDatabase, token: str, password_hash: str = HASH) -> Any:
    with db.connect("pulse_auth", autocommit=True) as auth:
        return auth.execute("select core.take_link(%s, %s)", [links._digest(token), password_hash]).fetchone()


def test_somebody_without_a_password_is_invited_once(admin: Connection, db: TestDatabase, mailbox: Mailbox) -> None:
    assert declare(admin, CEO, BOSS).rows_written > 0
    assert declare(admin, CEO, BOSS).rows_written == 0, "the same again writes nothing"
    assert links.send_due(admin) == 1
    assert links.send_due(admin) == 0
    ((address, message),) = mailbox.taken
    assert (address, message["To"]) == (CEO["email"], CEO["email"])
    assert message["Subject"] == "Your login to Pulse for Initech"
    assert message["Auto-Submitted"] == "auto-generated"
    token = token_of(mailbox)
    with db.cluster.primary.connect(database=db.name) as superuser:
        assert token not in str(superuser.execute("select * from core.password_links").fetchall())
    assert take(db, token) == ("set",)
    assert take(db, token) == (None,)
    assert declare(admin, CEO, BOSS).rows_written == 0, "the password that the person has set stays"
    assert state(admin) == (True, True, False, "variable")


def test_an_invitation_is_sent_again_only_when_asked(admin: Connection, db: TestDatabase, mailbox: Mailbox) -> None:
    declare(admin, CEO)
    links.send_due(admin)
    admin.execute("update core.password_links set expires_at = now() - interval '1 day'")
    declare(admin, CEO)
    assert links.send_due(admin) == 0
    declare(admin)
    assert rows(admin, "select count(*) from core.password_links") == [(0,)]
    declare(admin, CEO)
    assert links.send_due(admin) == 1
    old = token_of(mailbox)
    assert take(db, old) == ("set",)
    declare(admin)
    assert state(admin) == (False, False, False, "variable"), "the password goes with the entry"
    declare(admin, CEO)
    assert links.send_due(admin) == 1
    assert take(db, old) == (None,)


def test_a_password_of_ones_own_stays_until_the_variable_changes(admin: Connection, db: TestDatabase) -> None:
    declare(admin, BOSS)
    token = links.make(admin, "initech", BOSS["email"]).rpartition("/")[2]
    assert take(db, token) == ("set",)
    own = "select password_hash from core.users"
    assert rows(admin, own) == [(HASH,)]
    declare(admin, BOSS)
    assert rows(admin, own) == [(HASH,)]
    declare(admin, {**BOSS, "password": "second-password-2"})
    assert rows(admin, own) != [(HASH,)]
    changed = rows(admin, own)
    declare(admin, {"email": BOSS["email"]})
    assert rows(admin, own) == changed, "no invitation for whoever has a password"
    assert rows(admin, "select count(*) from core.password_links") == [(0,)]


def test_a_client_that_is_switched_off_keeps_its_peoples_passwords(
    admin: Connection, db: TestDatabase, mailbox: Mailbox
) -> None:
    declare(admin, CEO)
    links.send_due(admin)
    token = token_of(mailbox)
    declare(admin, CEO, active=False)
    assert take(db, token) == (None,), "no link of an inactive client"
    declare(admin, CEO)
    links.send_due(admin)
    assert take(db, token_of(mailbox)) == ("set",)
    declare(admin, CEO, active=False)
    declare(admin, CEO)
    assert state(admin) == (True, True, False, "variable")


def test_people_of_the_page_are_left_alone_until_the_variable_names_them(admin: Connection, db: TestDatabase) -> None:
    client = declare(admin, BOSS).client_id
    for origin in ("people", "sso"):
        admin.execute(
            "insert into core.users (client_id, email, password_hash, role, origin)"
            " values (%s, %s, %s, 'executive', %s)",
            [client, f"{origin}@initech.example", HASH, origin],
        )
    links.ask(admin, client, "invited@initech.example", "", "invited", "boss")
    assert declare(admin, BOSS).rows_written == 0
    assert state(admin, "people@initech.example") == (True, True, False, "people")
    assert rows(admin, "select email from core.password_links") == [("invited@initech.example",)]
    declare(admin, BOSS, {"email": "people@initech.example", "role": "client_admin"})
    assert state(admin, "people@initech.example") == (True, True, False, "variable")
    declare(admin, BOSS)
    assert state(admin, "people@initech.example") == (False, False, False, "variable")
    assert state(admin, "sso@initech.example") == (True, True, False, "sso")


def test_without_a_mail_server_the_admin_reads_what_to_do(
    admin: Connection, db: TestDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PULSE_SMTP_HOST", raising=False)
    client = declare(admin, CEO, BOSS).client_id
    with caplog.at_level(logging.WARNING):
        _tell_of_links(admin, "initech", client)
    assert "./pulse invite initech ceo@initech.example" in caplog.text
    assert "boss@" not in caplog.text
    assert links.send_due(admin) == 0
    caplog.clear()
    _tell_of_links(admin, "initech", client)
    assert caplog.text.count("./pulse invite initech ceo@initech.example") == 1
    token = links.make(admin, "initech", "CEO@Initech.example").rpartition("/")[2]
    caplog.clear()
    _tell_of_links(admin, "initech", client)
    assert not caplog.text
    assert take(db, token) == ("set",)


def test_a_mail_that_is_refused_is_tried_again_and_one_that_may_be_lost_is_not(
    admin: Connection, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    client = declare(admin, CEO, {"email": "lost@initech.example"}).client_id
    mailbox.refused.add(CEO["email"])
    mailbox.lost.add("lost@initech.example")
    assert links.send_due(admin) == 0
    _tell_of_links(admin, "initech", client)
    assert "450" in caplog.text
    assert "may not have arrived" in caplog.text
    mailbox.refused.clear()
    mailbox.lost.clear()
    assert links.send_due(admin) == 0, "not at once"
    admin.execute("update core.password_links set send_at = now() where send_at is not null")
    assert links.send_due(admin) == 1
    assert mailbox.addresses() == ["lost@initech.example", CEO["email"]], "the lost one not again"


def test_a_server_that_is_away_is_named(admin: Connection, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(admin, CEO)
    monkeypatch.setenv("PULSE_SMTP_PORT", str(free_port()))
    assert links.send_due(admin) == 0
    assert "cannot be used" in str(rows(admin, "select problem from core.password_links"))


def test_the_postman_sends_within_seconds_and_two_send_once(
    admin: Connection, db: TestDatabase, mailbox: Mailbox
) -> None:
    client = declare(admin, CEO).client_id
    for number in range(10):
        links.ask(admin, client, f"p{number}@initech.example", "", "invited", "boss")
    postmen = [Postman(), Postman()]
    for postman in postmen:
        postman.begin()
    try:
        deadline = time.monotonic() + 20
        while len(mailbox.taken) < 11:
            assert time.monotonic() < deadline, mailbox.addresses()
            time.sleep(0.05)
    finally:
        for postman in postmen:
            postman.end()
    assert sorted(mailbox.addresses()) == sorted({*mailbox.addresses()})
    with db.cluster.primary.connect(database=db.name) as staff:
        staff.execute("set session authorization pulse_staff")
        found = staff.execute("select distinct who from audit.events where kind = 'link made'").fetchall()
    assert found == [("postman",)]


def test_a_link_by_hand_needs_a_person(admin: Connection, db: TestDatabase) -> None:
    declare(admin, CEO)
    other = db.add_client("other")
    for slug, email in (
        ("initech", "nobody@initech.example"),
        ("other", CEO["email"]),
        ("nothing", CEO["email"]),
    ):
        with pytest.raises(links.NoSuchPerson, match=f"pulse_client_{slug}"):
            links.make(admin, slug, email)
    done = subprocess.run(
        [sys.executable, "-m", "pulse.people", "initech", CEO["email"]],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        check=True,
    )
    assert take(db, done.stdout.strip().rpartition("/")[2]) == ("set",)
    assert other


@pytest.mark.parametrize(
    "email",
    [
        "ada\u0000@x.example",
        "a,b@x.example",
        "ada@x.example\nBcc: eve@evil.example",
        "<ada@x.example>",
        "ada@x",
        "ada..b@x.example",
        "ädä@x.example",
    ],
)
def test_an_address_that_a_mail_cannot_have_is_refused(email: str) -> None:
    with pytest.raises(SpecError, match=r"client initech: users\[0\].email"):
        parse_spec("initech", json.dumps({"name": "Initech", "users": [{"email": email}]}))
    with pytest.raises(mail.Refused, match="not an e-mail address"):
        mail.note(email, "", "Subject", "Text")


def test_a_name_is_no_second_address(mailbox: Mailbox) -> None:
    made = mail.note(
        "ada@x.example", 'Ada" <eve@evil.example>\r\nBcc: eve@evil.example,', "A\r\nBcc: eve@evil.example", "Hello"
    )
    with mail.server() as server:
        mail.send(server, made)
    assert mailbox.addresses() == ["ada@x.example"]
    assert mailbox.taken[0][1]["Bcc"] is None


def test_only_who_has_a_proof_may_do_anything(admin: Connection, db: TestDatabase) -> None:
    """Superset's login for accounts: no table of links, nothing of people without an admin's session."""
    client = declare(admin, CEO, BOSS).client_id
    with db.connect("pulse_auth", autocommit=True) as auth:
        for statement in (
            "select * from core.password_links",
            "select * from core.password_requests",
            "insert into core.password_requests (email) values ('x')",
            "update core.users set password_hash = 'x'",
            "insert into core.users (client_id, email, password_hash, role) values (1, 'a@b.c', 'x', 'executive')",
            "select * from core.client_admin('x')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                auth.execute(statement.encode())
        for session in ("", "x", None):
            assert auth.execute("select * from core.people(%s)", [session]).fetchall() == []
            assert auth.execute("select core.invite_person(%s, 'a@b.example', '')", [session]).fetchone() == (
                "forbidden",
            )
            assert auth.execute("select core.remove_person(%s, 'ceo@initech.example')", [session]).fetchone() == (
                "forbidden",
            )
        for broken in ("", "plain", "scrypt:16384:8:1$abcdefgh$" + "0" * 128):
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                auth.execute("select core.take_link('x', %s)", [broken])
    functions = ["request_link", "look_link", "take_link", "client_admin", "people", "invite_person", "remove_person"]
    for role in {*SERVICE_ROLES, client_role(client)} - {"pulse_auth", "pulse_owner"}:
        assert (
            rows(
                admin,
                "select proname from pg_proc where pronamespace = 'core'::regnamespace"
                f" and proname = any (array{functions}) and has_function_privilege('{role}', oid, 'execute')",
            )
            == []
        )


def test_links_that_nobody_used_are_forgotten(admin: Connection, mailbox: Mailbox) -> None:
    declare(admin, CEO)
    links.send_due(admin)
    assert links.forget_old(admin) == 0
    admin.execute("update core.password_links set expires_at = now() - interval '31 days'")
    assert links.forget_old(admin) == 1
