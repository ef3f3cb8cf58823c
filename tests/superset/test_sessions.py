"""Accounts and sessions on a real primary and replica."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.servers import free_port

SALT = "abcdefgh12345678"
HASH = (
    f"scrypt:32768:8:1${SALT}$"
    + hashlib.scrypt(b"right", salt=SALT.encode(), n=32768, r=8, p=1, maxmem=132 * 32768 * 8 + 4096).hex()
)


@pytest.fixture
def world(superset_modules: None, db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A client with one user; the modules use the test's database."""
    from pulse_superset import accounts, sessions

    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULSE_DATABASE", db.name)
    monkeypatch.setattr(accounts, "replica", accounts.Server("replica"))
    monkeypatch.setattr(accounts, "primary", accounts.Server("primary"))
    client = db.add_client("techcorp", "TechCorp")
    admin = db.connect("pulse_admin", autocommit=True)
    admin.execute(
        "insert into core.users (client_id, email, full_name, password_hash, role) values (%s, %s, %s, %s, 'executive')",
        [client, "ada@techcorp.example", "Ada Lovelace", HASH],
    )
    db.wait_replica()
    yield SimpleNamespace(accounts=accounts, sessions=sessions, db=db, admin=admin, client=client)
    for server in (accounts.replica, accounts.primary):
        while not server._idle.empty():
            server._idle.get().close()


def away(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv(f"PULSE_{kind.upper()}_PORT", str(free_port()))
    monkeypatch.setattr(world.accounts, kind, world.accounts.Server(kind))


@pytest.mark.parametrize(
    ("stored", "password", "matches"),
    [
        (HASH, "right", True),
        (HASH, "wrong", False),
        (HASH, "", False),
        (HASH.replace("32768", "16384"), "right", False),
        (HASH.replace("scrypt", "pbkdf2"), "right", False),
        (HASH.replace("32768:8:1", "32767:8:1"), "right", False),
        (HASH.replace("32768:8:1", "1073741824:8:1"), "right", False),
        ("", "right", False),
        ("scrypt:a:b:c$x$y", "right", False),
        ("plain", "plain", False),
    ],
)
def test_password_hashes(superset_modules: None, stored: str, password: str, matches: bool) -> None:
    from pulse_superset import accounts

    assert accounts.password_matches(stored, password) is matches


def test_an_account_is_found_by_its_address_in_any_case(world: SimpleNamespace) -> None:
    account = world.accounts.find_account(" Ada@TechCorp.example ")
    assert (account.client_id, account.full_name, account.role, account.active) == (
        world.client,
        "Ada Lovelace",
        "executive",
        True,
    )
    assert world.accounts.find_account("nobody@techcorp.example") is None


@pytest.mark.parametrize(
    ("own", "clients", "mode"),
    [(None, None, "system"), (None, "dark", "dark"), ("light", "dark", "light"), ("system", "dark", "system")],
)
def test_a_mode_is_the_persons_own_or_the_clients(
    world: SimpleNamespace, own: str | None, clients: str | None, mode: str
) -> None:
    world.admin.execute("update core.users set theme_mode = %s", [own])
    if clients:
        world.db.set_setting(world.client, "brand.theme_mode", clients)
    world.db.wait_replica()
    assert world.accounts.find_account("ada@techcorp.example").theme_mode == mode


def test_a_session_is_recorded_by_its_hash_only(world: SimpleNamespace) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    row = world.admin.execute("select token_hash, kind, active, expires_at > now() from core.user_sessions").fetchone()
    assert row == (hashlib.sha256(session.token.encode()).hexdigest(), "browser", True, True)
    assert not session.pending
    assert world.sessions.is_valid(session)
    assert world.sessions.Session.from_dict(session.to_dict()) == session


@pytest.mark.parametrize(
    "change",
    [
        "update core.user_sessions set active = false",
        "update core.user_sessions set expires_at = now()",
        "update core.users set active = false",
        "update core.users set password_hash = password_hash || '0'",
        "update core.users set role = 'client_admin'",
        "update core.users set email = 'countess@techcorp.example'",
        "update core.clients set active = false",
        "delete from core.users",
    ],
)
def test_a_deactivated_session_ends_at_the_next_request(world: SimpleNamespace, change: str) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "api")
    world.db.wait_replica()
    assert world.sessions.is_valid(session)
    world.admin.execute(change)
    world.db.wait_replica()
    assert not world.sessions.is_valid(session)


@pytest.mark.parametrize(
    "change",
    ["active = false", "password_hash = 'x'", "role = 'client_admin'", "email = 'countess@techcorp.example'"],
)
def test_a_changed_account_ends_its_sessions_for_good(world: SimpleNamespace, change: str) -> None:
    """In the same transaction, and also when the change is undone."""
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "api")
    before = world.admin.execute("select email, password_hash, role, active from core.users").fetchone()
    with world.admin.transaction():
        world.admin.execute(f"update core.users set {change}")
        assert world.admin.execute("select active from core.user_sessions").fetchone() == (False,)
    world.admin.execute("update core.users set (email, password_hash, role, active) = (%s, %s, %s, %s)", before)
    world.db.wait_replica()
    assert not world.sessions.is_valid(session)


