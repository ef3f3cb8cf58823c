"""The curious executive with a database login: what a client's role can see on the replica, whatever it tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from pulse.tenancy import client_role, ensure_client_role
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.rows import fill_every_table, secret_of, tenant_relations

Connection = psycopg.Connection[Any]

# What a client's login may not read at all, not even for its own company.
CLOSED = {
    *("core.users", "core.user_sessions", "core.transform_watermarks", "core.dora_queue", "core.work_state"),
    *("core.alerts", "core.reports_sent", "core.reports_stopped", "core.password_links", "core.erased"),
    *("core.embed_keys", "core.ingest_keys", "core.ingest_moves", "core.ingest_deliveries", "core.ingest_runs"),
}


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[tuple[TestDatabase, tuple[int, int]]]:
    """Two clients (own, other) with a row in every table, analysed and replayed on the replica; not to be changed."""
    with TestDatabase.clone(cluster, TEMPLATE) as database:
        ids = (database.add_client("techcorp", "TechCorp"), database.add_client("acme", "Acme"))
        fill_every_table(database, ids)
        database.wait_replica()
        yield database, ids


@pytest.fixture
def db(world: tuple[TestDatabase, tuple[int, int]]) -> TestDatabase:
    return world[0]


@pytest.fixture
def clients(world: tuple[TestDatabase, tuple[int, int]]) -> tuple[int, int]:
    return world[1]


@pytest.fixture
def executive(db: TestDatabase, clients: tuple[int, int]) -> Iterator[Connection]:
    """The own client's login on the replica."""
    with db.connect(client_role(clients[0]), replica=True, autocommit=True) as connection:
        yield connection


def everything(connection: Connection, query: str) -> str:
    """The whole answer to a query, as one text."""
    return repr(connection.execute(query).fetchall())  # type: ignore[arg-type]


def clients_seen(connection: Connection, relation: str) -> set[int]:
    return {row[0] for row in connection.execute(f"select client_id from {relation}")}  # type: ignore[arg-type]


def test_every_table_shows_own_rows_or_nothing(
    db: TestDatabase, executive: Connection, clients: tuple[int, int]
) -> None:
    refused, shown = set(), {}
    for table in tenant_relations(db):
        try:
            shown[table] = clients_seen(executive, table)
        except errors.InsufficientPrivilege:
            refused.add(table)
    assert shown == {table: {clients[0]} for table in shown}
    assert {"core.dora_metrics", "core.changes", "core.deployments", "core.system_settings"} <= shown.keys()
    assert refused == CLOSED | {table for table in tenant_relations(db) if table.startswith("raw.")}


def test_every_view_shows_own_rows_only(db: TestDatabase, executive: Connection, clients: tuple[int, int]) -> None:
    views = {view for view in tenant_relations(db, "v") if not view.startswith("report.operations_")}
    shown = {view: clients_seen(executive, view) for view in views}
    assert shown == {view: seen & {clients[0]} for view, seen in shown.items()}


def test_no_view_for_staff_is_open(db: TestDatabase, executive: Connection) -> None:
    for_staff = {view for view in tenant_relations(db, "v") if view.startswith("report.operations_")}
    assert for_staff
    for view in for_staff:
        with pytest.raises(errors.InsufficientPrivilege):
            executive.execute(f"select from {view}")  # type: ignore[arg-type]


def test_the_clients_table_names_one_client(executive: Connection, clients: tuple[int, int]) -> None:
    assert executive.execute("select id, slug from core.clients").fetchall() == [(clients[0], "techcorp")]


