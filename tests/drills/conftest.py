"""Failures, on a whole stack of their own: ./pulse test --drills. What each took is printed at the end (docs/reliability.md)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pulse import environ
from stack import files
from stack.context import Stack, existing_stack
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import ROOT, login_of
from tests.support.superset_api import SupersetSession

CLIENTS = ("techcorp", "acme")
TABLES = ("pull_requests", "deployments", "incidents", "commits")
FIGURES = "drills.json"

Figure = Callable[[str, float], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Note what a drill took or lost, in seconds."""

    def note(what: str, seconds: float) -> None:
        path = environ.STATE.get() / FIGURES
        files.replace_json(path, files.read_json(path) | {what: round(seconds, 1)})

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures, as docs/reliability.md has them."""
    found = files.read_json(environ.STATE.get() / FIGURES)
    if found:
        terminalreporter.section("figures")
        for what, seconds in found.items():
            terminalreporter.write_line(f"| {what} | {seconds:g} s |")


@pytest.fixture
def installation(stack: dict[str, Any]) -> Stack:
    """The stack as its own commands see it."""
    found = existing_stack()
    assert found is not None
    return found


@pytest.fixture
def airflow(stack: dict[str, Any]) -> AirflowApi:
    """Airflow, as the admin."""
    login = login_of(stack, "airflow", "admin")
    return AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])


@pytest.fixture
def run(airflow: AirflowApi) -> str:
    """A run of Acme's DAG that computes everything again and has a task at work."""
    run_id = airflow.trigger("pulse__acme", recompute=True)
    path = f"dags/pulse__acme/dagRuns/{run_id}/taskInstances"
    wait_for(
        "a task at work",
        lambda: any(task["state"] == "running" for task in airflow.get(path, limit=100)["task_instances"]),
        120,
        every=0.2,
    )
    return run_id


def pulse(*arguments: str) -> str:
    """Run a command of the launcher; its output. Raises AssertionError when it fails."""
    done = subprocess.run([str(ROOT / "pulse"), *arguments], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def healthy() -> bool:
    """Whether ./pulse status says so of everything."""
    done = subprocess.run([str(ROOT / "pulse"), "status", "--json"], capture_output=True, text=True, timeout=120)
    return bool(json.loads(done.stdout)["healthy"])


def rows(installation: Stack) -> dict[tuple[str, int], int]:
    """How many rows of each kind each client has, on the primary."""
    query = " union all ".join(
        f"select '{table}', client_id, count(*) from core.{table} group by client_id" for table in TABLES
    )
    with installation.cluster.primary.connect(database="pulse") as superuser:
        return {(kind, client): count for kind, client, count in superuser.execute(query).fetchall()}


def numbers(stack: dict[str, Any], slug: str) -> dict[str, str]:
    """What a client's executive is shown."""
    login = login_of(stack, "superset", "staff")
    staff = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    login = login_of(stack, "superset", "executive", slug)
    executive = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    found = executive.rows(staff.dataset_id("kpi_current"), ["metric_type", "display_text"])
    return {row["metric_type"]: row["display_text"] for row in found}
