"""Rules for every DAG, and that a client's DAG is the same each time it is built."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulse.errors import PulseError
from pulse.orchestration.dag import build_client_dag
from pulse.orchestration.files import CLIENTS_A_FILE, files_of
from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec
from pulse.sources.base import Scope
from tests.conftest import ROOT
from tests.support.database import TestDatabase

SPEC = ClientDagSpec(
    client_id=7,
    slug="initech",
    name="Initech",
    schedule_minutes=30,
    integrations=(
        IntegrationSpec(1, "github", "github", "https://api.github.com", "github__initech"),
        IntegrationSpec(2, "jira", "jira", "https://initech.atlassian.net", "jira__initech"),
    ),
)


def load(path: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(path))
    assert not bag.import_errors
    return dict(bag.dags)


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("clients")
    write(folder, SPEC)
    return load(ROOT / "dags") | load(folder)


def write(folder: Path, *specs: ClientDagSpec) -> None:
    """The files of the clients' bundle."""
    for name, text in files_of(specs).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_exactly_these_dags_exist(dags: dict[str, Any]) -> None:
    expected = {"onboard_client", "sync_clients", "replay_rejects", "send_reports", "watch_clients", "maintenance"}
    assert set(dags) == expected | {"pulse__initech"}


def test_every_dag_has_docs_owner_tags_and_retries(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.doc_md
        assert dag.max_active_runs == 1
        assert not dag.catchup
        assert "pulse" in dag.tags
        for task in dag.tasks:
            assert task.owner not in ("", "airflow"), task.task_id
            if task.task_id not in ("watch_sources", "watch_clients", "sync_client", "validate_form"):
                assert task.retries >= 2, task.task_id


def test_a_client_dag_has_its_groups_and_is_red_if_a_source_failed(dags: dict[str, Any]) -> None:
    dag = dags["pulse__initech"]
    ids = {task.task_id for task in dag.tasks}
    assert ids == {
        "github.discover_repositories",
        "github.extract_repositories",
        "jira.discover_projects",
        "jira.extract_projects",
        "normalise_records",
        "compute_dora",
        "publish_dashboards",
        "continue_backfill",
        "watch_sources",
    }
    assert {"client:initech", "pulse"} == set(dag.tags)
    assert dag.get_task("publish_dashboards").upstream_task_ids == {"compute_dora"}
    assert dag.get_task("normalise_records").trigger_rule == "all_done"
    assert "github.extract_repositories" in dag.get_task("watch_sources").upstream_task_ids
    assert dag.get_task("watch_sources").trigger_rule == "one_failed"
    assert {task.task_id for task in dag.leaves} == {"watch_sources", "continue_backfill"}
    assert dag.get_task("continue_backfill").upstream_task_ids == {"publish_dashboards"}


def test_a_faulty_client_makes_the_sync_red_but_stops_no_other_client(dags: dict[str, Any]) -> None:
    dag = dags["sync_clients"]
    assert dag.get_task("provision_superset").trigger_rule == "all_done"
    assert dag.get_task("watch_clients").trigger_rule == "one_failed"
    assert "sync_client" in dag.get_task("watch_clients").upstream_task_ids
    assert [task.task_id for task in dag.leaves] == ["watch_clients"]


def test_an_xcom_only_names_what_a_mapped_task_looks_up_itself(dags: dict[str, Any]) -> None:
    """People may write XComs. So a task takes no argument from one, but the name of what it reads from tables."""
    from airflow.sdk import XComArg
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    taken = {}
    for dag in dags.values():
        for task in dag.tasks:
            given = {**getattr(task, "op_kwargs", {}), **dict(enumerate(getattr(task, "op_args", ())))}
            if isinstance(task, MappedOperator):
                given |= task.op_kwargs_expand_input.value
            for name, value in given.items():
                if any(True for _ in XComArg.iter_xcom_references(value)):
                    taken[f"{dag.dag_id}.{task.task_id}"] = name
    assert taken == {
        "pulse__initech.github.extract_repositories": "batch",
        "pulse__initech.jira.extract_projects": "batch",
        "replay_rejects.replay_client": "slug",
        "send_reports.send_client": "slug",
        "sync_clients.sync_client": "slug",
    }


def test_no_file_pulls_an_xcom_by_hand() -> None:
    for folder in ("dags", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "xcom_pull" not in path.read_text(), path


def test_a_run_reads_only_what_it_discovered(db: TestDatabase) -> None:
    """What to read of a repository is stored; a list of keys that somebody wrote into the XCom is refused."""
    client_id, other_id = db.add_client("initech"), db.add_client("other")
    own = IntegrationSpec(db.add_integration(client_id, "github"), "github", "github", "https://a.example", "github__x")
    foreign = IntegrationSpec(
        db.add_integration(other_id, "github"), "github", "github", "https://a.example", "github__y"
    )
    spec, others = ClientDagSpec(client_id, "initech", "x", 60, (own,)), ClientDagSpec(other_id, "other", "x", 60, ())
    from pulse.orchestration.tasks import note_scopes, noted_scopes

    conn = db.connect("pulse_etl", autocommit=True)
    found = [Scope("1", "shop", {"node_id": "R1"}), Scope("2", "till", {"node_id": "R2"})]
    note_scopes(conn, spec, own, "run 1", found)
    note_scopes(conn, others, foreign, "run 1", [Scope("3", "secret", {})])
    assert noted_scopes(conn, spec, own, "run 1", ["2", "1"]) == found[::-1]
    for run_id, key in (("run 1", "3"), ("run 1", ""), ("run 2", "1")):
        with pytest.raises(PulseError, match=r"client initech, github: .*did not discover"):
            noted_scopes(conn, spec, own, run_id, [key])


def test_no_secret_and_no_clock_in_a_file() -> None:
    files = files_of([SPEC])
    assert files == files_of([SPEC])
    assert set(files) == {"clients_0000/initech.json", "clients_0000.py"}
    assert not [text for text in files.values() if "token" in text or "password" in text]


def test_a_file_that_airflow_keeps_a_copy_of_says_nothing_of_a_client() -> None:
    text = files_of([SPEC])["clients_0000.py"]
    assert len(text.splitlines()) <= 6
    assert "initech" not in text.lower()
    assert "atlassian" not in text


def test_a_file_has_the_dags_of_many_clients_and_a_task_only_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [replace(SPEC, client_id=n, slug=f"client{n}") for n in range(CLIENTS_A_FILE + 1)]
    write(tmp_path, *specs)
    assert {path.name for path in tmp_path.glob("*.py")} == {"clients_0000.py", "clients_0001.py"}
    assert set(load(tmp_path)) == {f"pulse__client{n}" for n in range(CLIENTS_A_FILE + 1)}
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "pulse__client3")
    assert set(load(tmp_path)) == {"pulse__client3"}


def test_another_clients_change_is_another_text_of_the_file_and_nothing_else() -> None:
    other = replace(SPEC, client_id=8, slug="hooli", name="Hooli")
    before, after = files_of([SPEC, other]), files_of([SPEC, replace(other, schedule_minutes=60)])
    assert {name for name in after if before[name] != after[name]} == {"clients_0000.py", "clients_0000/hooli.json"}


@pytest.mark.parametrize("described", ["", "{}", "[]", '{"client_id": 8, "integrations": [{"id": 1}]}', None])
def test_a_dag_that_cannot_be_built_says_why_and_stops_no_other_one(tmp_path: Path, described: str | None) -> None:
    twice = (SPEC.integrations[0], SPEC.integrations[0])
    write(tmp_path, SPEC, replace(SPEC, client_id=8, slug="hooli", integrations=twice))
    if described is not None:
        (tmp_path / "clients_0000" / "hooli.json").write_text(described)
    dags = load(tmp_path)
    assert set(dags) == {"pulse__initech", "pulse__hooli"}
    assert "normalise_records" in dags["pulse__initech"].task_ids
    faulty = dags["pulse__hooli"]
    assert "client hooli: its DAG cannot be built" in faulty.doc_md
    assert (faulty.task_ids, faulty.schedule) == (["say_why"], None)
    assert {"client:hooli", "faulty", "pulse"} == set(faulty.tags)


def test_building_twice_serialises_to_the_same_bytes() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    first, second = (
        json.dumps(DagSerialization.to_dict(build_client_dag(SPEC)), sort_keys=True, default=str) for _ in range(2)
    )
    assert first == second


def test_building_does_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a DAG file opened a connection while it was read")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    build_client_dag(SPEC)


def test_clients_do_not_start_at_the_same_moment() -> None:
    starts = {build_client_dag(ClientDagSpec(n, f"client{n}", "x", 60, ())).start_date for n in range(50)}
    assert len(starts) > 45


def test_importing_the_library_loads_no_driver_and_no_http_client() -> None:
    """The dag-processor imports the library for each file, so database drivers and HTTP clients must wait until a task runs."""
    heavy = (
        "psycopg",
        "psycopg2",
        "requests",
        "pulse.orchestration.tasks",
        "pulse.warehouse.connect",
        "pulse.sources.base",
    )
    code = f"import sys, pulse.orchestration.dag; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "plugins"), "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