def test_a_name_or_theme_ends_no_session(world: SimpleNamespace) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "api")
    world.admin.execute("update core.users set full_name = 'Augusta Ada King', theme_mode = 'dark', updated_at = now()")
    world.db.wait_replica()
    assert world.sessions.is_valid(session)


def test_a_login_while_the_primary_was_away_ends_with_the_old_password(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no row to close yet when the password changes, and must not get one afterwards."""
    port = world.db.conn_env()["PULSE_PRIMARY_PORT"]
    away(world, monkeypatch, "primary")
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    assert session.pending
    time.sleep(1.1)  # sessions count seconds
    world.admin.execute("update core.users set password_hash = 'x'")
    world.db.wait_replica()
    monkeypatch.setenv("PULSE_PRIMARY_PORT", port)
    monkeypatch.setattr(world.accounts, "primary", world.accounts.Server("primary"))
    assert not world.sessions.is_valid(session)
    world.accounts.record_session(
        session.client_id, session.user_id, session.token_hash, "browser", session.created_at, session.expires_at
    )
    assert world.admin.execute("select count(*) from core.user_sessions").fetchone() == (0,)


def test_a_session_ends_with_its_client(world: SimpleNamespace) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "api")
    world.admin.execute("update core.clients set active = false where id = %s", [world.client])
    world.db.wait_replica()
    assert not world.sessions.is_valid(session)
    assert world.accounts.find_account("ada@techcorp.example").active is False


def test_logout_ends_the_session(world: SimpleNamespace) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    assert world.sessions.end(session.client_id, session.token_hash)
    world.db.wait_replica()
    assert not world.sessions.is_valid(session)


def test_an_invented_or_old_session_is_refused(world: SimpleNamespace) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    world.db.wait_replica()
    hours = 3600

    def changed(**values: Any) -> Any:
        return world.sessions.Session(**{**session.to_dict(), **values})

    now = int(time.time())
    assert not world.sessions.is_valid(changed(token="guessed", created_at=now - hours))
    assert not world.sessions.is_valid(changed(client_id=world.client + 1))
    assert not world.sessions.is_valid(changed(created_at=now - 13 * hours))
    assert not world.sessions.is_valid(changed(created_at=now + hours))
    assert world.sessions.Session.from_dict({"token": "x"}) is None
    assert world.sessions.Session.from_dict(None) is None


def test_without_the_primary_a_login_works_and_is_recorded_later(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = world.db.conn_env()["PULSE_PRIMARY_PORT"]
    away(world, monkeypatch, "primary")
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    assert session.pending
    assert world.sessions.is_valid(session)
    assert world.admin.execute("select count(*) from core.user_sessions").fetchone() == (0,)
    assert not world.sessions.end(session.client_id, session.token_hash), (
        "the caller has to know that the logout is not recorded"
    )

    monkeypatch.setenv("PULSE_PRIMARY_PORT", port)
    monkeypatch.setattr(world.accounts, "primary", world.accounts.Server("primary"))
    assert world.sessions.is_valid(session)
    assert world.admin.execute("select count(*) from core.user_sessions").fetchone() == (1,)
    world.admin.execute("update core.user_sessions set active = false")
    world.db.wait_replica()
    assert not world.sessions.is_valid(session)


def test_without_the_replica_the_primary_answers(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    away(world, monkeypatch, "replica")
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    assert world.sessions.is_valid(session)


def test_without_both_servers_nobody_can_log_in(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.sessions.begin(world.accounts.find_account("ada@techcorp.example"), "browser")
    away(world, monkeypatch, "replica")
    away(world, monkeypatch, "primary")
    assert not world.sessions.is_valid(session)
    with pytest.raises(world.accounts.DatabaseAway):
        world.accounts.find_account("ada@techcorp.example")


def test_a_server_that_comes_back_is_used_again(world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections of a restarted server are dead and must not fail a request."""
    assert world.accounts.find_account("ada@techcorp.example")
    with world.db.cluster.replica.connect() as superuser:
        superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pulse_auth'")
    assert world.accounts.find_account("ada@techcorp.example")


def test_only_brand_settings_can_be_read(world: SimpleNamespace) -> None:
    world.db.set_setting(world.client, "brand.app_name", "TechCorp Pulse")
    world.db.set_setting(world.client, "dora.incident_window_hours", 24)
    world.db.wait_replica()
    assert world.accounts.brand_settings(world.client) == {"app_name": "TechCorp Pulse", "client_name": "TechCorp"}
