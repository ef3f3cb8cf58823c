"""Failover on real servers under a real supervisor: the replica takes the primary's place, with everything."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from stack.context import Stack
from stack.failover import fail_over
from stack.health import keeper_problem
from stack.keeper import Keeper
from stack.options import Options
from stack.ports import StackPorts
from stack.postgres import roles
from stack.postgres.backup import Backups
from stack.postgres.cluster import SLOT, Cluster
from stack.secret_file import load_secrets
from stack.settings import Settings
from stack.supervision.programs import DATABASES, programs
from stack.supervision.supervisor import Supervisor
from tests.stack.test_postgres import count, keep_a_row, wait_until_replayed
from tests.support.airflow_api import wait_for
from tests.support.database import folder_in_memory
from tests.support.servers import free_port


@pytest.fixture(scope="module")
def servers() -> Iterator[Stack]:
    """Primary and replica, supervised; nothing else runs."""
    with tempfile.TemporaryDirectory(prefix=f"pulse-test-{os.getpid()}-", dir=folder_in_memory()) as folder:
        state = Path(folder)
        state.chmod(0o755)
        yield from _running(state)


def _running(state: Path) -> Iterator[Stack]:
    for folder in ("logs", "airflow", "superset"):
        (state / folder).mkdir()
    ports = StackPorts(primary=free_port(), replica=free_port(), meta=free_port())
    settings = Settings(state, ports, load_secrets(state))
    cluster = Cluster(state, settings.role_secrets, ports, durable=False)
    stack = Stack(settings, cluster, Supervisor(state), Options(demo=False))
    cluster.prepare(cluster.primary)
    try:
        wanted = [program for program in programs(settings, cluster, stack.options) if program.name in DATABASES]
        stack.supervisor.start(wanted)
        stack.supervisor.start_process("primary")
        cluster.primary.wait_ready()
        roles.bootstrap_primary(cluster)
        cluster.prepare_replica()
        stack.supervisor.start_process("replica")
        stack.wait_healthy(["primary", "replica"], 60)
        yield stack
    finally:
        stack.supervisor.stop_everything()


def test_the_keeper_copies_a_replica_that_lost_its_slot(servers: Stack) -> None:
    cluster = servers.cluster
    servers.supervisor.stop_processes(["replica"])
    with cluster.primary.connect() as primary:
        primary.execute("select pg_drop_replication_slot(%s)", [SLOT])
    servers.supervisor.start_process("replica")
    cluster.replica.wait_ready()
    keep_a_row(cluster)
    problem = cluster.replication_problem()
    assert problem is not None
    assert "its replication slot is gone" in problem
    Keeper(servers).look()
    servers.wait_healthy(["replica"], 60)
    wait_until_replayed(cluster)
    assert count(cluster, replica=True) == 1
    assert keeper_problem(servers.state, datetime.now(UTC)) is None


def test_the_keeper_starts_again_what_the_supervisor_has_given_up(servers: Stack) -> None:
    cluster = servers.cluster
    kept = count(cluster)
    servers.supervisor.stop_processes(["primary"])
    settings = cluster.primary.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(f"{good}\nno_such_setting = on\n")
    servers.supervisor.start_process("primary")
    wait_for("the supervisor to give up", lambda: servers.supervisor.processes()["primary"].state == "FATAL", 60)
    settings.write_text(good)
    assert servers.supervisor.processes()["primary"].state == "FATAL", "nobody else starts it"
    Keeper(servers).look()
    servers.wait_healthy(["primary", "replica"], 60)
    assert count(cluster) == kept


@pytest.mark.parametrize("name", ["primary", "replica"])
def test_a_server_whose_disk_is_nearly_full_is_not_healthy(
    servers: Stack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (before,) = servers.health([name])
    monkeypatch.setattr("stack.health.MIN_FREE_MB", 10**9)
    (after,) = servers.health([name])
    assert (before.healthy, after.healthy) == (True, False)
    assert "no room on its disk" in after.detail
    assert str(getattr(servers.cluster, name).data) in after.detail


def test_the_replica_takes_the_place_of_a_primary_that_is_killed_and_gone(servers: Stack) -> None:
    cluster = servers.cluster
    keep_a_row(cluster)
    wait_until_replayed(cluster)
    kept = count(cluster)
    pid = cluster.primary.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    outcome = fail_over(servers)
    assert outcome.fenced is not None
    assert outcome.fenced.is_dir()
    assert count(cluster) == kept
    keep_a_row(cluster)
    wait_until_replayed(cluster)
    assert count(cluster, replica=True) == kept + 1, "there is a new replica, which follows"
    with cluster.replica.connect() as replica, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        replica.execute("insert into kept values (2)")
    assert Backups(cluster, cluster.primary).problem(datetime.now(UTC)) is None
    assert [health.healthy for health in servers.health(["primary", "replica"])] == [True, True]


def test_what_the_old_primary_archived_last_does_not_stop_the_new_ones_archive(servers: Stack) -> None:
    """It had archived a segment of which the replica has the beginning only."""
    cluster = servers.cluster
    wait_until_replayed(cluster)
    kept = count(cluster)
    servers.supervisor.stop_processes(["replica"])
    keep_a_row(cluster)
    Backups(cluster, cluster.primary).flush()
    servers.supervisor.stop_processes(["primary"])
    fail_over(servers)
    assert count(cluster) == kept, "the replica never had the last row"
    with cluster.primary.connect() as primary:
        primary.autocommit = True
        for _ in range(3):  # what is old is looked through for what is not archived yet
            primary.execute("select pg_switch_wal()")
            primary.execute("checkpoint")
    Backups(cluster, cluster.primary).flush()
    assert Backups(cluster, cluster.primary).problem(datetime.now(UTC)) is None
