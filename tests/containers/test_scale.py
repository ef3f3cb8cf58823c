"""The profile scale: tasks on workers, two schedulers, two Supersets with their caches in Redis. Comes last, as it changes the
stack."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import Containers, wait
from tests.containers.test_recovery import counted
from tests.support.airflow_api import AirflowApi

NEW = ("redis", "airflow-worker", "airflow-scheduler-2", "superset-2")
HEALTHY_SECONDS = 600  # two of everything start at once


@pytest.fixture(scope="module")
def scaled(containers: Containers, executives: dict[str, Executive]) -> Iterator[Containers]:
    """The same stack, with the same data, after deploy.render --scale."""
    containers.workers = 2
    containers.up()
    containers.wait_healthy(containers.services(), HEALTHY_SECONDS)
    yield containers
    containers.workers = 0


@pytest.fixture
def api(scaled: Containers, airflow: AirflowApi) -> AirflowApi:
    """Airflow, once its containers have been made anew."""
    wait(lambda: airflow.active_dags() >= {f"pulse__{slug}" for slug in CLIENTS}, 120)
    return airflow


def tasks(api: AirflowApi, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """The task instances of a run."""
    found: list[dict[str, Any]] = api.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"]
    return found


def workers(scaled: Containers) -> dict[str, dict[str, Any]]:
    """The workers by host name."""
    return {str(found["Config"]["Hostname"]): found for found in scaled.inspect_all("airflow-worker")}


def test_new_containers_have_the_walls_of_the_others(scaled: Containers) -> None:
    for service in NEW:
        for found in scaled.inspect_all(service):
            host = found["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert not host["PortBindings"], service
            running = scaled.engine.docker("top", found["Id"], "-eo", "uid,pid,comm").split("\n")[1:]
            root = [line for line in running if line.split() and line.split()[0] == "0"]
            assert all("docker-init" in line or "tini" in line for line in root), f"{service}: {root}"


def test_redis_answers_nobody_without_its_password(scaled: Containers) -> None:
    assert "NOAUTH" in scaled.execute("redis", "redis-cli", "keys", "*", check=False)
    for service in ("airflow-api-server", "airflow-dag-processor", "edge"):
        given = scaled.inspect(service)["Config"]["Env"]
        assert not any(scaled.secrets["PULSE_REDIS_PASSWORD"] in variable for variable in given), service


def test_both_clients_numbers_come_from_tasks_on_workers(
    scaled: Containers, api: AirflowApi, executives: dict[str, Executive]
) -> None:
    runs = {slug: api.trigger(f"pulse__{slug}", recompute=True) for slug in CLIENTS}
    used = set()
    for slug, run_id in runs.items():
        assert api.wait_run(f"pulse__{slug}", run_id, 600) == "success"
        used |= {task["hostname"] for task in tasks(api, f"pulse__{slug}", run_id) if task["hostname"]}
        assert len(executives[slug].numbers()) >= 5
    assert used == set(workers(scaled)), "both workers, and nobody else"


def test_a_worker_killed_in_the_middle_of_a_task_loses_nothing(
    scaled: Containers, api: AirflowApi, executives: dict[str, Executive]
) -> None:
    before = counted(scaled)
    shown = executives["acme"].numbers()
    run_id = api.trigger("pulse__acme", recompute=True)
    at_work: dict[str, str] = {}

    def found() -> bool:
        at_work.update(
            {t["hostname"]: t["task_id"] for t in tasks(api, "pulse__acme", run_id) if t["state"] == "running"}
        )
        return bool(at_work)

    wait(found, 180, every=0.3)
    hostname, task_id = next(iter(at_work.items()))
    os.kill(workers(scaled)[hostname]["State"]["Pid"], signal.SIGKILL)
    seconds = wait(lambda: api.run_state("pulse__acme", run_id) == "success", 900)
    print(f"FIGURE a worker killed in the middle of {task_id}: the run ended well after {seconds:.0f} s")
    after = counted(scaled)
    assert {what: count for what, count in before.items() if after[what] < count} == {}
    assert executives["acme"].numbers() == shown
    scaled.wait_healthy(["airflow-worker"])


def test_a_scheduler_less_stops_nothing(scaled: Containers, api: AirflowApi) -> None:
    scaled.compose("stop", "airflow-scheduler")
    try:
        assert api.wait_run("pulse__techcorp", api.trigger("pulse__techcorp"), 600) == "success"
    finally:
        scaled.compose("start", "airflow-scheduler")


def test_redis_killed_during_a_run_loses_nothing(scaled: Containers, api: AirflowApi) -> None:
    run_id = api.trigger("pulse__acme", recompute=True)
    wait(lambda: any(task["state"] == "running" for task in tasks(api, "pulse__acme", run_id)), 180, every=0.3)
    scaled.kill("redis")
    assert api.wait_run("pulse__acme", run_id, 900) == "success"


def test_a_session_is_good_at_both_supersets(scaled: Containers, executives: dict[str, Executive]) -> None:
    person = executives["acme"]
    session = person.session()
    shown = person.numbers()
    for away in ("superset", "superset-2"):
        scaled.compose("stop", away)
        try:
            wait(lambda: session.rows(person.dataset, ["metric_type", "display_text"]) == shown, 60)
        finally:
            scaled.compose("start", away)
        scaled.wait_healthy(["superset", "superset-2"])


def test_answers_in_redis_are_each_clients_own(scaled: Containers, executives: dict[str, Executive]) -> None:
    ask = 'REDISCLI_AUTH="$PULSE_REDIS_PASSWORD" redis-cli -n 1 --scan --pattern "data:*"'
    for person in executives.values():
        person.session().rows(person.dataset, ["metric_type", "display_text"], force=False)
    keys = scaled.execute("redis", "sh", "-c", ask).split()
    owners = {key.split(":")[1] for key in keys}
    ids = {client for (client,) in scaled.sql("select id from core.clients where active")}
    assert {owner for owner in owners if owner.startswith("client-")} >= {f"client-{client}" for client in ids}, keys[
        :5
    ]
