"""Migrations go forward, in one transaction, and take over what the seventeen squashed ones have made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, pool

from migrations import views
from migrations.errors import MigrateError
from migrations.migrate import alembic_config, migrate
from migrations.takeover import OLD_HEAD, OLD_HEAD_COMMIT, SQUASHED
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from stack.errors import StackError
from stack.postgres import roles as postgres_roles
from stack.postgres.account import run_as
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.schema import SCHEMA_FILE, schema_text

ROOT = Path(__file__).resolve().parents[2]
ROLES = """
    select a.rolname, a.rolpassword, r.rolconfig, a.rolconnlimit
    from pg_authid a join pg_roles r using (oid)
    where a.rolname like 'pulse%' order by 1
"""


def schema_of(cluster: Cluster, database: str) -> str:
    dump = run_as(
        cluster.account,
        [
            str(cluster.binaries / "pg_dump"),
            "--schema-only",
            "--restrict-key=test",
            "--dbname",
            cluster.primary.url("postgres", database),
        ],
    )
    assert "PostgreSQL database dump complete" in dump
    return dump


def url(db: TestDatabase) -> str:
    """Where to migrate; whoever waits for a lock fails, so that no test hangs."""
    return db.url("pulse_owner") + "?options=-c%20lock_timeout%3D2000"


def set_revision(db: TestDatabase, revision: str) -> None:
    """Let the database say that another version of Pulse has made it, and know of no parts."""
    owner = db.connect("pulse_owner")
    owner.execute("update public.alembic_version set version_num = %s", [revision])
    owner.execute("drop table public.migrated_parts")
    owner.commit()


def edited_views(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A copy of include/sql's views in `folder`, which migrate reads instead."""
    for schema in views.SCHEMAS:
        shutil.copytree(views.INCLUDE / schema, folder / schema)
    monkeypatch.setattr(views, "INCLUDE", folder)
    return folder


def test_the_schema_file_shows_what_the_migrations_make(cluster: Cluster) -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(cluster, TEMPLATE), "run ./pulse schema"


def test_a_second_migrate_changes_nothing(cluster: Cluster, empty: str) -> None:
    postgres_roles.migrate(cluster, empty)
    postgres_roles.secure_roles(cluster, empty)
    with cluster.primary.connect(database=empty) as superuser:
        before = schema_of(cluster, empty), superuser.execute(ROLES).fetchall()
        assert "CREATE TABLE core.dora_metrics" in before[0]
        postgres_roles.bootstrap_primary(cluster, empty)
        postgres_roles.migrate(cluster, empty)
        postgres_roles.secure_roles(cluster, empty)
        after = schema_of(cluster, empty), superuser.execute(ROLES).fetchall()
    assert after == before


# --- the present state of the views -----------------------------------------------------------------------------------


def test_an_ordinary_start_waits_for_no_reader(db: TestDatabase) -> None:
    reader = db.connect("pulse_owner")
    reader.execute("select * from report.kpi_current")
    before = reader.execute("select oid from pg_class where relname = 'kpi_current'").fetchone()
    migrate(url(db))
    assert db.connect("pulse_owner").execute("select 'report.kpi_current'::regclass::oid").fetchone() == before


