"""The tables say what the Variables declare, and a second sync has nothing to write."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from pulse.clients.served import Served
from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.sync import MassDeactivation, deactivate_missing, sync_client
from pulse.tenancy import client_role
from tests.support.database import TestDatabase

SPEC: dict[str, Any] = {
    "name": "Initech",
    "users": [
        {"email": "ceo@initech.example", "password": "first-password-1"},
        {"email": "old@initech.example", "password": "first-password-2"},
    ],
    "settings": {"dora.minimum_sample": 3, "feature.jira": True},
    "integrations": [
        {"type": "github", "organization": "initech", "token": "planted-secret-token"},
        {"type": "jira", "base_url": "https://initech.atlassian.net"},
    ],
}

EVERY = Served(frozenset(), frozenset())


@pytest.fixture
def admin(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[Any]:
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    return db.connect("pulse_admin")


def sync(conn: psycopg.Connection[Any], slug: str = "initech", **changes: Any) -> Any:
    return sync_client(conn, slug, parse_spec(slug, json.dumps({**SPEC, **changes})))


def all_rows(conn: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    with conn.transaction():
        return conn.execute(query).fetchall()  # type: ignore[call-overload]


def test_a_second_sync_writes_nothing(admin: psycopg.Connection[Any]) -> None:
    assert sync(admin).rows_written > 5
    assert sync(admin).rows_written == 0


def test_a_mode_is_stored_for_whom_it_was_chosen(admin: psycopg.Connection[Any]) -> None:
    users = [{**SPEC["users"][0], "theme_mode": "dark"}, SPEC["users"][1]]
    sync(admin, users=users, branding={"theme_mode": "light"})
    rows = admin.execute("select theme_mode from core.users order by email").fetchall()
    assert sorted(rows, key=str) == [("dark",), (None,)]
    row = admin.execute(
        "select setting_value from core.system_settings where setting_key = 'brand.theme_mode'"
    ).fetchone()
    assert row == ("light",)


def test_a_language_is_the_clients_or_the_persons_own(admin: psycopg.Connection[Any]) -> None:
    users = [{**SPEC["users"][0], "language": "en"}, SPEC["users"][1]]
    sync(admin, language="de", users=users)
    declared = (
        "select c.language, u.language from core.users u join core.clients c on c.id = u.client_id order by u.email"
    )
    assert all_rows(admin, declared) == [("de", "en"), ("de", None)]
    assert sync(admin, language="de", users=users).rows_written == 0
    assert sync(admin).rows_written > 0
    assert all_rows(admin, declared) == [("en", None), ("en", None)]
    with pytest.raises(SpecError, match=r"language: must be 'en' or 'de'"):
        sync(admin, language="fr")


def test_a_host_name_belongs_to_one_client(admin: psycopg.Connection[Any]) -> None:
    brand = {"host_name": "numbers.initech.example"}
    sync(admin, users=[], branding=brand)
    assert sync(admin, users=[], branding=brand).rows_written == 0
    with pytest.raises(
        SpecError, match=r"branding.host_name: 'numbers.initech.example' is the host name of client initech"
    ):
        sync(admin, "rival", users=[], branding=brand)
    for wrong in ("Numbers.example.com", "localhost", "a..b", "https://a.example", "a.example:80"):
        with pytest.raises(SpecError, match=r"branding\.host_name"):
            sync(admin, users=[], branding={"host_name": wrong})


def test_a_new_client_has_a_login_of_its_own(admin: psycopg.Connection[Any], db: TestDatabase) -> None:
    result = sync(admin)
    db.wait_replica()
    with db.connect(client_role(result.client_id), replica=True) as conn:
        assert conn.execute("select slug from core.clients").fetchall() == [("initech",)]


def test_no_secret_reaches_a_table(admin: psycopg.Connection[Any], db: TestDatabase) -> None:
    sync(admin)
    with db.cluster.primary.connect(database=db.name) as superuser:
        tables = superuser.execute(
            "select c.oid::regclass::text from pg_class c where relkind = 'r' and relnamespace in"
            " ('core'::regnamespace, 'raw'::regnamespace)"
        ).fetchall()
        for (table,) in tables:
            text = str(superuser.execute(f"select * from {table}").fetchall())  # type: ignore[arg-type]
            for secret in ("planted-secret-token", "first-password-1", "first-password-2"):
                assert secret not in text, table


def test_what_is_no_longer_declared_goes(admin: psycopg.Connection[Any]) -> None:
    sync(admin)
    sync(admin, users=SPEC["users"][:1], settings={}, integrations=SPEC["integrations"][:1])
    assert all_rows(admin, "select email, active from core.users order by 1") == [
        ("ceo@initech.example", True),
        ("old@initech.example", False),
    ]
    assert all_rows(admin, "select integration_type, active from core.integrations order by 1") == [
        ("github", True),
        ("jira", False),
    ]
    assert all_rows(admin, "select setting_key from core.system_settings where setting_key !~ '^brand'") == []


def test_a_feature_flag_turns_an_integration_off(admin: psycopg.Connection[Any]) -> None:
    sync(admin, settings={"feature.jira": False})
    assert all_rows(admin, "select integration_type from core.integrations where active") == [("github",)]


def test_a_changed_password_changes_the_hash(admin: psycopg.Connection[Any]) -> None:
    sync(admin)
    before = all_rows(admin, "select password_hash from core.users order by email")
    users = [{**SPEC["users"][0], "password": "second-password-1"}, SPEC["users"][1]]
    assert sync(admin, users=users).rows_written == 1
    after = all_rows(admin, "select password_hash from core.users order by email")
    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize("change", [{"password": "second-password-1"}, {"role": "client_admin"}])
def test_a_changed_password_or_role_ends_the_persons_sessions(
    admin: psycopg.Connection[Any], change: dict[str, str]
) -> None:
    sync(admin)
    with admin.transaction():
        admin.execute(
            "insert into core.user_sessions (client_id, user_id, token_hash, expires_at)"
            " select client_id, id, email, now() + interval '1 hour' from core.users"
        )
    sync(admin, users=[{**SPEC["users"][0], **change}, SPEC["users"][1]])
    assert all_rows(admin, "select token_hash, active from core.user_sessions order by 1") == [
        ("ceo@initech.example", False),
        ("old@initech.example", True),
    ]


def test_a_stopped_report_begins_again_when_it_is_declared_anew(
    admin: psycopg.Connection[Any], db: TestDatabase
) -> None:
    def declare(*reports: str) -> int:
        return int(sync(admin, users=[{**SPEC["users"][0], "reports": list(reports)}, SPEC["users"][1]]).rows_written)

    assert declare("weekly", "monthly") > 0
    assert declare("monthly", "weekly") == 0, "the order says nothing"
    assert all_rows(admin, "select reports from core.users order by email") == [(["monthly", "weekly"],), ([],)]
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute(
            "insert into core.reports_stopped (client_id, user_id, report)"
            " select client_id, id, 'weekly' from core.users where email like 'ceo%'"
        )
    stopped = "select report from core.reports_stopped"
    declare("weekly", "monthly")
    assert all_rows(admin, stopped) == [("weekly",)]
    declare("monthly")
    assert all_rows(admin, stopped) == []


def test_an_inactive_client_cannot_log_in_and_its_sessions_end(
    admin: psycopg.Connection[Any], db: TestDatabase
) -> None:
    result = sync(admin)
    with admin.transaction():
        admin.execute(
            "insert into core.user_sessions (client_id, user_id, token_hash, expires_at)"
            " select client_id, id, 'x', now() + interval '1 hour' from core.users limit 1"
        )
    sync(admin, active=False)
    assert all_rows(admin, "select bool_or(active) from core.user_sessions") == [(False,)]
    assert all_rows(admin, "select bool_or(active) from core.users") == [(False,)]
    db.wait_replica()
    with pytest.raises(psycopg.OperationalError):
        db.connect(client_role(result.client_id), replica=True)


def test_an_address_belongs_to_one_client(admin: psycopg.Connection[Any]) -> None:
    sync(admin)
    with pytest.raises(SpecError, match=r"client other: .*ceo@initech.example is already a user of client initech"):
        sync(admin, "other")
    assert all_rows(admin, "select slug from core.clients") == [("initech",)]


@pytest.mark.parametrize("gone", ["inactive client", "removed person"])
def test_an_address_that_nobody_uses_is_free_again(admin: psycopg.Connection[Any], gone: str) -> None:
    first = sync(admin)
    with admin.transaction():
        admin.execute(
            "insert into core.user_sessions (client_id, user_id, token_hash, expires_at)"
            " select client_id, id, email, now() + interval '1 hour' from core.users"
        )
    sync(admin, **({"active": False} if gone == "inactive client" else {"users": SPEC["users"][1:]}))
    users = [{"email": "ceo@initech.example", "password": "another-password-3"}]
    other = sync(admin, "other", users=users)
    assert sync(admin, "other", users=users).rows_written == 0
    assert all_rows(admin, "select client_id, active from core.users where email = 'ceo@initech.example'") == [
        (other.client_id, True)
    ]
    kept = all_rows(admin, "select client_id, active, email ~ 'initech' from core.users where email ~ '^gone'")
    assert kept == [(first.client_id, False, False)]
    old = all_rows(admin, "select active from core.user_sessions where token_hash = 'ceo@initech.example'")
    assert old == [(False,)], "no session of the first client's account opens the second's"
    with pytest.raises(SpecError, match="is already a user of client other"):
        sync(admin)


def test_a_vanished_variable_deactivates_its_client(admin: psycopg.Connection[Any]) -> None:
    for slug in ("one", "two", "three"):
        sync(admin, slug, users=[])
    assert [gone.slug for gone in deactivate_missing(admin, {"one", "two"}, EVERY)] == ["three"]
    assert all_rows(admin, "select slug from core.clients where active order by 1") == [("one",), ("two",)]


@pytest.mark.parametrize("left", [set(), {"one"}])
def test_many_at_once_look_like_a_mistake(admin: psycopg.Connection[Any], left: set[str]) -> None:
    for slug in ("one", "two", "three", "four"):
        sync(admin, slug, users=[])
    with pytest.raises(MassDeactivation, match="pulse_allow_mass_deactivation"):
        deactivate_missing(admin, left, EVERY)
    assert all_rows(admin, "select count(*) from core.clients where active") == [(4,)]
    assert len(deactivate_missing(admin, left, EVERY, allow_many=True)) == 4 - len(left)
