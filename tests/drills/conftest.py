"""Failures, on a whole stack of their own: ./pulse test --drills. What each took is printed at the end (docs/reliability.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from aiosmtpd.controller import Controller

from pulse import environ
from stack import files
from stack.context import Stack, existing_stack
from tests.drills.witness import Clock, Mailbox
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import ROOT, login_of
from tests.support.superset_api import SupersetSession

sys.path.append(str(ROOT / "superset"))  # what Superset reads sessions with
CLIENTS = ("techcorp", "acme")
TABLES = ("pull_requests", "deployments", "incidents", "commits")
FIGURES = "drills.json"
FEW_CUTS = 3


class Figure(Protocol):
    """Notes what a drill took or lost."""

    def __call__(self, what: str, value: float, unit: str = "s") -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the one drill goes on that has no natural end."""
    parser.addoption("--cuts", type=int, default=FEW_CUTS, help=f"how often the power is cut (default {FEW_CUTS})")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Notes a figure, with the command that makes it again."""
    cuts = request.config.getoption("--cuts")
    name = request.node.originalname.removeprefix("test_")
    command = f"-k {name}" + (f" --cuts {cuts}" if "cut" in name else "")

    def note(what: str, value: float, unit: str = "s") -> None:
        path = environ.STATE.get() / FIGURES
        files.replace_json(
            path, files.read_json(path) | {what: f"{round(value, 1):g} {unit}".strip() + f" | `{command}`"}
        )

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures, as docs/reliability.md has them."""
    found = files.read_json(environ.STATE.get() / FIGURES)
    if found:
        terminalreporter.section("figures")
        for what, figure in found.items():
            terminalreporter.write_line(f"| {what} | {figure} |")


@pytest.fixture(scope="session")
def mailbox(stack: dict[str, Any]) -> Iterator[Mailbox]:
    """The data team's mail server, at the address that ./pulse test --drills gave the stack."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=environ.SMTP_PORT.get())
    server.start()
    yield box
    server.stop()


@pytest.fixture
def installation(stack: dict[str, Any]) -> Stack:
    """The stack as its own commands see it."""
    found = existing_stack()
    assert found is not None
    return found


@pytest.fixture
def clock(installation: Stack) -> Iterator[Clock]:
    """A witness of what the primary acknowledges."""
    with Clock(installation) as made:
        yield made


@pytest.fixture
def airflow(stack: dict[str, Any]) -> AirflowApi:
    """Airflow, as the admin."""
    login = login_of(stack, "airflow", "admin")
    return AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])


@pytest.fixture
def run(airflow: AirflowApi) -> str:
    """A run of Acme's DAG that computes everything again and has a task at work."""
    return run_at_work(airflow)


def run_at_work(airflow: AirflowApi) -> str:
    """Start such a run."""
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
