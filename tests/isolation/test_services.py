"""The logins of our own services: each can do its work and no more, and the ETL cannot touch two clients in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from pulse.warehouse.connect import client_transaction, connect
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.rows import RowMaker, fill_every_table, secret_of, tenant_relations

Connection = psycopg.Connection[Any]
World = tuple[TestDatabase, tuple[int, int], list[RowMaker]]

SELECT_ONLY = {"core.system_settings", "core.integrations"}
CLOSED_TO_ETL = {
    *("core.users", "core.user_sessions", "core.ingest_keys", "core.embed_keys"),
    *("core.reports_sent", "core.reports_stopped", "core.alerts", "core.password_links", "core.erased"),
}


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    """Two clients with a row in every table; the tests roll back and leave it unchanged."""
    with TestDatabase.clone(cluster, TEMPLATE) as database:
        ids = (database.add_client("techcorp", "TechCorp"), database.add_client("acme", "Acme"))
        yield database, ids, fill_every_table(database, ids)


@pytest.fixture
def db(world: World) -> TestDatabase:
    return world[0]


@pytest.fixture
def clients(world: World) -> tuple[int, int]:
    return world[1]


@pytest.fixture
def etl(db: TestDatabase, clients: tuple[int, int]) -> Iterator[Connection]:
    """pulse_etl in a transaction that works for the first client; rolled back."""
    connection = db.connect("pulse_etl")
    connection.execute("select set_config('pulse.client_id', %s, true)", [str(clients[0])])
    yield connection
    connection.rollback()


def outcome(connection: Connection, statement: str) -> int | type[psycopg.Error]:
    """How many rows a statement touched, or how it was refused; rolled back either way."""
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement).rowcount  # type: ignore[arg-type]
    except psycopg.Error as error:
        return type(error)


def writable(db: TestDatabase) -> list[str]:
    return [table for table in tenant_relations(db) if table not in SELECT_ONLY | CLOSED_TO_ETL]


def test_the_etl_reads_one_client_in_every_table(db: TestDatabase, clients: tuple[int, int], etl: Connection) -> None:
    tables = [table for table in tenant_relations(db) if table not in CLOSED_TO_ETL]
    seen = {table: etl.execute(f"select client_id from {table}").fetchall() for table in tables}  # type: ignore[arg-type]
    assert seen == {table: [(clients[0],)] for table in tables} | {
        "core.integrations": [(clients[0],)] * len(seen["core.integrations"])
    }
    assert etl.execute("select id from core.clients").fetchall() == [(clients[0],)]


def test_the_etl_reads_no_users(etl: Connection) -> None:
    for table in CLOSED_TO_ETL:
        assert outcome(etl, f"select 1 from {table}") is errors.InsufficientPrivilege


def test_without_a_client_the_etl_gets_a_clear_error(db: TestDatabase) -> None:
    etl = db.connect("pulse_etl")
    for table in tenant_relations(db):
        with (
            etl.transaction(force_rollback=True),
            pytest.raises(errors.InsufficientPrivilege, match=r"pulse\.client_id is not set|permission denied"),
        ):
            etl.execute(f"select 1 from {table}")  # type: ignore[arg-type]


def test_updates_and_deletes_reach_own_rows_only(db: TestDatabase, clients: tuple[int, int], etl: Connection) -> None:
    own, other = clients
    for table in writable(db):
        assert outcome(etl, f"update {table} set client_id = client_id") == 1, table
        assert outcome(etl, f"update {table} set client_id = client_id where client_id = {other}") == 0, table
        assert outcome(etl, f"delete from {table} where client_id = {other}") == 0, table
        deleted = outcome(etl, f"delete from {table}")
        assert deleted == 1 or deleted is errors.ForeignKeyViolation, (table, deleted, own)


def test_rows_cannot_move_to_another_client(db: TestDatabase, clients: tuple[int, int], etl: Connection) -> None:
    for table in writable(db):
        moved = outcome(etl, f"update {table} set client_id = {clients[1]}")
        assert moved is errors.InsufficientPrivilege, (table, moved)


@pytest.mark.parametrize("clause", ["", "on conflict do nothing", "returning client_id"])
def test_rows_cannot_be_inserted_for_another_client(world: World, etl: Connection, clause: str) -> None:
    _, (_, other), makers = world
    for maker in makers:
        with (
            pytest.raises(errors.InsufficientPrivilege, match=r"row-level security|permission denied"),
            etl.transaction(),
        ):
            maker.insert(etl, other, clause)


def test_upserts_do_not_reach_the_other_clients_row(world: World, etl: Connection) -> None:
    db, (_, other), _ = world
    merge = (
        f"merge into core.dora_metrics m using (values ({other})) v (c) on m.client_id = v.c"
        " when matched then update set unit = 'hours' when not matched then do nothing"
    )
    assert outcome(etl, merge) == 0
    upsert = (
        "insert into core.transform_watermarks (client_id, transform, loaded_xid)"
        f" values ({other}, 'x', '1') on conflict (client_id, transform) do update set loaded_xid = '2'"
    )
    assert outcome(etl, upsert) is errors.InsufficientPrivilege
    assert db.name


def test_nothing_can_be_truncated(db: TestDatabase, etl: Connection) -> None:
    for table in tenant_relations(db):
        assert outcome(etl, f"truncate {table} cascade") is errors.InsufficientPrivilege


def test_a_row_cannot_point_at_another_clients_row(db: TestDatabase, clients: tuple[int, int]) -> None:
    own, other = clients
    theirs = db.add_integration(other, "github", "only_theirs")
    with (
        pytest.raises(errors.ForeignKeyViolation),
        client_transaction(db.connect("pulse_etl"), own) as etl,
    ):
        etl.execute(
            "insert into core.etl_runs (client_id, dag_run_id, task_id, integration_id) values (%s, 'r', 't', %s)",
            [own, theirs],
        )


def test_the_etl_has_a_stage_to_copy_into(etl: Connection) -> None:
    etl.execute("create temporary table stage (payload text) on commit drop")
    with etl.cursor().copy("copy stage from stdin") as copy:
        copy.write_row(["{}"])
    assert etl.execute("select count(*) from stage").fetchone() == (1,)


def test_the_etl_cannot_assume_another_role(etl: Connection, clients: tuple[int, int]) -> None:
    for role in ("pulse_owner", "pulse_admin", "pulse_staff", f"pulse_client_{clients[0]}"):
        assert outcome(etl, f"set role {role}") is errors.InsufficientPrivilege
    assert outcome(etl, "create table core.mine (a integer)") is errors.InsufficientPrivilege
    assert outcome(etl, "create role mine") is errors.InsufficientPrivilege
    assert outcome(etl, "alter table core.changes disable row level security") is errors.InsufficientPrivilege


def test_settings_are_those_of_the_current_client(db: TestDatabase, clients: tuple[int, int]) -> None:
    db.set_setting(clients[0], "dora.window_days", 14)
    db.set_setting(clients[1], "dora.window_days", 90)
    etl = db.connect("pulse_etl")
    found = []
    for client_id in clients:
        with client_transaction(etl, client_id):
            found += etl.execute(
                "select core.setting('dora.window_days', '30'), core.setting('dora.none', '5')"
            ).fetchall()
    assert found == [(14, 5), (90, 5)]


def test_a_client_transaction_ends_with_its_client(db: TestDatabase, clients: tuple[int, int]) -> None:
    etl = db.connect("pulse_etl", autocommit=True)
    with client_transaction(etl, clients[0]):
        assert etl.execute("select distinct client_id from core.changes").fetchall() == [(clients[0],)]
    with pytest.raises(errors.InsufficientPrivilege, match=r"pulse\.client_id is not set"):
        etl.execute("select client_id from core.changes")
    with client_transaction(etl, clients[1]):
        assert etl.execute("select distinct client_id from core.changes").fetchall() == [(clients[1],)]


def test_a_client_transaction_cannot_change_its_client(db: TestDatabase, clients: tuple[int, int]) -> None:
    etl = db.connect("pulse_etl", autocommit=True)
    with client_transaction(etl, clients[0]):
        with client_transaction(etl, clients[0]):
            etl.execute("select 1")
        with pytest.raises(ValueError, match=f"works for client {clients[0]}"), client_transaction(etl, clients[1]):
            etl.execute("select 1")


def test_connections_come_from_the_environment(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    with connect("pulse_etl") as etl:
        assert etl.execute("select session_user, current_database()").fetchone() == ("pulse_etl", db.name)
    with connect("pulse_replica") as staff:
        assert staff.execute("select session_user, pg_is_in_recovery()").fetchone() == ("pulse_staff", True)
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", "mysql://root@127.0.0.1/pulse")
    with pytest.raises(ValueError, match="its type must be postgres"):
        connect("pulse_etl")


def test_connections_come_from_airflow(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Connection as JSON in the environment is read by Airflow, like those in its database."""
    server = db.cluster.primary
    found = {"host": server.host, "port": server.port, "schema": db.name, "login": "pulse_etl", "extra": {"any": 1}}
    found |= {"conn_type": "postgres", "password": db.cluster.secrets.password("pulse_etl")}
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", json.dumps(found))
    with connect("pulse_etl") as etl:
        assert etl.execute("select session_user, current_database()").fetchone() == ("pulse_etl", db.name)
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", json.dumps(found | {"conn_type": "http"}))
    with pytest.raises(ValueError, match="its type must be postgres"):
        connect("pulse_etl")


