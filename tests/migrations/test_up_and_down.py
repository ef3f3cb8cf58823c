"""The migrations run forwards and backwards, and forwards again to the same schema."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql

from stack.postgres import roles as postgres_roles
from stack.postgres.account import run_as
from stack.postgres.cluster import Cluster

ROLES = """
    select a.rolname, a.rolpassword, r.rolconfig, a.rolconnlimit
    from pg_authid a join pg_roles r using (oid)
    where a.rolname like 'pulse%' order by 1
"""


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """A hardened database without any table."""
    name = f"pulse_test_{secrets.token_hex(6)}"
    postgres_roles.bootstrap_primary(cluster, name)
    yield name
    with cluster.primary.connect() as superuser:
        superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def schema_of(cluster: Cluster, database: str) -> str:
    dump = run_as(
        cluster.account,
        [
            str(cluster.binaries / "pg_dump"),
            "--schema-only",
            "--restrict-key=test",
            "--exclude-table=public.alembic_version",
            "--dbname",
            cluster.primary.url("postgres", database),
        ],
    )
    assert "PostgreSQL database dump complete" in dump
    return dump


def test_down_leaves_nothing_and_up_again_is_the_same(cluster: Cluster, empty: str) -> None:
    configuration = postgres_roles.alembic_config(cluster.primary.url("pulse_owner", empty))
    before = schema_of(cluster, empty)
    command.upgrade(configuration, "head")
    first = schema_of(cluster, empty)
    assert "CREATE TABLE core.dora_metrics" in first
    command.downgrade(configuration, "base")
    assert schema_of(cluster, empty) == before
    command.upgrade(configuration, "head")
    assert schema_of(cluster, empty) == first


def test_each_migration_can_be_taken_back_alone(cluster: Cluster, empty: str) -> None:
    configuration = postgres_roles.alembic_config(cluster.primary.url("pulse_owner", empty))
    revisions = [script.revision for script in ScriptDirectory.from_config(configuration).walk_revisions()][::-1]
    assert len(revisions) >= 4
    for revision in revisions:
        before = schema_of(cluster, empty)
        command.upgrade(configuration, revision)
        command.downgrade(configuration, "-1")
        assert schema_of(cluster, empty) == before, f"the way back from {revision} leaves something"
        command.upgrade(configuration, revision)


def test_a_second_upgrade_changes_nothing(cluster: Cluster, empty: str) -> None:
    postgres_roles.migrate(cluster, empty)
    postgres_roles.secure_roles(cluster, empty)
    with cluster.primary.connect(database=empty) as superuser:
        before = schema_of(cluster, empty), superuser.execute(ROLES).fetchall()
        postgres_roles.bootstrap_primary(cluster, empty)
        postgres_roles.migrate(cluster, empty)
        postgres_roles.secure_roles(cluster, empty)
        after = schema_of(cluster, empty), superuser.execute(ROLES).fetchall()
    assert after == before


def test_days_that_only_said_no_data_go_with_the_upgrade(cluster: Cluster, empty: str) -> None:
    """0010: the owner of the table, who is bound by its policies, deletes the rows of every client."""
    configuration = postgres_roles.alembic_config(cluster.primary.url("pulse_owner", empty))
    command.upgrade(configuration, "0009")
    kept = {
        ("lead_time_for_changes", "day", 2),
        ("deployment_frequency", "day", 0),
        ("lead_time_for_changes", "week", 0),
    }
    with cluster.primary.connect(database=empty) as superuser:
        for metric, grain, sample in {*kept, ("change_failure_rate", "day", 0)}:
            superuser.execute(
                "insert into core.dora_metrics (client_id, metric_type, family, grain, scope_type, scope_id, period_start,"
                " period_end, calculation_date, is_partial, unit, sample_size, null_reason, definition_version)"
                " values (7, %s, 'delivery', %s, 'client', '', '2026-03-02', '2026-03-03', '2026-03-02', false, 'ratio', %s,"
                " 'no_data', 'pulse-2')",
                [metric, grain, sample],
            )
        superuser.commit()
        command.upgrade(configuration, "0010")
        left = superuser.execute("select metric_type, grain, sample_size from core.dora_metrics").fetchall()
    assert set(left) == kept


def test_the_issues_that_changes_name_come_into_their_rows_with_the_upgrade(cluster: Cluster, empty: str) -> None:
    """0011, for every client, though its owner is bound by the policies."""
    configuration = postgres_roles.alembic_config(cluster.primary.url("pulse_owner", empty))
    command.upgrade(configuration, "0010")
    with cluster.primary.connect(database=empty) as superuser:
        for client in (7, 8):
            superuser.execute(
                "insert into core.changes (client_id, id, service_id, integration_id, title, is_bot, opened_at, merged_at)"
                " select %s, id, 's', 1, 'T', false, now(), now() from unnest(array['one', 'two']) id",
                [client],
            )
            superuser.execute(
                "insert into core.change_references values (%s, 'one', 'OPS-2'), (%s, 'one', 'OPS-10')",
                [client, client],
            )
        superuser.commit()
        command.upgrade(configuration, "0011")
        found = superuser.execute("select client_id, id, issue_keys from core.changes order by 1, 2").fetchall()
    assert found == [(c, i, keys) for c in (7, 8) for i, keys in (("one", ["OPS-10", "OPS-2"]), ("two", []))]


def test_every_migration_has_both_files() -> None:
    files = {path.name for path in (postgres_roles.ROOT / "migrations" / "sql").iterdir()}
    stems = {re.sub(r"\.(up|down)\.sql$", "", name) for name in files}
    versions = {path.stem for path in (postgres_roles.ROOT / "migrations" / "versions").glob("0*.py")}
    assert stems == versions
    assert {f"{stem}.{way}.sql" for stem in stems for way in ("up", "down")} == files


def test_raw_payloads_use_lz4_where_the_server_has_it(cluster: Cluster, empty: str) -> None:
    postgres_roles.migrate(cluster, empty)
    with cluster.primary.connect(database=empty) as superuser:
        offered = superuser.execute(
            "select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression'"
        ).fetchone()
        used = superuser.execute(
            "select distinct attcompression = 'l' from pg_attribute"
            " where attrelid = 'raw.jira_issues'::regclass and attname = 'payload'"
        ).fetchone()
    assert used == offered
