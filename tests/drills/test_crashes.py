"""A process is killed: it comes back by itself, and the run that was at work ends well."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from functools import partial
from typing import Any

import psutil
import psycopg
import pytest
import requests

from stack.context import Stack
from stack.postgres.cluster import SLOT
from stack.supervision.supervisor import our_processes
from tests.drills.conftest import CLIENTS, Figure, healthy, numbers, rows
from tests.drills.witness import Clock, Contents, Mailbox, watch
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import ROOT

SEED = 18  # of the moments at which the power is cut
LONGEST_WAIT = 15  # seconds after a task is seen at work; the run takes about 25


def kill(installation: Stack, name: str) -> int:
    """Kill a process of the stack as a crash would; its id."""
    pid = installation.supervisor.processes()[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_back(installation: Stack, name: str, killed: int, seconds: float = 180) -> float:
    """Wait until the process is another one, and healthy; how long it took."""
    began = time.monotonic()
    wait_for(
        f"{name} to come back",
        lambda: (
            installation.supervisor.processes()[name].pid not in (None, killed)
            and installation.health([name])[0].healthy
        ),
        seconds,
        every=0.2,
    )
    return time.monotonic() - began


@pytest.mark.parametrize(
    "name",
    ["primary", "meta", "airflow-api-server", "airflow-dag-processor", "airflow-triggerer", "superset", "sandbox"],
)
def test_a_process_is_killed_while_a_run_is_at_work(
    installation: Stack, stack: dict[str, Any], airflow: AirflowApi, run: str, figure: Figure, name: str
) -> None:
    before = rows(installation)
    figure(f"{name} killed during a run: healthy again", wait_back(installation, name, kill(installation, name)))
    wait_for("Airflow", lambda: installation.health(["airflow-api-server"])[0].healthy, 120)
    assert airflow.wait_run("pulse__acme", run, 900) == "success"
    after = rows(installation)
    assert all(after[what] >= count for what, count in before.items())
    assert all(numbers(stack, slug) for slug in CLIENTS)


def test_the_replica_is_killed(installation: Stack, stack: dict[str, Any], figure: Figure) -> None:
    figure("replica killed: dashboards answer again", wait_back(installation, "replica", kill(installation, "replica")))
    assert all(numbers(stack, slug) for slug in CLIENTS)


def test_the_scheduler_is_killed(installation: Stack, airflow: AirflowApi, run: str, figure: Figure) -> None:
    url = installation.settings.database_url("airflow", "meta", "airflow")
    with psycopg.connect(url, autocommit=True) as meta:
        dead = meta.execute("select max(id) from job where job_type = 'SchedulerJob' and state = 'running'").fetchone()
        left = (
            "select count(*) from task_instance"
            " where state in ('running', 'queued', 'scheduled') and queued_by_job_id = %s"
        )
        kill(installation, "airflow-scheduler")
        assert meta.execute(left, dead).fetchone() != (0,), "no task was at work"
        began = time.monotonic()
        wait_for("its tasks to be taken over", lambda: meta.execute(left, dead).fetchone() == (0,), 300, every=0.2)
        figure("scheduler killed: the next one has its tasks", time.monotonic() - began)
    assert airflow.wait_run("pulse__acme", run, 900) == "success"


def test_the_replicas_slot_is_lost(installation: Stack, stack: dict[str, Any], figure: Figure) -> None:
    cluster = installation.cluster
    killed = installation.supervisor.processes()["replica"].pid
    assert killed is not None
    with cluster.primary.connect() as primary:

        def drop() -> bool:
            try:
                primary.execute("select pg_terminate_backend(active_pid, 2000) from pg_replication_slots where active")
                primary.execute("select pg_drop_replication_slot(%s)", [SLOT])
            except psycopg.errors.ObjectInUse:
                return False  # the replica was back sooner
            return True

        wait_for("the slot to be dropped", drop, 30, every=0.05)
    figure("replica's slot lost: copied again by the keeper", wait_back(installation, "replica", killed))
    assert all(numbers(stack, slug) for slug in CLIENTS)
    assert healthy()


def at_work(installation: Stack) -> bool:
    """Whether a task has a transaction open on the primary."""
    query = "select exists (select from pg_stat_activity where usename = 'pulse_etl' and xact_start is not null)"
    try:
        with installation.cluster.primary.connect() as superuser:
            return superuser.execute(query).fetchone() == (True,)
    except psycopg.Error:
        return False  # it is not up yet


def cut_power(installation: Stack, up: subprocess.Popen[bytes] | None) -> None:
    """Kill every process of the stack, and the `./pulse up` that is at work on it."""
    if up:
        up.kill()
        up.wait()
    while victims := our_processes(installation.state):  # one may have started another meanwhile
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(victims, 10)


def run_again(airflow: AirflowApi, run_id: str) -> str:
    """The run, or a new one when it has ended; "" while Airflow does not answer."""
    try:
        if run_id and airflow.run_state("pulse__acme", run_id) not in ("success", "failed"):
            return run_id
        return airflow.trigger("pulse__acme", recompute=True)
    except requests.RequestException:
        return ""


def test_the_power_is_cut_in_the_middle_of_a_run(
    installation: Stack,
    stack: dict[str, Any],
    airflow: AirflowApi,
    figure: Figure,
    mailbox: Mailbox,
    request: pytest.FixtureRequest,
) -> None:
    """Everything is killed at once, --cuts times, each time at another moment of a run that computes everything again.

    After a cut, `./pulse up` begins, and the next cut comes as soon as the run is at work again: many of the processes are then
    still starting, as `./pulse up` is, which is killed with them.
    """
    cuts, moments = request.config.getoption("--cuts"), random.Random(SEED)
    before, mails = Contents(installation), len(mailbox.taken)
    lost, acknowledged, run_id = 0, 0, ""
    up: subprocess.Popen[bytes] | None = None
    for _ in range(cuts):
        run_id = wait_for("Airflow to take a run", partial(run_again, airflow, run_id), 600)
        with Clock(installation) as clock:
            deadline = time.monotonic() + 600
            while not at_work(installation):
                assert time.monotonic() < deadline, "no task is at work"
                run_id = run_again(airflow, run_id) or run_id  # it may have ended since
                time.sleep(0.1)
            time.sleep(moments.uniform(0, LONGEST_WAIT))
            cut_power(installation, up)
        up = subprocess.Popen([ROOT / "pulse", "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        installation.cluster.primary.wait_ready(300)
        lost, acknowledged = lost + clock.lost(), acknowledged + len(clock.ticks)
        Contents(installation).check_since(before)
    assert up is not None
    began = time.monotonic()
    assert up.wait(900) == 0
    figure(f"everything killed at once, {cuts} times: ./pulse up after the last one", time.monotonic() - began)
    figure(f"… of {acknowledged} acknowledged commits are missing", lost, "")
    assert acknowledged > 0
    assert lost == 0
    assert airflow.wait_run("pulse__acme", run_again(airflow, run_id), 900) == "success"
    Contents(installation).check_since(before)
    assert all(numbers(stack, slug) for slug in CLIENTS)
    assert watch(airflow) == "success"
    assert len(mailbox.told("acme", mails)) <= 1
