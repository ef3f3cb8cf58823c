"""The way back from the profile scale, as docs/containers.md has it. After test_scale.py, whose containers it removes."""

from __future__ import annotations

from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import Containers, wait
from tests.containers.test_scale import HEALTHY_SECONDS, NEW, tasks
from tests.support.airflow_api import AirflowApi


def test_the_scheduler_runs_the_tasks_again_and_nothing_is_left(
    containers: Containers, airflow: AirflowApi, executives: dict[str, Executive]
) -> None:
    containers.workers = 2
    containers.up()
    containers.wait_healthy(containers.services(), HEALTHY_SECONDS)
    containers.workers = 0
    containers.up()
    containers.compose("--profile", "scale", "rm", "--stop", "--force", *NEW)
    containers.wait_healthy(containers.services(), HEALTHY_SECONDS)
    assert containers.compose("--profile", "scale", "ps", "--all", "--quiet", *NEW).split() == []

    wait(lambda: airflow.active_dags() >= {f"pulse__{slug}" for slug in CLIENTS}, 120)
    scheduler = containers.inspect("airflow-scheduler")["Config"]["Hostname"]
    for slug in CLIENTS:
        run_id = airflow.trigger(f"pulse__{slug}", recompute=True)
        assert airflow.wait_run(f"pulse__{slug}", run_id, 600) == "success"
        assert {task["hostname"] for task in tasks(airflow, f"pulse__{slug}", run_id)} - {""} == {scheduler}
        assert len(executives[slug].numbers()) >= 5
