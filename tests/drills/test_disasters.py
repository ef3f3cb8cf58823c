"""A server, its disk or its data is lost: failover and restore, by the commands that docs/reliability.md names."""

from __future__ import annotations

import os
import shutil
import signal
import time
from datetime import UTC, datetime
from typing import Any

from stack.context import Stack
from stack.postgres.cluster import ARCHIVE_SECONDS
from tests.drills.conftest import CLIENTS, Figure, healthy, numbers, pulse, rows
from tests.drills.witness import Clock
from tests.support.airflow_api import AirflowApi, wait_for


def lose(installation: Stack, name: str) -> None:
    """Kill a server, and delete its data."""
    server = getattr(installation.cluster, name)
    pid = server.pid()
    os.kill(pid, signal.SIGKILL)
    shutil.rmtree(server.data, ignore_errors=True)


def test_the_primary_is_lost_and_the_replica_takes_its_place(
    installation: Stack, stack: dict[str, Any], airflow: AirflowApi, clock: Clock, figure: Figure
) -> None:
    shown = {slug: numbers(stack, slug) for slug in CLIENTS}
    before = rows(installation)
    time.sleep(3)
    lose(installation, "primary")
    began = time.monotonic()
    clock.stop()
    pulse("failover", "--yes")
    figure("primary lost: ./pulse failover, with a new replica and a backup", time.monotonic() - began)
    figure("primary lost: acknowledged commits missing after ./pulse failover", clock.lost_seconds())
    assert rows(installation) == before
    assert {slug: numbers(stack, slug) for slug in CLIENTS} == shown
    assert healthy()
    assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme")) == "success"


def test_a_clients_rows_are_deleted_by_mistake_and_restored(
    installation: Stack, stack: dict[str, Any], airflow: AirflowApi, figure: Figure
) -> None:
    pulse("backup")
    shown, before = {slug: numbers(stack, slug) for slug in CLIENTS}, rows(installation)
    moment = datetime.now(UTC)
    time.sleep(1)
    with installation.cluster.primary.connect(database="pulse") as superuser:
        superuser.execute("truncate core.pull_requests, core.incidents cascade")
    assert rows(installation) != before
    began = time.monotonic()
    pulse("restore", "--to", moment.isoformat(), "--yes")
    figure("rows deleted by mistake: ./pulse restore --to the moment before, everything runs", time.monotonic() - began)
    assert rows(installation) == before
    assert {slug: numbers(stack, slug) for slug in CLIENTS} == shown
    assert healthy()


def test_the_disk_of_primary_and_replica_is_lost(
    installation: Stack, stack: dict[str, Any], airflow: AirflowApi, clock: Clock, figure: Figure
) -> None:
    pulse("backup")
    before = rows(installation)
    time.sleep(ARCHIVE_SECONDS + 15)
    for name in ("primary", "replica"):
        lose(installation, name)
    clock.stop()
    began = time.monotonic()
    pulse("restore", "--to", "latest", "--yes")
    figure("disk of primary and replica lost: ./pulse restore --to latest, everything runs", time.monotonic() - began)
    lost = clock.lost_seconds()
    figure("disk of primary and replica lost: acknowledged commits missing", lost)
    assert lost <= ARCHIVE_SECONDS + 10
    assert rows(installation) == before
    wait_for("everything to be healthy", healthy, 120)
    assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme")) == "success"
