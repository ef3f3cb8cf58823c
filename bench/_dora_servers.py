"""The servers of `./pulse bench dora`: more memory than in tests, a check of the disk, and no replica if it cannot fit."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench._dora_world import World, caught_up
from stack.postgres import config as postgres_config
from stack.postgres.cluster import SLOT, Cluster
from tests.support.database import TestDatabase
from tests.support.servers import running, start, stop

# A server of this size would have more than the embedded one's 128 MB; the WAL is neither archived nor cut off.
ROOM = {"max_wal_size": "4GB", "checkpoint_timeout": "15min", "max_slot_wal_keep_size": "-1", "archive_command": "true"}
PRIMARY_MEMORY, REPLICA_MEMORY = "2GB", "1GB"
GIGABYTE = 1 << 30
# The size of a database after all measurements: published numbers and their history per client, facts and sources per
# change. A first guess; after a size of half a million changes or more, it is replaced by what that size took.
BYTES_PER_CLIENT, BYTES_PER_CHANGE, SPARE = 10_000_000, 2500.0, 1.15
WAL_BYTES, LEFT_FREE, ENOUGH_CHANGES = 6 * GIGABYTE, 2 * GIGABYTE, 500_000


@contextlib.contextmanager
def roomy(made: Cluster) -> Iterator[None]:
    """Restart the temporary cluster's servers with more memory and WAL. Production's settings stay as they are."""
    for server, memory in ((made.primary, PRIMARY_MEMORY), (made.replica, REPLICA_MEMORY)):
        lines = [f"{name} = '{value}'" for name, value in {**ROOM, "shared_buffers": memory}.items()]
        with (server.data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(["# bench/dora.py", *lines, ""]))
    stop(made.replica)
    stop(made.primary)
    with (
        running(made.primary, made.state / "primary.log"),
        running(made.replica, made.state / "replica.log"),
    ):
        try:
            yield
        finally:
            stop(made.replica)  # which replica_away may have restarted


def has_replica(made: Cluster) -> bool:
    return made.replica is not made.primary


def give_up_replica(made: Cluster) -> None:
    """Give up the replica for good: the primary takes its place and accepts the clients' logins."""
    replica, primary = made.replica, made.primary
    stop(replica, 120)
    shutil.rmtree(replica.data)
    made.replica = primary
    logins = postgres_config.hba("primary").replace("reject", "scram-sha-256")
    (primary.data / "pg_hba.conf").write_text(logins)
    with primary.connect() as conn:
        conn.execute("select pg_drop_replication_slot(%s)", [SLOT])
        conn.execute("select pg_reload_conf()")
        conn.execute("checkpoint")


@dataclass
class Replay:
    """Seconds that the replica alone needs to fetch and replay what it missed."""

    seconds: float = 0.0


@contextlib.contextmanager
def replica_away(db: TestDatabase) -> Iterator[Replay]:
    """Run the body without the replica, whose WAL the primary keeps.

    The primary then has the machine's cores to itself, as in production, where the replica is another machine. Afterwards
    the replica catches up, which is timed.
    """
    made, replay = db.cluster, Replay()
    if not has_replica(made):
        yield replay
        return
    stop(made.replica, 120)
    try:
        yield replay
    finally:
        started = time.monotonic()
        start(made.replica, made.state / "replica.log")
        made.replica.wait_ready(600)
        caught_up(db)
        replay.seconds = time.monotonic() - started


def database_bytes(db: TestDatabase) -> int:
    with db.cluster.primary.connect() as conn:
        row = conn.execute("select pg_database_size(%s)", [db.name]).fetchone()
    assert row is not None
    return int(row[0])


@dataclass
class Disk:
    """How much disk a size needs, learned from the sizes before it."""

    made: Cluster
    bytes_per_change: float = BYTES_PER_CHANGE

    def learn(self, db: TestDatabase, world: World) -> None:
        if world.changes >= ENOUGH_CHANGES:
            self.bytes_per_change = (database_bytes(db) - world.clients * BYTES_PER_CLIENT) / world.changes

    def needed(self, world: World, servers: int) -> int:
        database = world.clients * BYTES_PER_CLIENT + world.changes * self.bytes_per_change
        return round(servers * (database * SPARE + min(WAL_BYTES, world.changes * 4000)) + LEFT_FREE)

    def servers(self, world: World) -> tuple[int, str]:
        """The number of servers that fit, 0 to 2, and a sentence if that is fewer than two."""
        free = shutil.disk_usage(self.made.home).free
        fits = [n for n in (2, 1) if self.needed(world, n) < free]
        both, alone = (f"{self.needed(world, n) / GIGABYTE:.0f} GB" for n in (2, 1))
        if fits == [2, 1]:
            return 2, ""
        have = f"{free / GIGABYTE:.0f} GB are free; primary and replica need about {both}, the primary alone {alone}"
        return (1, have) if fits else (0, have)
