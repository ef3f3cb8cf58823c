"""The raw tables follow the declarations of the source types, in databases of every age."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migrations import raw
from migrations.takeover import OLD_HEAD, SQUASHED
from pulse.source_types import declarations
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster
from tests.support.database import TestDatabase
from tests.support.schema import schema_text

TABLES = "select oid, relname from pg_class where relnamespace = 'raw'::regnamespace and relkind = 'r' order by 2"


def test_there_is_a_table_for_each_declared_entity(db: TestDatabase) -> None:
    declared = {f"{kind}_{entity}" for kind, model in declarations().items() for entity in model.entities}
    assert {name for _, name in db.connect("pulse_owner").execute(TABLES)} == {"rejects", *declared}


@pytest.mark.parametrize("revision", [SQUASHED, OLD_HEAD])
def test_an_older_database_keeps_its_tables_and_gets_those_that_are_missing(
    cluster: Cluster, db: TestDatabase, made_by: Callable[[str], TestDatabase], revision: str
) -> None:
    """It has a list of the types, and here lacks a table and an index; the others are not made again."""
    old = made_by(SQUASHED)
    owner = old.connect("pulse_owner", autocommit=True)
    raw.make_missing(owner)
    before = owner.execute(TABLES).fetchall()
    owner.execute("drop table raw.jira_sprints")
    owner.execute("drop index raw.github_workflow_runs_open")
    owner.execute(
        "alter table core.integrations add constraint integrations_integration_type_check"
        " check (integration_type in ('github', 'jira', 'http_json'))"
    )
    owner.execute("update public.alembic_version set version_num = %s", [revision])
    postgres_roles.migrate(cluster, old.name)
    assert schema_text(cluster, old.name) == schema_text(cluster, db.name)
    assert len({*owner.execute(TABLES)} - {*before}) == 1


def test_a_table_is_made_only_when_a_declaration_has_changed(cluster: Cluster, db: TestDatabase) -> None:
    owner = db.connect("pulse_owner", autocommit=True)
    owner.execute("drop table raw.jira_sprints")
    postgres_roles.migrate(cluster, db.name)
    assert owner.execute("select to_regclass('raw.jira_sprints')").fetchone() == (None,)
    owner.execute("update public.migrated_parts set digest = '' where part = 'raw'")
    postgres_roles.migrate(cluster, db.name)
    assert owner.execute("select to_regclass('raw.jira_sprints')").fetchone() != (None,)
