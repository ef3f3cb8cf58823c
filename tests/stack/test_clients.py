"""A purge takes every row of one client and no other's; the search finds what is left, wherever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pulse.clients.spec import parse_spec
from pulse.tenancy import client_role
from stack.clients.purge import purge_files, purge_tables
from stack.clients.rename import keep_shared, new_names, rename_in_tables
from stack.clients.traces import Found, Marks, marks_of, search_database, search_files
from tests.support.database import TestDatabase
from tests.support.rows import fill_every_table, tenant_relations


def counts(db: TestDatabase, client_id: int) -> dict[str, int]:
    with db.cluster.primary.connect(database=db.name) as superuser:
        found = {}
        for table in tenant_relations(db):
            row = superuser.execute(f"select count(*) from {table} where client_id = %s", [client_id]).fetchone()  # type: ignore[arg-type]
            assert row is not None
            found[table] = row[0]
    return found


def test_every_row_of_one_client_goes_and_no_other(db: TestDatabase) -> None:
    with db.cluster.primary.connect(database=db.name) as superuser:
        # Logins are the cluster's: those of other tests' clients must not be dropped.
        superuser.execute("alter table core.clients alter column id restart with 900001")
    gone, stays = db.add_client("gone"), db.add_client("stays")
    fill_every_table(db, (gone, stays))
    before = counts(db, stays)
    assert min(counts(db, gone).values()) == 1, "a table without a row proves nothing"
    marks = marks_of(["gone"], gone, "ceo@gone.example", "github__gone")
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute("update core.users set email = 'ceo@gone.example' where client_id = %s", [gone])
        superuser.execute("insert into core.declaration_faults values ('gone', 0, 'name', 'ask ceo@gone.example')")
        first, removed, left = Found(), Found(), Found()
        search_database("pulse", superuser, marks, first)
        assert first.places.keys() >= {"pulse: core.users", "pulse: core.declaration_faults"}
        purge_tables(superuser, "gone", gone, removed)
        search_database("pulse", superuser, marks, left)
        roles = superuser.execute("select rolname from pg_roles where rolname like 'pulse_client_%'").fetchall()
    assert left.places == {}
    assert set(counts(db, gone).values()) == {0}
    assert counts(db, stays) == before
    assert removed.places["pulse: core.clients"] == 1
    assert (client_role(gone),) not in roles
    assert (client_role(stays),) in roles


def test_a_mark_is_a_whole_word(db: TestDatabase) -> None:
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute("create table core.texts (words text, bytes bytea)")
        superuser.execute("insert into core.texts values ('x pulse_client_acme_two y'), ('a.b@acme.examples')")
        found = Found()
        marks = marks_of(["acme"], 7, "b@acme.example")
        search_database("pulse", superuser, marks, found)
        assert found.places == {}
        superuser.execute("insert into core.texts values ('{\"pulse_client_acme\": 1}'), ('<b@acme.example>')")
        superuser.execute("insert into core.texts (bytes) values ('see pulse__acme')")
        search_database("pulse", superuser, marks, found)
    assert found.places == {"pulse: core.texts": 3}


def test_a_renamed_client_keeps_its_number_and_its_rows(db: TestDatabase) -> None:
    client_id, other = db.add_client("old"), db.add_client("old__too")
    names = {"github__old": "github__new", "jira__old__site": "jira__new__site"}
    for client, kind, held_by in (
        (client_id, "github", "github__old"),
        (client_id, "jira", "jira__old__site"),
        (other, "github", "github__old__too"),
    ):
        number = db.add_integration(client, kind)
        with db.connect("pulse_admin") as admin:
            admin.execute("update core.integrations set connection_id = %s where id = %s", [held_by, number])
    with db.connect("pulse_admin") as admin:
        rename_in_tables(admin, "old", "new", names)
        rows = admin.execute("select id, slug from core.clients order by id").fetchall()
        held = admin.execute("select connection_id from core.integrations order by 1").fetchall()
        with pytest.raises(KeyError):
            rename_in_tables(admin, "old", "newer", {})
        with pytest.raises(psycopg.errors.UniqueViolation):
            rename_in_tables(admin, "new", "old__too", {})
    assert rows == [(client_id, "new"), (other, "old__too")]
    assert held == [("github__new",), ("github__old__too",), ("jira__new__site",)]


def test_a_connection_of_several_clients_keeps_its_name() -> None:
    variable: dict[str, Any] = {
        "name": "Old",
        "integrations": [
            {"type": "github", "organization": "old"},
            {"type": "jira", "name": "site", "base_url": "https://old.example"},
            {"type": "jira", "name": "own", "base_url": "https://own.example", "connection": "of_all"},
        ],
    }
    spec = parse_spec("old", json.dumps(variable))
    everything = {"github__old": "github__new", "jira__old__site": "jira__new__site"}
    assert new_names(spec, "old", "new", []) == everything
    assert not keep_shared(variable, "old", ["of_all", "github__older"])
    assert new_names(spec, "old", "new", ["github__old"]) == {"jira__old__site": "jira__new__site"}
    assert keep_shared(variable, "old", ["github__old"])
    assert [one.get("connection") for one in variable["integrations"]] == ["github__old", None, "of_all"]


def test_files_and_lines_of_logs_that_name_the_client_go(tmp_path: Path) -> None:
    logs = tmp_path / "airflow" / "logs"
    kept = {
        "logs/superset.log": "other\n",
        "airflow/logs/dag_id=pulse__gone_too/attempt=1.log": "of another client: gone_too\n",
        "superset/cache/data/client-70/abc": "x",
        "airflow/client_dags/clients_0000/gone_too.json": "{}",
    }
    removed = {
        "airflow/logs/dag_id=pulse__gone/run/attempt=1.log": "anything",
        "airflow/client_dags/clients_0000/gone.json": "{}",
        "superset/cache/data/client-7/abc": "x",
        "superset/cache/filters/client-7-9/abc": "x",
        "superset/cache/app/abc": "x",
    }
    for name, text in {**kept, **removed, "postgres/primary/wal": "pulse__gone"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    log = logs / "dag_id=sync_clients" / "attempt=1.log"
    log.parent.mkdir(parents=True)
    log.write_text("begin\nclient gone: 3 rows\nclient gone_too: 4 rows\nceo@gone.example\nend\n")
    marks = marks_of(["gone"], 7, "ceo@gone.example")
    found, left = Found(), Found()
    purge_files(tmp_path, ["gone"], 7, marks, found)
    search_files(tmp_path, Marks((*marks.words, "gone")), left)
    assert left.places == {}
    assert log.read_text() == "begin\nclient gone_too: 4 rows\nend\n"
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in removed if (tmp_path / name).exists()] == []
    assert found.places["lines of airflow/logs/dag_id=sync_clients/attempt=1.log"] == 2


def test_a_mark_across_two_reads_of_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(b"x" * ((1 << 20) - 5) + b" pulse__gone " + b"y" * 100)
    found = Found()
    search_files(tmp_path, marks_of(["gone"], 7), found)
    assert found.places == {"file big.bin": 1}
