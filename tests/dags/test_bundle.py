"""The bundle that writes client DAG files: new, changed, removed, and untouched while the database is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulse.orchestration.bundle import ClientBundle, EmptyDatabase
from pulse.orchestration.files import files_of
from pulse.orchestration.specs import ClientDagSpec
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
    """The clients that have a DAG; there is a file that reads their descriptions exactly if there is one."""
    described = {path.stem for path in bundle.path.glob("*/*.json")}
    assert {path.stem for path in bundle.path.glob("*.py")} == {
        path.parent.name for path in bundle.path.glob("*/*.json")
    }
    return described


def deactivate(db: TestDatabase, client_id: int) -> None:
    with db.connect("pulse_admin") as conn:
        conn.execute("update core.clients set active = false where id = %s", [client_id])


def test_a_row_becomes_a_file_and_the_file_goes_with_the_row(bundle: ClientBundle, db: TestDatabase) -> None:
    one, two = db.add_client("one"), db.add_client("two")
    db.add_integration(one, "github")
    bundle.refresh()
    assert files(bundle) == {"one", "two"}
    assert '"github"' in next(bundle.path.glob("*/one.json")).read_text()
    deactivate(db, two)
    bundle.refresh()
    assert files(bundle) == {"one"}


def test_an_unchanged_client_keeps_its_file_untouched(bundle: ClientBundle, db: TestDatabase) -> None:
    db.add_client("one")
    bundle.refresh()
    before = {path: path.stat().st_mtime_ns for path in bundle.path.rglob("*.*")}
    bundle.refresh()
    assert {path: path.stat().st_mtime_ns for path in bundle.path.rglob("*.*")} == before


def test_an_outage_removes_no_dag(bundle: ClientBundle, db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    db.add_client("one")
    bundle.refresh()
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ADMIN", "postgresql://pulse_admin:x@127.0.0.1:1/pulse")
    with pytest.raises(Exception, match=r"refused|failed"):
        bundle.refresh()
    assert files(bundle) == {"one"}
    # A task process only reads the files and needs no database.
    again = ClientBundle(name="clients", folder=str(bundle.path))
    again.initialize()
    assert files(again) == {"one"}


def test_a_wrong_database_removes_no_dag(bundle: ClientBundle, db: TestDatabase) -> None:
    for name, text in files_of([ClientDagSpec(7, "one", "One", 60, ())]).items():
        (bundle.path / name).parent.mkdir(exist_ok=True)
        (bundle.path / name).write_text(text)
    with pytest.raises(EmptyDatabase, match="right database"):
        bundle.refresh()
    assert files(bundle) == {"one"}


def test_the_files_of_an_earlier_version_go(bundle: ClientBundle, db: TestDatabase) -> None:
    """It had a file for each client."""
    db.add_client("one")
    (bundle.path / "one.py").write_text("dag")
    bundle.refresh()
    assert files(bundle) == {"one"}


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
    assert files(bundle) == {"one"}
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
    assert files(bundle) == {"one", "three"}
