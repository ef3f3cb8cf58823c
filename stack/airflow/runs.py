"""Runs of Airflow's DAGs: triggers them and waits for them through its REST API."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from stack.airflow.api import AirflowApi, HttpError
from stack.errors import StackError
from stack.settings import Settings
from stack.steps import Say

RUN_SECONDS = 600
DAG_SECONDS = 180
LOG_LINES = 12


def login(settings: Settings) -> AirflowApi:
    """Airflow's API as its admin. Raises HttpError."""
    return AirflowApi(settings.url("airflow"), "admin", settings.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"])


def run_since(api: AirflowApi, dag_id: str, since: datetime) -> str:
    """A run that began after `since` and has not failed: the scheduler's own, or one that is triggered after a while."""
    for _ in range(10):
        runs = api.call("GET", f"dags/{dag_id}/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
        for run in runs:
            begun = run["start_date"]
            if run["state"] != "failed" and (begun is None or datetime.fromisoformat(begun) > since):
                return str(run["dag_run_id"])
        time.sleep(0.5)
    return trigger(api, dag_id)


def trigger(api: AirflowApi, dag_id: str) -> str:
    """Trigger a run; returns its id."""
    return str(api.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])


def wait_dag(api: AirflowApi, dag_id: str, say: Say) -> None:
    """Wait until Airflow has read the DAG. Raises StackError with the files that it could not import."""
    say(f"waiting for Airflow to find {dag_id}")
    deadline = time.monotonic() + DAG_SECONDS
    while not _listed(api, dag_id):
        if time.monotonic() > deadline:
            errors = api.call("GET", "importErrors", limit=5)["import_errors"]
            reasons = "\n".join(f"    {e['filename']}: {e['stack_trace'].strip()[-400:]}" for e in errors)
            raise StackError(
                f"Airflow does not list the DAG {dag_id} within {DAG_SECONDS} s: ./pulse logs airflow-dag-processor"
                " says why" + (f"; files it could not import:\n{reasons}" if reasons else "")
            )
        time.sleep(0.5)


def _listed(api: AirflowApi, dag_id: str) -> bool:
    try:
        return not api.call("GET", f"dags/{dag_id}").get("is_stale", False)
    except HttpError as error:
        if error.status == 404:
            return False
        raise


def wait_run(api: AirflowApi, dag_id: str, run_id: str, say: Say) -> None:
    """Wait until the run has succeeded. Raises StackError with the failed task's last log lines."""
    run = f"dags/{dag_id}/dagRuns/{run_id}"
    deadline = time.monotonic() + RUN_SECONDS
    while True:
        state = api.call("GET", run)["state"]
        tasks = api.call("GET", f"{run}/taskInstances", limit=500)["task_instances"]
        failed = [task for task in tasks if task["state"] == "failed"]
        # A run can succeed although a task failed, because sync_clients continues with the other clients.
        if state == "failed" or (state == "success" and failed):
            reason = _reason(api, run, failed[0]) if failed else f"No task failed: see {api.base_url}/{run}"
            raise StackError(f"{dag_id} failed.\n{reason}")
        if state == "success":
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"{dag_id} did not end within {RUN_SECONDS} s (state {state}): look at it in Airflow "
                f"({api.base_url}/dags/{dag_id}), then run ./pulse up again"
            )
        say(f"{dag_id}, {sum(t['state'] == 'success' for t in tasks)} of {len(tasks)} tasks done")
        time.sleep(1)


def _reason(api: AirflowApi, run: str, task: dict[str, Any]) -> str:
    """The last log lines of a failed task."""
    path = f"{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
    try:
        answer = api.call("GET", path, map_index=task["map_index"])
        entries = answer["content"] if isinstance(answer, dict) else [answer]
    except HttpError as error:
        entries = [error]
    lines = [line for entry in entries[-LOG_LINES:] for line in _log_lines(entry)]
    where = f"{task['task_id']}" + (f"[{task['map_index']}]" if task["map_index"] >= 0 else "")
    return f"Task {where} failed; its last log lines:\n" + "\n".join(f"    {line}" for line in lines)


def _log_lines(entry: Any) -> list[str]:
    """One entry of a task's log: what happened, and the errors behind it."""
    if not isinstance(entry, dict):
        return [str(entry)]
    errors = entry.get("error_detail") or []
    return [str(entry.get("event", entry)), *(f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors)]
