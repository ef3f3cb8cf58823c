"""What the login of the app can do with a key, with none, and with another client's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import errors

from pulse.ingest.keys import digest
from tests.ingest.conftest import DEPLOYMENT, Push
from tests.support.rows import tenant_relations

Connection = psycopg.Connection[Any]
# What the app uses. Anything else is closed.
OPEN = {"raw.http_json_records", "raw.rejects", "core.ingest_moves", "core.ingest_deliveries", "core.ingest_runs"}
SETTINGS = "core.system_settings"


@pytest.fixture
def filled(push: Push) -> Push:
    """Both clients have rows in every table that the app uses."""
    for slug in ("acme", "globex"):
        push.declare(slug, {"ingest.triggers_run": True})
        token = push.key(slug).secret
        assert push.post(token, [DEPLOYMENT, {"id": "bad"}], f"/v1/{slug}/deployments").status_code == 202
        payload = {"repository": {"id": 7}}
        assert push.webhook(push.key(slug, "github").secret, payload, slug=slug).status_code == 202
    return push


@pytest.fixture
def login(filled: Push) -> Connection:
    """As pulse_ingest, with nothing else."""
    return filled.db.connect("pulse_ingest")


def show(conn: Connection, secret: str) -> None:
    conn.execute("select set_config('pulse.ingest_key', %s, true)", [digest(secret)])


def refused(conn: Connection, statement: str) -> bool:
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement)  # type: ignore[call-overload]
    except errors.InsufficientPrivilege:
        return True
    return False


def test_without_a_key_there_is_not_one_row(filled: Push, login: Connection) -> None:
    for table in tenant_relations(filled.db):
        if table in OPEN | {SETTINGS}:
            assert login.execute(f"select count(*) from {table}").fetchone() == (0,), table  # type: ignore[call-overload]
        else:
            assert refused(login, f"select 1 from {table}"), table
    assert refused(login, "select 1 from core.clients")
    assert login.execute("select * from core.ingest_source()").fetchall() == []


def test_a_key_shows_its_own_source_only(filled: Push, login: Connection) -> None:
    show(login, filled.key("acme").secret)
    for table in ("raw.http_json_records", "raw.rejects"):
        seen = login.execute(f"select distinct client_id from {table}").fetchall()  # type: ignore[call-overload]
        assert seen == [(filled.ids["acme"],)], table
    assert login.execute("select count(*) from core.ingest_moves").fetchone() == (0,), "they are the source github's"
    assert login.execute(f"select setting_key from {SETTINGS}").fetchall() == [("ingest.triggers_run",)]  # type: ignore[call-overload]


def test_no_key_writes_into_another_source(filled: Push, login: Connection) -> None:
    columns = "client_id, integration_id, record_id, scope_key, payload, payload_hash"
    with filled.db.connect("pulse_admin") as admin:
        rows = admin.execute("select client_id, id, name from core.integrations").fetchall()
    for client_id, integration_id, name in rows:
        show(login, filled.key("acme").secret)
        statement = f"insert into raw.http_json_records ({columns}) values ({client_id}, {integration_id}, 'x', 'x', '{{}}', 'x')"
        own = (client_id, name) == (filled.ids["acme"], "ci")
        assert refused(login, statement) is not own, (client_id, name)
        login.rollback()


STATEMENTS = {
    "delete": "delete from raw.http_json_records",
    "delete rejects": "delete from raw.rejects",
    "change a reject": "update raw.rejects set payload = 'x'",
    "truncate": "truncate raw.http_json_records",
    "keys": "select key_hash from core.ingest_keys",
    "make a key": "insert into core.ingest_keys (client_id, integration_id, kind, key_hash) values (1, 1, 'token', 'x')",
    "users": "select password_hash from core.users",
    "integrations": "select config_data from core.integrations",
    "other raw records": "select payload from raw.github_deployments",
    "numbers": "select 1 from core.dora_metrics",
    "another role": "set role pulse_etl",
    "the owner": "set session authorization pulse_owner",
    "a client's login": "select core.ensure_client_role(1, 'x', true)",
    "open another table": "select core.open_to_ingest('core.users', 'select')",
    "pretend to be the etl": "select core.etl_client_id()",
    "files": "select pg_read_file('postgresql.conf')",
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_nothing_else_is_allowed_even_with_a_key(filled: Push, login: Connection, kind: str) -> None:
    show(login, filled.key("acme").secret)
    assert refused(login, STATEMENTS[kind])


def test_a_revoked_key_shows_nothing(filled: Push, login: Connection) -> None:
    key = filled.key("acme")
    filled.revoke("acme", key.id)
    show(login, key.secret)
    assert login.execute("select count(*) from raw.http_json_records").fetchone() == (0,)


def test_nobody_else_may_ask_for_keys(filled: Push) -> None:
    for role in ("pulse_etl", "pulse_auth"):
        for call in ("core.ingest_source()", "core.webhook_nonces('acme', 'github', 'github')", "core.claim_runs()"):
            assert refused(filled.db.connect(role), f"select * from {call}"), (role, call)
