"""What must be true of every table, whoever adds it: tenancy in its keys, row-level security, closed by default."""

from __future__ import annotations

from typing import Any

import pytest

from pulse.tenancy import SERVICE_ROLES
from tests.support.database import TestDatabase

# A login names only an e-mail address, so that one key must be unique over all clients.
KEYS_NOT_LED_BY_CLIENT = {"users_email"}

OPEN_TO_PUBLIC = """
    select n.nspname || '.' || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
    where n.nspname in ('raw', 'core', 'report') and a.grantee = 0
    union all
    select p.oid::regprocedure::text
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('raw', 'core', 'report') and has_function_privilege('public', p.oid, 'execute')
    union all
    select nspname from pg_namespace n, aclexplode(n.nspacl) a
    where nspname in ('raw', 'core', 'report', 'public') and a.grantee = 0
"""

TENANT_TABLES = """
    select c.oid::regclass::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and n.nspname in ('raw', 'core', 'report', 'public')
      and exists (select from pg_attribute a
                  where a.attrelid = c.oid and a.attname = 'client_id' and not a.attisdropped)
"""

# Names of unique indexes (primary keys too) and foreign keys of tenant tables whose first column is not client_id.
KEYS_LED_BY_ANOTHER_COLUMN = f"""
    select i.relname
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    left join pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
    where x.indisunique and x.indrelid::regclass::text in ({TENANT_TABLES}) and a.attname is distinct from 'client_id'
    union all
    select k.conname
    from pg_constraint k
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
    where k.contype = 'f' and k.conrelid::regclass::text in ({TENANT_TABLES})
      and (a.attname <> 'client_id'
           or f.attname <> case when k.confrelid = 'core.clients'::regclass then 'id' else 'client_id' end)
"""


def column(db: TestDatabase, query: str, parameters: Any = None) -> set[Any]:
    return {row[0] for row in db.connect("pulse_owner").execute(query, parameters)}


def test_every_key_of_a_tenant_table_starts_with_the_client(db: TestDatabase) -> None:
    assert len(column(db, TENANT_TABLES)) > 40
    assert column(db, KEYS_LED_BY_ANOTHER_COLUMN) == KEYS_NOT_LED_BY_CLIENT


def test_every_tenant_table_has_a_primary_key(db: TestDatabase) -> None:
    without = column(
        db,
        f"select t from ({TENANT_TABLES}) as s (t) where not exists"
        " (select from pg_index x where x.indisprimary and x.indrelid = t::regclass)",
    )
    assert without == set()


def test_row_level_security_is_forced_on_every_tenant_table(db: TestDatabase) -> None:
    assert column(db, "select * from core.unprotected_tables()") == set()


def test_a_new_table_without_row_level_security_is_reported(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as owner:
        owner.execute("create table core.forgotten (client_id integer)")
        owner.execute("create materialized view report.forgotten_too as select 1 as client_id")
    assert column(db, "select unprotected::text from core.unprotected_tables()") == {
        "forgotten",
        "forgotten_too",
    }


def test_new_objects_are_closed(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as owner:
        owner.execute("create table core.later (client_id integer)")
        owner.execute("create view report.later as select * from core.later")
        owner.execute("create function core.later() returns integer language sql as 'select 1'")
    readers = ["pulse_etl", "pulse_staff", "pulse_reader", "pulse_auth", "pulse_admin", "pulse_nobody"]
    open_to = column(
        db,
        "select r from unnest(%s::text[]) r where has_table_privilege(r, 'core.later', 'select')"
        " or has_table_privilege(r, 'report.later', 'select') or has_function_privilege(r, 'core.later()', 'execute')",
        [readers],
    )
    assert open_to == set()


def test_nothing_is_open_to_public(db: TestDatabase) -> None:
    assert column(db, OPEN_TO_PUBLIC) == set()


def test_every_view_asks_with_the_rights_of_who_reads_it(db: TestDatabase) -> None:
    careless = column(
        db,
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'v' and n.nspname in ('raw', 'core', 'report')"
        " and not coalesce('security_invoker=true' = any (c.reloptions), false)",
    )
    assert careless == set()


def test_policies_ask_for_the_client_once_a_query(db: TestDatabase) -> None:
    """`client_id = (select fn())` is an InitPlan and an index condition; a bare call is neither."""
    bare = column(
        db,
        "select tablename || '.' || policyname from pg_policies where schemaname in ('raw', 'core')"
        " and qual ~ '_client_id\\(\\)' and qual !~ '= \\( SELECT (core\\.)?(etl|reader)_client_id\\(\\)'",
    )
    assert bare == set()


def test_the_readers_policy_uses_the_index(db: TestDatabase, two_clients: tuple[int, int]) -> None:
    db.wait_replica()
    reader = db.connect(f"pulse_client_{two_clients[0]}", replica=True)
    reader.execute("set enable_seqscan = off")
    plan = "\n".join(row[0] for row in reader.execute("explain select * from core.changes"))
    assert "InitPlan" in plan
    assert "Index Cond: (client_id = (InitPlan" in plan


@pytest.mark.parametrize("role", [*SERVICE_ROLES, "pulse_reader"])
def test_no_role_is_above_the_policies(db: TestDatabase, role: str) -> None:
    superuser = db.cluster.primary.connect(database=db.name)
    with superuser:
        found = superuser.execute(
            "select rolsuper, rolbypassrls, rolreplication, rolcreatedb, rolcreaterole, rolcanlogin"
            " from pg_roles where rolname = %s",
            [role],
        ).fetchone()
    assert found == (False, False, False, False, role == "pulse_owner", role != "pulse_reader")


def test_no_role_may_act_as_another(db: TestDatabase, two_clients: tuple[int, int]) -> None:
    """Only clients' logins are members of anything, and only of pulse_reader, without SET."""
    memberships = db.connect("pulse_owner").execute(
        "select m.member::regrole::text, m.roleid::regrole::text from pg_auth_members m"
        " where m.member::regrole::text like 'pulse%' and (m.inherit_option or m.set_option)"
    )
    pairs = set(memberships)
    assert {f"pulse_client_{client_id}" for client_id in two_clients} <= {member for member, _ in pairs}
    assert {group for _, group in pairs} == {"pulse_reader"}
    assert all(member.startswith("pulse_client_") for member, _ in pairs)
    assert column(db, "select 1 from pg_auth_members where set_option and member::regrole::text like 'pulse%'") == set()


def test_passwords_are_stored_as_scram_verifiers(db: TestDatabase, two_clients: tuple[int, int]) -> None:
    with db.cluster.primary.connect() as superuser:
        kinds = set(
            superuser.execute("select left(rolpassword, 13) from pg_authid where rolcanlogin and rolname like 'pulse%'")
        )
    assert kinds == {("SCRAM-SHA-256",)}
