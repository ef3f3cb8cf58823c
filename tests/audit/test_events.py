"""audit.events: what changes in the tables is there; nobody changes or deletes it; staff alone read it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from pulse.clients.served import Served
from pulse.clients.spec import parse_spec
from pulse.clients.sync import deactivate_missing, sync_client
from pulse.ingest import keys
from pulse.people import links
from pulse.tenancy import SERVICE_ROLES, client_role
from tests.support.database import TestDatabase

Connection = psycopg.Connection[Any]
CEO = {"email": "ceo@initech.example", "password": "first-password-1"}


@pytest.fixture
def admin(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    monkeypatch.setenv("PULSE_WEBHOOK_SECRET", "of the tests")
    return db.connect("pulse_admin", autocommit=True)


def declare(admin: Connection, *users: dict[str, Any], active: bool = True, **settings: Any) -> int:
    spec = {
        "name": "Initech",
        "active": active,
        "users": list(users),
        "settings": settings,
        "integrations": [{"type": "github", "organization": "initech", "token": "planted-secret-token"}],
    }
    return sync_client(admin, "initech", parse_spec("initech", json.dumps(spec))).client_id


def events(db: TestDatabase, what: str = "kind, who, what") -> list[tuple[Any, ...]]:
    """All events, read with the rights of staff."""
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute("set role pulse_staff")
        return superuser.execute(f"select {what} from audit.events order by id".encode()).fetchall()


def test_what_changes_in_the_tables_is_noted(admin: Connection, db: TestDatabase) -> None:
    declare(admin, CEO, {"email": "new@initech.example"})
    before = len(events(db))
    assert {row[0] for row in events(db)} >= {"client added", "person added", "person invited", "setting changed"}
    assert {row[1] for row in events(db)} == {"sync_clients"}

    def since() -> list[tuple[Any, ...]]:
        nonlocal before
        found = events(db)[before:]
        before += len(found)
        return found

    declare(admin, CEO, {"email": "new@initech.example"})
    assert since() == [], "the same again is no event"
    declare(admin, {**CEO, "role": "client_admin", "password": "second-password-2"}, **{"dora.minimum_sample": 3})
    assert since() == [
        ("role changed", "sync_clients", "ceo@initech.example as client_admin, was ceo@initech.example as executive"),
        ("password changed", "sync_clients", "ceo@initech.example"),
        ("person removed", "sync_clients", "new@initech.example"),
        ("setting changed", "sync_clients", "dora.minimum_sample: 3"),
    ]
    declare(admin, {**CEO, "role": "client_admin", "password": "second-password-2"}, **{"dora.minimum_sample": 4})
    assert since() == [("setting changed", "sync_clients", "dora.minimum_sample: 4, was 3")]
    links.make(admin, "initech", CEO["email"])
    assert [row[0] for row in since()] == ["password forgotten", "link made"]
    key = keys.make(admin, "initech", "github", "ours")
    keys.revoke(admin, "initech", key.id)
    keys.revoke(admin, "initech", key.id)
    assert [row[0] for row in since()] == ["key made", "key revoked"]
    admin.execute("update core.integrations set base_url = 'https://secret.example', config_data = '{\"a\": \"b\"}'")
    assert since() == [("source changed", "pulse_admin", "github: base_url, config_data")]
    declare(admin, {**CEO, "role": "client_admin", "password": "second-password-2"}, active=False)
    assert "client deactivated" in [row[0] for row in since()]
    declare(admin, {**CEO, "role": "client_admin", "password": "second-password-2"})
    since()
    deactivate_missing(admin, set(), Served(frozenset(), frozenset()), allow_many=True)
    assert since() == [("client deactivated", "sync_clients", "initech")]


def test_a_report_that_is_sent_is_noted_and_one_that_is_refused_is_not(admin: Connection, db: TestDatabase) -> None:
    client = declare(admin, CEO)
    before = len(events(db))
    for sent in (False, True):
        admin.execute(
            "insert into core.reports_sent (client_id, user_id, report, period_start, about, message_id, unsubscribe_hash)"
            " select client_id, id, 'weekly', current_date, %s, 'm', 'h' from core.users",
            [str(sent)],
        )
        if sent:
            admin.execute("update core.reports_sent set sent_at = now() where about = 'True'")
        else:
            admin.execute("delete from core.reports_sent")
    assert [row[0] for row in events(db)[before:]] == ["report sent"]
    assert client


def test_an_event_and_its_cause_are_one(admin: Connection, db: TestDatabase) -> None:
    declare(admin, CEO)
    before = len(events(db))
    with admin.transaction(force_rollback=True):
        admin.execute("update core.clients set active = false")
    assert len(events(db)) == before


def test_no_secret_is_in_it(admin: Connection, db: TestDatabase) -> None:
    declare(admin, CEO, {"email": "new@initech.example"})
    token = links.make(admin, "initech", CEO["email"]).rpartition("/")[2]
    key = keys.make(admin, "initech", "github", "")
    text = str(events(db, "*"))
    hashes = admin.execute("select password_hash from core.users where password_hash <> ''").fetchall()
    for secret in ("planted-secret-token", CEO["password"], token, links._digest(token), key.secret, hashes[0][0]):
        assert secret not in text


CHANGES = (
    "update audit.log set who = 'nobody'",
    "delete from audit.log",
    "truncate audit.log",
    "insert into audit.log (kind, who) values ('signed in', 'forged')",
    "update audit.events set who = 'nobody'",
    "delete from audit.events",
    "alter table audit.log disable trigger all",
    "drop table audit.log cascade",
)


REFUSALS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,
)  # the latter: a view with a join


@pytest.mark.parametrize("role", [*SERVICE_ROLES, "a client's login"])
def test_nobody_changes_it(db: TestDatabase, role: str) -> None:
    """For every login, on the primary. The owner can rebuild the table, and can change no row of it."""
    client = db.add_client("techcorp")
    before = events(db, "*")
    assert before
    with db.cluster.primary.connect(database=db.name) as connection:
        login = client_role(client) if role == "a client's login" else role
        connection.execute(f"set session authorization {login}".encode())
        for statement in CHANGES if role != "pulse_owner" else CHANGES[2:3]:
            with pytest.raises(REFUSALS):
                connection.execute(statement.encode())
        if role == "pulse_owner":
            for statement in CHANGES[:2]:
                assert connection.execute(statement.encode()).rowcount == 0, statement
        elif role != "pulse_staff":
            for relation in ("audit.events", "audit.log"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"select 1 from {relation}".encode())
    assert events(db, "*") == before


def test_not_even_the_superuser_changes_it_in_passing(db: TestDatabase) -> None:
    db.add_client("techcorp")
    with db.cluster.primary.connect(database=db.name) as superuser:
        for statement in CHANGES[:3]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only added to"):
                superuser.execute(statement.encode())


def test_it_is_kept_for_a_year(admin: Connection, db: TestDatabase) -> None:
    def add(age: str) -> None:
        admin.execute(f"select audit.note('signed in', 'ada', '', null, '{age}', now() - interval '{age}')".encode())

    def forget() -> Any:
        return admin.execute("select audit.forget_old()").fetchone()

    for age in ("1 year 1 hour", "364 days", "1 hour"):
        add(age)
    assert forget() == (0,), "less than a day's worth"
    add("1 year 2 days")
    assert forget() == (2,)
    assert forget() == (0,)
    assert [row for row in events(db) if row[0] in ("signed in", "purged")] == [
        ("signed in", "ada", "364 days"),
        ("signed in", "ada", "1 hour"),
        ("purged", "pulse", "2 events older than a year"),
    ]


def test_an_event_is_there_once_and_not_from_tomorrow(admin: Connection, db: TestDatabase) -> None:
    for _ in range(2):
        admin.execute(
            "select audit.note('signed in', 'ada', '', null, '', now() + interval '1 day',"
            " '0b6f2f2e-7d7e-4f5b-9a63-0d3e1c1f6a11')"
        )
    assert events(db, "who, at <= now()") == [("ada", True)]


def test_only_two_logins_may_note_anything(db: TestDatabase) -> None:
    allowed = db.connect("pulse_owner").execute(
        "select r.rolname, p.proname from pg_roles r, pg_proc p where p.pronamespace = 'audit'::regnamespace"
        " and r.rolname ~ '^pulse_' and r.rolname <> 'pulse_owner' and has_function_privilege(r.oid, p.oid, 'execute')"
    )
    assert set(allowed.fetchall()) == {
        ("pulse_auth", "note"),
        ("pulse_admin", "note"),
        ("pulse_admin", "forget_old"),
    }