def test_an_open_connection_reads_the_new_view(
    db: TestDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = db.add_client("techcorp")
    db.wait_replica()
    reader = db.connect(f"pulse_client_{client}", replica=True, prepare_threshold=0, autocommit=True)
    assert reader.execute("select reason from report.publications").fetchall() == []
    view = edited_views(monkeypatch, tmp_path) / "report" / "publications.sql"
    view.write_text("-- One row.\nselect id as client_id, 'news' as reason from core.clients;\n", encoding="utf-8")
    migrate(url(db))
    db.wait_replica()
    assert reader.execute("select reason from report.publications").fetchall() == [("news",)]


def test_a_view_without_a_file_goes_and_one_that_fails_changes_nothing(
    db: TestDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner = db.connect("pulse_owner", autocommit=True)
    owner.execute("create view report.leftover as select 1 as one")
    folder = edited_views(monkeypatch, tmp_path)
    (folder / "report" / "a_new_one.sql").write_text("-- One row.\nselect client_id from core.nothing;\n", "utf-8")
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(url(db))
    assert owner.execute("select one from report.leftover").fetchall() == [(1,)]
    (folder / "report" / "a_new_one.sql").write_text("-- One row.\nselect client_id from report.leftover;\n", "utf-8")
    (folder / "report" / "leftover.sql").write_text("-- One row.\nselect id as client_id from core.clients;\n", "utf-8")
    migrate(url(db))
    assert owner.execute("select obj_description('report.a_new_one'::regclass)").fetchone() == ("One row.",)
    for name in ("a_new_one", "leftover"):
        (folder / "report" / f"{name}.sql").unlink()
    migrate(url(db))
    assert owner.execute("select to_regclass('report.leftover')").fetchone() == (None,)


def test_a_column_that_nothing_is_said_about_is_named(
    db: TestDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    view = edited_views(monkeypatch, tmp_path) / "report" / "fresh.sql"
    view.write_text("-- One row.\nselect 1 as unheard_of;\n", encoding="utf-8")
    with pytest.raises(MigrateError, match=r"report\.fresh\.unheard_of"):
        migrate(url(db))
    view.write_text("select 1 as client_id;\n", encoding="utf-8")
    with pytest.raises(MigrateError, match=r"fresh\.sql: .* begins with a comment"):
        migrate(url(db))


def test_every_comment_of_a_column_is_of_a_view(db: TestDatabase) -> None:
    comments = views.ColumnComments.read()
    shown = set(
        db.connect("pulse_owner").execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'report'"
        )
    )
    assert {(view, column) for view, columns in comments.views.items() for column in columns} <= shown
    assert comments.columns.keys() <= {column for _, column in shown}


# --- databases of other versions --------------------------------------------------------------------------------------


# Rows of the tables that have another name, or another form, since.
ROWS_OF_BEFORE = """
    insert into core.github_repositories (client_id, integration_id, id, node_id, full_name, url)
    values ({client}, {github}, 7, 'n', 'a/b', 'u');
    insert into core.github_issues (
        client_id, integration_id, id, repository_id, number, title, state, url, created_at, updated_at)
    values ({client}, {github}, 8, 7, 1, 'Broken', 'open', 'u', '2026-03-01', '2026-03-02');
    insert into core.custom_changes (
        client_id, integration_id, id, service, title, opened_at, merged_at, merge_sha, first_commit_at)
    values ({client}, {custom}, 'merges:9', 'Shop', 'Basket', '2026-03-01', '2026-03-02', 'abc', '2026-02-28');
    insert into core.custom_deployments (
        client_id, integration_id, id, service, environment, result, sha, created_at, finished_at)
    values ({client}, {custom}, 'deploys:1', 'Shop', 'production', 'success', 'abc', '2026-03-03', '2026-03-03');
    insert into core.custom_incidents (client_id, integration_id, id, key, title, service, created_at, severity)
    values ({client}, {custom}, 'pager:2', 'P-2', 'Down', 'Shop', '2026-03-04', 'high');
    insert into core.dora_metrics (
        client_id, metric_type, family, grain, scope_type, calculation_date, period_start, period_end, unit, sample_size,
        metric_value, definition_version)
    values ({client}, 'lead_time_for_changes', 'delivery', 'week', 'client', '2026-03-08', '2026-03-02', '2026-03-09',
            'hours', 3, 12.5, 'pulse-4');
"""


def test_what_the_squashed_migrations_made_is_taken_over_with_its_rows(
    cluster: Cluster, db: TestDatabase, made_by: Callable[[str], TestDatabase]
) -> None:
    """Their end state is that of SQUASHED (compared by pg_dump when they were squashed), but for views, seeds and comments."""
    old = made_by(SQUASHED)
    client = old.add_client("techcorp", "Tech Corp")
    github, custom = (old.add_integration(client, kind) for kind in ("github", "http_json"))
    owner = old.connect("pulse_owner", autocommit=True)
    with old.connect("pulse_etl") as etl:
        etl.execute("select set_config('pulse.client_id', %s, true)", [str(client)])
        etl.execute(ROWS_OF_BEFORE.format(client=client, github=github, custom=custom).encode())
    owner.execute("comment on table core.work_scopes is 'As it was worded'")
    owner.execute("create view report.trust_panel with (security_invoker = true) as select 1 as client_id")
    owner.execute("update public.alembic_version set version_num = %s", [OLD_HEAD])

    postgres_roles.migrate(cluster, old.name)

    assert schema_of(cluster, old.name) == schema_of(cluster, db.name)
    assert owner.execute("select version_num from public.alembic_version").fetchall() == [
        (ScriptDirectory.from_config(alembic_config()).get_current_head(),)
    ]
    queue = "select distinct fact, key from core.dora_queue where integration_id = %s order by 1, 2"
    assert owner.execute(queue, [custom]).fetchall() == [
        ("issue", "=pager:2"),
        ("pull_request", "=merges:9"),
        ("reported_deployment", "=deploys:1"),
    ]
    assert owner.execute(queue, [github]).fetchall() == [("issue", "#8")]
    old.wait_replica()
    reader = old.connect(f"pulse_client_{client}", replica=True)
    for query, row in {
        "select full_name from core.github_repositories": ("a/b",),
        "select number, title, state from core.github_issues": (1, "Broken", "open"),
        "select id, service, title, merge_sha, first_commit_at::date::text from core.custom_changes": (
            "merges:9",
            "Shop",
            "Basket",
            "abc",
            "2026-02-28",
        ),
        "select id, service, service_key, result from core.custom_deployments": (
            "deploys:1",
            "Shop",
            "shop",
            "success",
        ),
        "select id, key, title, severity from core.custom_incidents": ("pager:2", "P-2", "Down", "high"),
        "select metric_label, metric_value from report.metric_series": ("Lead time for changes", 12.5),
    }.items():
        assert reader.execute(query.encode()).fetchall() == [row]
    assert reader.execute("select integration from report.freshness order by 1").fetchall() == [
        ("github",),
        ("http_json",),
    ]
    run_stage(old.connect("pulse_etl"), client, "dora", now=datetime(2026, 3, 10, tzinfo=UTC))
    facts = (
        "select id from core.changes union all select id from core.deployments union all select id from core.incidents"
    )
    with client_transaction(etl := old.connect("pulse_etl"), client):
        assert {name for (name,) in etl.execute(facts)} == {
            f"custom:{custom}:merges:9",
            f"custom:{custom}:deploys:1",
            f"custom:{custom}:pager:2",
        }


@pytest.mark.parametrize(
    ("revision", "advice"), [("0012", f"commit {OLD_HEAD_COMMIT}"), ("0099_later", "by a newer version")]
)
def test_another_version_says_which_one_to_start(
    cluster: Cluster, db: TestDatabase, revision: str, advice: str
) -> None:
    set_revision(db, revision)
    before = schema_of(cluster, db.name)
    with pytest.raises(StackError, match=f"revision {revision}") as caught:
        postgres_roles.migrate(cluster, db.name)
    assert advice in str(caught.value)
    assert schema_of(cluster, db.name) == before


# --- forward only -----------------------------------------------------------------------------------------------------


def test_there_is_no_way_back(db: TestDatabase) -> None:
    configuration = alembic_config()
    address = make_url(db.url("pulse_owner")).set(drivername="postgresql+psycopg")
    with create_engine(address, poolclass=pool.NullPool).connect() as connection:
        configuration.attributes["connection"] = connection
        with pytest.raises(MigrateError, match="only go forward"):
            command.downgrade(configuration, "-1")


def test_alembic_alone_does_nothing() -> None:
    with pytest.raises(MigrateError, match="python -m migrations"):
        command.upgrade(alembic_config(), "head")


def test_migrations_are_a_chain_of_short_modules_with_a_file_each() -> None:
    folder = ROOT / "migrations" / "versions"
    modules = sorted(folder.glob("*.py"))
    scripts = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())[::-1]
    assert [script.revision for script in scripts] == [module.stem for module in modules]
    assert [script.down_revision for script in scripts] == [None, *(module.stem for module in modules[:-1])]
    assert SQUASHED in {module.stem for module in modules}
    assert {path.stem for path in folder.glob("*.sql")} == {module.stem for module in modules}
    assert all(len(module.read_text("utf-8").splitlines()) <= 5 for module in modules)


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