def test_of_several_hosts_the_one_that_takes_writes_is_meant(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind Patroni (docs/reliability.md): by a URL in the environment, and by a Connection of Airflow."""
    password, where = db.cluster.secrets.password("pulse_etl"), "select pg_is_in_recovery()"
    replica, primary = db.cluster.replica, db.cluster.primary
    db.wait_replica()
    for order in ((replica, primary), (primary, replica)):
        hosts = ",".join(f"{server.host}:{server.port}" for server in order)
        url = f"postgresql://pulse_etl:{password}@{hosts}/{db.name}"
        monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", f"{url}?target_session_attrs=read-write")
        with connect("pulse_etl") as etl:
            assert etl.execute(where).fetchone() == (False,)
        monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", url)
        with connect("pulse_etl") as etl:
            assert etl.execute(where).fetchone() == (order[0] is replica,), "the first that answers"

    found = {"conn_type": "postgres", "schema": db.name, "login": "pulse_etl", "password": password}
    found |= {"host": f"{replica.host},127.0.0.2", "port": replica.port}
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", json.dumps(found))
    with connect("pulse_etl") as etl:
        assert etl.execute(where).fetchone() == (True,)
    writes = {"extra": {"target_session_attrs": "read-write"}}
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", json.dumps(found | writes))
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        connect("pulse_etl")


def test_staff_reads_every_client_but_no_people_and_no_payloads(db: TestDatabase, clients: tuple[int, int]) -> None:
    db.wait_replica()
    staff = db.connect("pulse_staff", replica=True, autocommit=True)
    for table in tenant_relations(db):
        if table in CLOSED_TO_ETL or table.startswith("raw."):
            with pytest.raises(errors.InsufficientPrivilege):
                staff.execute(f"select 1 from {table}")  # type: ignore[arg-type]
        else:
            seen = {row[0] for row in staff.execute(f"select client_id from {table}")}  # type: ignore[arg-type]
            assert seen == set(clients), table


def test_superset_logins_read_users_and_branding_only(db: TestDatabase, clients: tuple[int, int]) -> None:
    for key in ("brand.app_name", "feature.jira", "dora.window_days"):
        db.set_setting(clients[0], key, "x")
    auth = db.connect("pulse_auth", autocommit=True)
    assert len(auth.execute("select email from core.users").fetchall()) == 2
    keys = {row[0] for row in auth.execute("select setting_key from core.system_settings")}
    assert keys == {"brand.app_name", "feature.jira"}
    for table in tenant_relations(db):
        if table not in CLOSED_TO_ETL | {"core.system_settings", "core.data_versions"}:
            with pytest.raises(errors.InsufficientPrivilege):
                auth.execute(f"select 1 from {table}")  # type: ignore[arg-type]
    with pytest.raises(errors.InsufficientPrivilege):
        auth.execute("update core.users set role = 'client_admin'")


def test_sync_clients_writes_declarations_only(db: TestDatabase, clients: tuple[int, int]) -> None:
    admin = db.connect("pulse_admin")
    assert len(admin.execute("select slug from core.clients").fetchall()) == 2
    for table in tenant_relations(db):
        if table.startswith("raw.") or "github" in table or table == "core.dora_metrics":
            assert outcome(admin, f"select 1 from {table}") is errors.InsufficientPrivilege, table
    # It must see whether a client's run is active, which decides when the DAG may go, but not what the run said.
    admin.execute("select client_id, state, started_at from core.etl_runs").fetchall()
    assert outcome(admin, "select error from core.etl_runs") is errors.InsufficientPrivilege
    assert outcome(admin, "delete from core.etl_runs") is errors.InsufficientPrivilege
    assert outcome(admin, "delete from core.clients") is errors.InsufficientPrivilege
    assert outcome(admin, "create role pulse_client_99 login") is errors.InsufficientPrivilege
    assert outcome(admin, f"alter role pulse_client_{clients[0]} bypassrls") is errors.InsufficientPrivilege


@pytest.mark.parametrize(
    ("client_id", "verifier", "refusal"),
    [
        (987654, "SCRAM-SHA-256$4096:YQ==$YQ==:YQ==", errors.ForeignKeyViolation),
        (None, "SCRAM-SHA-256$4096:YQ==$YQ==:YQ==", errors.ForeignKeyViolation),
        (1, "a password in clear", errors.InvalidParameterValue),
        (1, "", errors.InvalidParameterValue),
    ],
)
def test_only_a_verifier_for_an_existing_client_creates_a_role(
    db: TestDatabase, clients: tuple[int, int], client_id: int | None, verifier: str, refusal: type[psycopg.Error]
) -> None:
    with pytest.raises(refusal), db.connect("pulse_admin") as admin:
        admin.execute("select core.ensure_client_role(%s, %s, true)", [client_id, verifier])


@pytest.mark.parametrize(("role", "replica"), [("pulse_staff", False), ("pulse_nobody", False), ("pulse_admin", True)])
def test_a_login_on_the_wrong_server_is_refused(db: TestDatabase, role: str, replica: bool) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
        db.connect(role, replica=replica)


def test_the_other_clients_rows_exist_in_every_table(db: TestDatabase, clients: tuple[int, int]) -> None:
    """The control: the other client's row exists in every table that the tests above query."""
    with db.cluster.primary.connect(database=db.name) as superuser:
        for table in tenant_relations(db):
            found = superuser.execute(f"select 1 from {table} where client_id = {clients[1]}").fetchone()  # type: ignore[arg-type]
            assert found == (1,), table
        rows = superuser.execute("select title from core.changes").fetchall()
    assert {(f"title-{secret_of(client_id)}",) for client_id in clients} == set(rows)
