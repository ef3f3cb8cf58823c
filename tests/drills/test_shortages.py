"""No room left on the primary's disk, and no memory left for a process."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from stack.context import Stack
from stack.postgres.account import run_as
from tests.drills.conftest import CLIENTS, Figure, healthy, numbers
from tests.drills.witness import Clock, Contents, Mailbox, watch
from tests.support.airflow_api import AirflowApi, wait_for

ROOM_MB = 256  # on the small disk, besides the data
FILLER = "filler"
WRITES_STOP_SECONDS = 180
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make file systems and bound memory")


@pytest.fixture
def small_disk(installation: Stack) -> Iterator[Path]:
    """The primary's data on a file system of its own, with little room; afterwards the data is where it was."""
    primary, supervisor = installation.cluster.primary, installation.supervisor
    aside = primary.data.with_name("primary.aside")
    used = int(
        subprocess.run(["du", "-sm", primary.data], capture_output=True, check=True, text=True).stdout.split()[0]
    )
    account = installation.cluster.account
    supervisor.stop_processes(["primary"])
    primary.data.rename(aside)
    primary.data.mkdir()
    options = f"size={used + ROOM_MB}m,mode=700,uid={account.uid},gid={account.gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pulse-drill", primary.data], check=True)
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", primary.data], check=True)
        start_primary(installation)
        yield primary.data
    finally:
        (primary.data / FILLER).unlink(missing_ok=True)
        supervisor.stop_processes(["primary"])
        shutil.rmtree(aside)
        subprocess.run(["cp", "-a", primary.data, aside], check=True)
        subprocess.run(["umount", primary.data], check=True)
        primary.data.rmdir()
        aside.rename(primary.data)
        start_primary(installation)


def start_primary(installation: Stack) -> None:
    installation.supervisor.start_process("primary")
    installation.cluster.primary.wait_ready()


def fill(disk: Path) -> Path:
    """Take all the room there is; the file that has it."""
    file = disk / FILLER
    with file.open("wb") as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(2**16))
            out.flush()
    return file


def test_the_disk_is_full(
    installation: Stack,
    stack: dict[str, Any],
    airflow: AirflowApi,
    small_disk: Path,
    figure: Figure,
    mailbox: Mailbox,
) -> None:
    """Writes stop, reads go on. When there is room again, everything goes on by itself, and nothing is damaged or lost."""
    wait_for("everything to be healthy", healthy, 180)
    shown, before, mails = {slug: numbers(stack, slug) for slug in CLIENTS}, Contents(installation), len(mailbox.taken)
    with Clock(installation) as clock:
        wait_for("a commit", lambda: clock.ticks, 30)
        filler = fill(small_disk)
        (told,) = installation.health(["primary"])
        assert "no room" in told.detail, "./pulse status does not say so"
        wait_for("writes to stop", lambda: write(installation), WRITES_STOP_SECONDS, every=0)
        run_id = airflow.trigger("pulse__acme", recompute=True)
        time.sleep(60)  # for as long every attempt at a start fails
        assert {slug: numbers(stack, slug) for slug in CLIENTS} == shown, "reads do not go on"
        assert not healthy()
        acknowledged = len(clock.ticks)
        filler.unlink()
        began = time.monotonic()
        wait_for("a commit", lambda: len(clock.ticks) > acknowledged, 180, every=0.1)
        figure(
            "the primary's disk was full for a minute, and has room again: the next commit", time.monotonic() - began
        )
    figure(f"… of {len(clock.ticks)} acknowledged commits are missing", clock.lost(), "")
    assert clock.lost() == 0
    wait_for("everything to be healthy", healthy, 180)
    if airflow.wait_run("pulse__acme", run_id, 900) == "failed":  # its retries were used up before there was room
        assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme", recompute=True), 900) == "success"
    Contents(installation).check_since(before)
    check_pages(installation)
    assert {slug: numbers(stack, slug) for slug in CLIENTS} == shown
    assert watch(airflow) == "success"
    assert len(mailbox.told("acme", mails)) <= 1


