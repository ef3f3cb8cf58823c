"""Migrations go forward, in one transaction, and take over what the seventeen squashed ones have made."""

from __future__ import annotations

import shutil
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
    assert reader.execute("select indicator from report.trust_panel").fetchall() == []
    view = edited_views(monkeypatch, tmp_path) / "report" / "trust_panel.sql"
    view.write_text("-- One row.\nselect id as client_id, 'news' as indicator from core.clients;\n", encoding="utf-8")
    migrate(url(db))
    db.wait_replica()
    assert reader.execute("select indicator from report.trust_panel").fetchall() == [("news",)]


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


def test_what_the_squashed_migrations_made_is_taken_over_with_its_rows(cluster: Cluster, db: TestDatabase) -> None:
    """Their end state is this one's (compared by pg_dump when they were squashed), but for views, seeds and comments."""
    before = schema_of(cluster, db.name)
    client = db.add_client("techcorp", "Tech Corp")
    integration = db.add_integration(client, "github")
    owner = db.connect("pulse_owner", autocommit=True)
    with db.connect("pulse_etl") as etl:
        etl.execute("select set_config('pulse.client_id', %s, true)", [str(client)])
        etl.execute(
            "insert into core.github_repositories (client_id, integration_id, id, node_id, full_name, url)"
            " values (%s, %s, 7, 'n', 'a/b', 'u')",
            [client, integration],
        )
        etl.execute(
            "insert into core.dora_metrics (client_id, metric_type, family, grain, scope_type, calculation_date, period_start,"
            " period_end, unit, sample_size, metric_value, definition_version) values"
            " (%s, 'lead_time_for_changes', 'delivery', 'week', 'client', '2026-03-08', '2026-03-02', '2026-03-09', 'hours',"
            " 3, 12.5, 'pulse-4')",
            [client],
        )
    owner.execute("comment on table core.work_scopes is 'As it was worded'")
    owner.execute("drop view report.freshness, report.trust_panel")
    owner.execute("create view report.trust_panel with (security_invoker = true) as select 1 as client_id")
    owner.execute("update core.metric_catalogue set metric_label = 'Lead' where metric_type = 'lead_time_for_changes'")
    set_revision(db, OLD_HEAD)

    postgres_roles.migrate(cluster, db.name)

    assert schema_of(cluster, db.name) == before
    assert owner.execute("select version_num from public.alembic_version").fetchall() == [
        (ScriptDirectory.from_config(alembic_config()).get_current_head(),)
    ]
    db.wait_replica()
    reader = db.connect(f"pulse_client_{client}", replica=True)
    assert reader.execute("select full_name from core.github_repositories").fetchall() == [("a/b",)]
    assert reader.execute("select metric_label, metric_value from report.metric_series").fetchall() == [
        ("Lead time for changes", 12.5)
    ]
    assert reader.execute("select integration from report.freshness").fetchall() == [("github",)]


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
