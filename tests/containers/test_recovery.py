"""What is killed comes back by itself, nothing is lost, and a health check says so in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from stack.postgres.cluster import SLOT
from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import PROJECT, Containers, wait
from tests.support.airflow_api import AirflowApi

SERVICES = (
    "primary",
    "replica",
    "meta",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "superset",
    "sandbox",
    "edge",
)
UNFINISHED = "select count(*) from task_instance where state in ('running', 'queued', 'scheduled', 'restarting')"
# Looking every 5 s for schedulers that have been silent for 25 s, and the start of the next one on a busy machine.
ADOPTED_SECONDS = 60


@pytest.fixture(scope="module")
def rows(containers: Containers, executives: dict[str, Executive]) -> list[list[str]]:
    """How many rows each client has of each kind, before anything is killed."""
    return counted(containers)


def counted(containers: Containers) -> list[list[str]]:
    query = " union all ".join(
        f"select '{table}', client_id, count(*) from core.{table} group by client_id"
        for table in ("pull_requests", "deployments", "incidents", "changes")
    )
    return sorted(containers.sql(query, "primary"))


@pytest.fixture
def run(airflow: AirflowApi, executives: dict[str, Executive]) -> str:
    """A run of Acme's DAG that computes everything again and has a task at work."""
    run_id = airflow.trigger("pulse__acme", recompute=True)
    path = f"dags/pulse__acme/dagRuns/{run_id}/taskInstances"
    wait(lambda: any(t["state"] == "running" for t in airflow.get(path, limit=100)["task_instances"]), 180, every=0.3)
    return run_id


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_killed_comes_back_with_everything(
    containers: Containers, executives: dict[str, Executive], rows: list[list[str]], service: str
) -> None:
    before = containers.inspect(service)["State"]["StartedAt"]
    containers.kill(service)
    wait(lambda: containers.inspect(service)["State"]["StartedAt"] != before, 60)
    containers.wait_healthy([*SERVICES])
    for slug in CLIENTS:
        wait(lambda slug=slug: len(executives[slug].numbers()) >= 5, 60)
    assert [row for row in rows if row not in counted(containers)] == []


def test_tasks_of_a_killed_scheduler_are_begun_again(containers: Containers, airflow: AirflowApi, run: str) -> None:
    query = "select max(id) from job where job_type = 'SchedulerJob' and state = 'running'"
    ((dead,),) = containers.sql(query, "meta", "airflow")
    containers.kill("airflow-scheduler")
    mine = f"{UNFINISHED} and queued_by_job_id = {dead}"
    assert containers.sql(mine, "meta", "airflow") != [["0"]], "nothing was at work"
    seconds = wait(lambda: containers.sql(mine, "meta", "airflow") == [["0"]], ADOPTED_SECONDS)
    print(f"FIGURE tasks of a killed scheduler taken over after {seconds:.0f} s")
    assert airflow.wait_run("pulse__acme", run) == "success"


def test_a_task_at_work_ends_before_its_container(containers: Containers, airflow: AirflowApi, run: str) -> None:
    containers.compose("stop", "airflow-scheduler")
    assert containers.inspect("airflow-scheduler")["State"]["ExitCode"] == 0
    at_work = "select count(*) from task_instance where state = 'running'"
    assert containers.sql(at_work, "meta", "airflow") == [["0"]]
    containers.compose("start", "airflow-scheduler")
    assert airflow.wait_run("pulse__acme", run) == "success"


def test_a_replica_that_lost_its_slot_is_copied_again(containers: Containers) -> None:
    before = containers.inspect("replica")["State"]["StartedAt"]
    forget = (
        f"select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where slot_name = '{SLOT}' and active;"
        f" select pg_drop_replication_slot('{SLOT}')"
    )
    wait(lambda: containers.sql(forget, "primary") is not None, 30, every=0.1)
    wait(lambda: containers.inspect("replica")["State"]["StartedAt"] != before, 120)
    containers.wait_healthy(["replica"])
    ((position,),) = containers.sql("select pg_current_wal_flush_lsn()", "primary")
    wait(lambda: containers.sql(f"select pg_last_wal_replay_lsn() >= '{position}'") == [["t"]], 60)


@pytest.fixture
def without_meta(containers: Containers) -> Iterator[None]:
    """Airflow's and Superset's own databases are away."""
    containers.compose("stop", "meta")
    yield
    containers.compose("start", "meta")
    containers.wait_healthy([*SERVICES])


@pytest.mark.usefixtures("without_meta")
def test_health_checks_see_what_an_answer_of_200_hides(
    containers: Containers, executives: dict[str, Executive]
) -> None:
    for service in ("airflow-api-server", "airflow-scheduler", "superset"):
        wait(lambda service=service: containers.health(service) == "unhealthy", 240)


def test_the_edge_follows_a_container_to_another_address(
    containers: Containers, executives: dict[str, Executive], request: pytest.FixtureRequest
) -> None:
    network = f"{PROJECT}_front"

    def address() -> Any:
        return containers.inspect("superset")["NetworkSettings"]["Networks"][network]["IPAddress"]

    before = address()
    containers.compose("rm", "--stop", "--force", "superset")
    # Somebody else has the address now.
    squatter = containers.engine.docker(
        "run",
        "--detach",
        "--rm",
        "--network",
        network,
        "--ip",
        before,
        "--entrypoint",
        "sleep",
        "pulse-superset",
        "900",
    ).strip()
    request.addfinalizer(lambda: containers.engine.docker("rm", "--force", squatter))
    containers.compose("up", "--detach", "--no-deps", "superset")
    containers.wait_healthy(["superset"])
    assert address() != before
    time.sleep(6)  # for as long a name that was looked up holds
    assert len(executives["acme"].numbers()) >= 5