@pytest.mark.parametrize("columns", ["base_url", "connection_id", "config_data", "*"])
def test_the_address_of_an_integration_is_not_shown(executive: Connection, columns: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        executive.execute(f"select {columns} from core.integrations")  # type: ignore[arg-type]


REFUSED = {
    "query_to_xml": "select query_to_xml('select * from core.changes', true, false, '')",
    "query_to_xml_and_xmlschema": "select query_to_xml_and_xmlschema('select 1', true, false, '')",
    "table_to_xml": "select table_to_xml('core.changes', true, false, '')",
    "schema_to_xml": "select schema_to_xml('core', true, false, '')",
    "database_to_xml": "select database_to_xml(true, false, '')",
    "cursor_to_xml": "select cursor_to_xml('c', 1, true, false, '')",
    "set_config client": "select set_config('pulse.client_id', '{other}', false)",
    "set_config role": "select set_config('role', 'pulse_staff', false)",
    "set_config session_authorization": "select set_config('session_authorization', 'pulse_client_{other}', false)",
    "set_config timeout": "select set_config('statement_timeout', '0', false)",
    "session authorization of another client": "set session authorization pulse_client_{other}",
    "session authorization of the owner": "set session authorization pulse_owner",
    "role of another client": "set role pulse_client_{other}",
    "role staff": "set role pulse_staff",
    "role owner": "set role pulse_owner",
    "role group": "set role pulse_reader",
    "row_security off": "set row_security = off; select * from core.changes",
    "users": "select * from core.users",
    "user_sessions": "select token_hash from core.user_sessions",
    "raw": "select payload from raw.jira_issues",
    "run errors": "select error from core.etl_runs",
    "etl client": "select core.etl_client_id()",
    "setting of the etl": "select core.setting('brand.app_name', null)",
    "make a role": "select core.ensure_client_role({other}, 'SCRAM-SHA-256$4096:YQ==$YQ==:YQ==', true)",
    "pg_authid": "select rolpassword from pg_authid",
    "pg_shadow": "select * from pg_shadow",
    "pg_statistic": "select * from pg_statistic",
    "pg_stat_activity": "select * from pg_stat_activity",
    "pg_stat_get_activity": "select * from pg_stat_get_activity(null)",
    "pg_hba_file_rules": "select * from pg_hba_file_rules",
    "pg_read_file": "select pg_read_file('postgresql.conf')",
    "pg_read_binary_file": "select pg_read_binary_file('global/pg_control')",
    "pg_ls_dir": "select pg_ls_dir('.')",
    "pg_ls_waldir": "select pg_ls_waldir()",
    "primary_conninfo": "show primary_conninfo",
    "lo_get": "select lo_get(1)",
    "lo_import": "select lo_import('/etc/passwd')",
    "lo_from_bytea": "select lo_from_bytea(0, 'x')",
    "dblink": "select dblink('host=127.0.0.1', 'select 1')",
    "extension": "create extension dblink",
    "copy to file": "copy core.changes to '/tmp/pulse-leak'",
    "copy to program": "copy core.changes to program 'cat'",
    "copy from program": "copy core.changes from program 'id'",
    "temporary table": "create temporary table leak (a integer)",
    "table": "create table report.leak (a integer)",
    "function": "create function pg_temp.leak(text) returns boolean language sql as 'select true'",
    "own password": "alter role current_user password 'x'",
    "own attributes": "alter role current_user bypassrls",
    "policy": "drop policy reader on core.changes",
    "sleep": "select pg_sleep(1)",
    "cancel": "select pg_cancel_backend(1)",
    "terminate": "select pg_terminate_backend(1)",
    "promote": "select pg_promote()",
    "pause": "select pg_wal_replay_pause()",
    "advisory lock": "select pg_advisory_lock(1)",
    "notify": "notify pulse, 'x'",
    "lock": "lock table core.changes in access exclusive mode",
}


@pytest.mark.parametrize("attack", REFUSED)
def test_refused(executive: Connection, clients: tuple[int, int], attack: str) -> None:
    refusal = (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.ReadOnlySqlTransaction)
    with pytest.raises((*refusal, errors.ObjectNotInPrerequisiteState)):
        executive.execute(REFUSED[attack].replace("{other}", str(clients[1])))  # type: ignore[arg-type]


# Allowed, but answered with own rows only.
HARMLESS = {
    "plain": "select * from core.changes",
    "named": "select * from core.changes where client_id = {other}",
    "everything": "select * from core.changes where client_id = {other} or true",
    "row as text": "select c::text, to_jsonb(c) from core.changes c",
    "self join": "select b.* from core.changes a right join core.changes b on a.client_id <> b.client_id",
    "lateral": "select x.* from core.clients c, lateral (select * from core.changes where client_id <> c.id) x",
    "aggregate": "select json_agg(d) from core.dora_metrics d",
    "index": "select max(id) from core.changes where client_id > {own}",
    "tid": "select * from core.changes where ctid = any (array(select ('(0,' || n || ')')::tid"
    " from generate_series(1, 9) n))",
    "tablesample": "select * from core.changes tablesample system (100)",
    "recursive": "with recursive r as (select * from core.changes union select r.* from r) select * from r",
    "setting by SET": "set pulse.client_id = '{other}'; select * from core.changes",
    "search path": "set search_path = pg_catalog, core; select * from changes",
    "prepared": "prepare p as select * from core.changes where client_id = $1; execute p({other})",
    "cursor": "begin; declare c cursor for select * from core.changes; fetch all from c",
    "pg_stats": "select * from pg_stats where schemaname in ('raw', 'core')",
    "pg_stats_ext": "select * from pg_stats_ext",
    "pg_sequences": "select * from pg_sequences where last_value is not null",
    "pg_settings": "select * from pg_settings",
    "information_schema": "select * from information_schema.tables, information_schema.role_table_grants limit 1000",
    "comments": "select * from pg_description where objoid > 16000",
    "databases": "select * from pg_database",
    "explain": "explain (analyze, verbose) select * from core.changes where title = 'title-{secret}'",
    "explain metrics": "explain (analyze, verbose, buffers) select * from core.dora_metrics",
    "division by another's row": "select 1 / (case when client_id = {other} then 0 else 1 end) from core.changes",
    "cast of another's row": "select * from core.changes where case when client_id = {own} then false"
    " else title::int = 1 end",
    "error in a join": "select * from core.clients c join core.changes d on case when d.client_id = {own} then true"
    " else (d.title || c.name)::int = 1 end",
    "error behind a fence": "select * from (select * from core.changes offset 0) s where client_id = {own}"
    " or sqrt(-length(title)) > 0",
    "pattern": "select regexp_replace(title, '(secret-of-{other})', '\\1') from core.changes",
}


@pytest.mark.parametrize("attack", HARMLESS)
def test_answered_without_the_other_client(executive: Connection, clients: tuple[int, int], attack: str) -> None:
    own, other = clients
    query = HARMLESS[attack].replace("{own}", str(own)).replace("{other}", str(other))
    answer = executive.execute(query.replace("{secret}", secret_of(other)))  # type: ignore[arg-type]
    text = ""
    while True:
        if answer.description is not None:
            text += repr(answer.fetchall())
        if not answer.nextset():
            break
    shown = text.replace(f"'title-{secret_of(other)}'", "")  # the question's own words, in a plan
    assert secret_of(other) not in shown
    assert "acme" not in shown


def test_copy_streams_own_rows_only(executive: Connection, clients: tuple[int, int]) -> None:
    with executive.cursor().copy("copy core.changes to stdout") as copy:
        text = b"".join(bytes(part) for part in copy).decode()
    assert secret_of(clients[0]) in text
    assert secret_of(clients[1]) not in text


def test_a_code_block_sees_own_rows_only(executive: Connection, clients: tuple[int, int]) -> None:
    heard: list[str] = []
    executive.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
    executive.execute(
        "do $$ declare r record; begin for r in execute 'select title from core.changes' loop"
        " raise notice '%', r.title; end loop; end $$"
    )
    assert heard == [f"title-{secret_of(clients[0])}"]


def test_the_superuser_sees_what_the_attacks_look_for(db: TestDatabase, clients: tuple[int, int]) -> None:
    """The control. Without it, a test above could pass because there is nothing to find."""
    with db.cluster.replica.connect(database=db.name) as superuser:
        for query in ("select * from core.changes", "select * from pg_stats", "select * from core.users"):
            assert secret_of(clients[1]) in everything(superuser, query)


def test_no_table_can_be_written(db: TestDatabase, executive: Connection) -> None:
    written = []
    for table in tenant_relations(db):
        for statement in (
            f"insert into {table} (client_id) values (1)",
            f"update {table} set client_id = 1",
            f"delete from {table}",
            f"truncate {table}",
        ):
            try:
                executive.execute(statement)  # type: ignore[arg-type]
            except (errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege):
                continue
            written.append(statement)
    assert written == []


def test_the_role_itself_has_read_rights_only(db: TestDatabase, clients: tuple[int, int]) -> None:
    """Writing fails not only because the replica is read-only: on a primary, these rights would not allow it either."""
    owner = db.connect("pulse_owner")
    for table in tenant_relations(db):
        row = owner.execute(
            "select has_table_privilege(%s, %s, 'insert, update, delete, truncate, references, trigger')",
            [client_role(clients[0]), table],
        ).fetchone()
        assert row == (False,), table


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_no_other_database_of_the_server_can_be_opened(
    db: TestDatabase, clients: tuple[int, int], database: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(db.cluster.replica.url(client_role(clients[0]), database))


def test_the_primary_refuses_a_clients_login(db: TestDatabase, clients: tuple[int, int]) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        db.connect(client_role(clients[0]))


def test_a_wrong_password_is_refused(db: TestDatabase, clients: tuple[int, int]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        db.connect(client_role(clients[0]), replica=True, password="0" * 64)


@pytest.fixture
def deactivated(db: TestDatabase, clients: tuple[int, int]) -> Iterator[int]:
    """The own client, inactive for the duration of the test."""

    def switch(active: bool) -> None:
        with db.connect("pulse_admin") as admin:
            admin.execute("update core.clients set active = %s where id = %s", [active, clients[0]])
            ensure_client_role(admin, clients[0], active=active, secret=db.cluster.secrets.readers)
        db.wait_replica()

    switch(False)
    yield clients[0]
    switch(True)


def test_a_deactivated_client_cannot_log_in(db: TestDatabase, clients: tuple[int, int], deactivated: int) -> None:
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        db.connect(client_role(deactivated), replica=True)
    assert clients_seen(db.connect(client_role(clients[1]), replica=True), "core.changes") == {clients[1]}


def test_a_deactivated_clients_open_session_sees_nothing(executive: Connection, deactivated: int) -> None:
    assert clients_seen(executive, "core.changes") == set()
    assert clients_seen(executive, "core.dora_metrics") == set()


def test_the_login_without_rights_reads_nothing(db: TestDatabase, clients: tuple[int, int]) -> None:
    nobody = db.connect("pulse_nobody", replica=True, autocommit=True)
    for relation in [*tenant_relations(db), *tenant_relations(db, "v"), "core.clients"]:
        with pytest.raises(errors.InsufficientPrivilege):
            nobody.execute(sql.SQL("select 1 from {}").format(sql.SQL(relation)))


def test_a_careless_view_or_function_of_the_owner_shows_nothing(db: TestDatabase, clients: tuple[int, int]) -> None:
    with db.connect("pulse_owner") as owner:
        owner.execute("create view report.careless as select * from core.changes")
        owner.execute(
            "create function report.careless() returns setof core.changes language sql security definer"
            " as 'select * from core.changes'"
        )
        owner.execute("grant select on report.careless to pulse_reader")
        owner.execute("grant execute on function report.careless() to pulse_reader")
    db.wait_replica()
    reader = db.connect(client_role(clients[0]), replica=True)
    seen = clients_seen(reader, "report.careless"), clients_seen(reader, "report.careless()")
    with db.connect("pulse_owner") as owner:
        owner.execute("drop view report.careless")
        owner.execute("drop function report.careless()")
    assert seen == (set(), set())


def test_queries_are_bounded(executive: Connection) -> None:
    assert executive.execute("show statement_timeout").fetchone() == ("30s",)