def write(installation: Stack) -> bool:
    """Write 10 MB of WAL, which needs no room but its own; whether it was refused."""
    try:
        with installation.cluster.primary.connect(database="postgres") as superuser:
            superuser.execute("select pg_logical_emit_message(true, 'drill', repeat('x', 10000000))")
    except psycopg.Error:
        return True
    return False


def check_pages(installation: Stack) -> None:
    """Compare every page of the primary with its checksum. Raises PostgresError when one differs."""
    cluster = installation.cluster
    installation.supervisor.stop_processes(["primary"])
    run_as(cluster.account, [str(cluster.binaries / "pg_checksums"), "--check", "-D", str(cluster.primary.data)])
    start_primary(installation)


class Cage:
    """A control group with next to no memory: the kernel kills what is put into it and needs more."""

    def __init__(self) -> None:
        old, new = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
        self.is_old = old.is_dir()
        self.folder = (old if self.is_old else new) / f"pulse-drill-{os.getpid()}"

    def __enter__(self) -> Cage:
        self.folder.mkdir()
        limits = ("memory.limit_in_bytes",) if self.is_old else ("memory.max", "memory.swap.max")
        for limit in limits:
            (self.folder / limit).write_text(str(4 * 2**20 if limit != "memory.swap.max" else 0))
        return self

    def __exit__(self, *_: object) -> None:
        wait_for("the cage to be empty", lambda: not (self.folder / "cgroup.procs").read_text().strip(), 60)
        self.folder.rmdir()

    def put(self, pid: int) -> None:
        """Bound a process, and what it starts."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def killed(self) -> int:
        """How many processes the kernel has killed here."""
        text = (self.folder / ("memory.oom_control" if self.is_old else "memory.events")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])


def of_a_task(installation: Stack) -> int | None:
    """The largest process of the tasks at work."""
    scheduler = psutil.Process(installation.supervisor.processes()["airflow-scheduler"].pid)
    at_work = [p for worker in scheduler.children() for p in worker.children(recursive=True)]
    with contextlib.suppress(psutil.NoSuchProcess):
        return max(at_work, key=lambda p: p.memory_info().rss).pid if at_work else None
    return None


def of_the_primary(installation: Stack) -> int | None:
    """A session in which a task computes."""
    with contextlib.suppress(psycopg.OperationalError), installation.cluster.primary.connect() as superuser:
        row = superuser.execute(
            "select pid from pg_stat_activity where usename = 'pulse_etl' and state = 'active' and datname = 'pulse'"
        ).fetchone()
        return row[0] if row else None
    return None  # it starts again: the session has been killed


def of_superset(installation: Stack) -> int | None:
    """The worker that answers."""
    server = psutil.Process(installation.supervisor.processes()["superset"].pid)
    return next((worker.pid for worker in server.children()), None)


VICTIMS = {"a task": of_a_task, "a session of the primary": of_the_primary, "Superset's worker": of_superset}


@pytest.mark.parametrize("who", VICTIMS)
def test_memory_runs_out(
    installation: Stack,
    stack: dict[str, Any],
    airflow: AirflowApi,
    clock: Clock,
    run: str,
    figure: Figure,
    mailbox: Mailbox,
    who: str,
) -> None:
    """The kernel kills a process that is at work; what it did is done again."""
    before, mails = Contents(installation), len(mailbox.taken)
    with Cage() as cage:

        def kill() -> int:
            pid = VICTIMS[who](installation)
            if pid is not None:
                with contextlib.suppress(OSError):  # it has ended
                    cage.put(pid)
            if who == "Superset's worker":
                with contextlib.suppress(Exception):  # the request that it dies of
                    numbers(stack, "acme")
            return cage.killed()

        wait_for("the kernel to kill it", kill, 120, every=0.1)
        began = time.monotonic()
    wait_for("everything to be healthy", healthy, 180)
    figure(f"no memory for {who}: everything is healthy again", time.monotonic() - began)
    assert airflow.wait_run("pulse__acme", run, 900) == "success"
    figure(f"no memory for {who}: the run has ended well", time.monotonic() - began)
    assert clock.lost() == 0
    Contents(installation).check_since(before)
    assert all(numbers(stack, slug) for slug in CLIENTS)
    assert watch(airflow) == "success"
    assert len(mailbox.told("acme", mails)) <= 1
