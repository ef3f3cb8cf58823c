"""The bundle that writes client DAG files: new, changed, removed, and untouched while the database is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulse.orchestration.bundle import ClientBundle, EmptyDatabase
from pulse.warehouse.connect import client_transaction
from tests.support.database import TestDatabase


@pytest.fixture
def bundle(db: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClientBundle:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULSE_CLIENTS", raising=False)
    made = ClientBundle(name="clients", folder=str(tmp_path / "dags"))
    made.initialize()
    return made


def files(bundle: ClientBundle) -> set[str]:
    return {path.name for path in bundle.path.iterdir()}


def deactivate(db: TestDatabase, client_id: int) -> None:
    with db.connect("pulse_admin") as conn:
        conn.execute("update core.clients set active = false where id = %s", [client_id])


def test_a_row_becomes_a_file_and_the_file_goes_with_the_row(bundle: ClientBundle, db: TestDatabase) -> None:
    one, two = db.add_client("one"), db.add_client("two")
    db.add_integration(one, "github")
    bundle.refresh()
    assert files(bundle) == {"one.py", "two.py"}
    assert "'github'" in (bundle.path / "one.py").read_text()
    deactivate(db, two)
    bundle.refresh()
    assert files(bundle) == {"one.py"}


def test_an_unchanged_client_keeps_its_file_untouched(bundle: ClientBundle, db: TestDatabase) -> None:
    db.add_client("one")
    bundle.refresh()
    before = (bundle.path / "one.py").stat().st_mtime_ns
    bundle.refresh()
    assert (bundle.path / "one.py").stat().st_mtime_ns == before


def test_an_outage_removes_no_dag(bundle: ClientBundle, db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    db.add_client("one")
    bundle.refresh()
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ADMIN", "postgresql://pulse_admin:x@127.0.0.1:1/pulse")
    with pytest.raises(Exception, match=r"refused|failed"):
        bundle.refresh()
    assert files(bundle) == {"one.py"}
    # A task process only reads the files and needs no database.
    again = ClientBundle(name="clients", folder=str(bundle.path))
    again.initialize()
    assert files(again) == {"one.py"}


def test_a_wrong_database_removes_no_dag(bundle: ClientBundle, db: TestDatabase) -> None:
    (bundle.path / "one.py").write_text("dag")
    with pytest.raises(EmptyDatabase, match="right database"):
        bundle.refresh()
    assert files(bundle) == {"one.py"}


def test_the_last_client_may_be_removed(bundle: ClientBundle, db: TestDatabase) -> None:
    client = db.add_client("one")
    bundle.refresh()
    deactivate(db, client)
    bundle.refresh()
    assert files(bundle) == set()


def test_a_running_client_keeps_its_file_until_its_run_ends(bundle: ClientBundle, db: TestDatabase) -> None:
    client = db.add_client("one")
    bundle.refresh()
    etl = db.connect("pulse_etl")
    with client_transaction(etl, client):
        etl.execute("insert into core.etl_runs (client_id, dag_run_id, task_id) values (%s, 'r', 't')", [client])
    deactivate(db, client)
    bundle.refresh()
    assert files(bundle) == {"one.py"}
    with client_transaction(etl, client):
        etl.execute("update core.etl_runs set state = 'success', finished_at = now()")
    bundle.refresh()
    assert files(bundle) == set()


def test_an_instance_can_be_limited_to_some_clients(
    bundle: ClientBundle, db: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slug in ("one", "two", "three"):
        db.add_client(slug)
    monkeypatch.setenv("PULSE_CLIENTS", "one, three")
    bundle.refresh()
    assert files(bundle) == {"one.py", "three.py"}
