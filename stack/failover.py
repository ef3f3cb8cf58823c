"""The replica becomes the primary: ./pulse failover. Ports, logins and passwords stay, so nobody else has to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from stack.context import Stack
from stack.errors import StackError
from stack.postgres.backup import Backups
from stack.postgres.cluster import Cluster
from stack.postgres.restore import archive_history
from stack.steps import Say

START_SECONDS = 180


@dataclass(frozen=True)
class Outcome:
    """What a failover did."""

    last_commit: datetime | None  # that the replica had
    fenced: Path | None  # the old primary's data, which no process uses any more


def fail_over(stack: Stack, say: Say = lambda _: None) -> Outcome:
    """Stop and fence the primary, promote the replica in its place, and make another replica. May be repeated.

    Raises StackError; when the replica cannot be promoted, before anything was stopped.
    """
    cluster, supervisor = stack.cluster, stack.supervisor
    if not supervisor.running():
        raise StackError("Pulse does not run: ./pulse up")
    if not (cluster.replica.data / "PG_VERSION").exists():
        raise StackError("there is no replica to promote; ./pulse restore makes a primary from the backups")
    _start(stack, "replica")
    say("stopping the primary")
    # A primary that still works sends everything before it ends, so nothing is lost.
    supervisor.stop_processes(["primary"])
    if cluster.primary.pid() is not None:
        raise StackError(f"the primary (process {cluster.primary.pid()}) does not end: kill -9 it, then try again")
    say("promoting the replica")
    last_commit = _promote(cluster)
    supervisor.stop_processes(["replica"])
    fenced = _swap(cluster)
    archive_history(cluster, cluster.primary)
    _start(stack, "primary")
    say("copying a new replica")
    cluster.prepare_replica()
    _start(stack, "replica")
    stack.wait_healthy(["primary", "replica"], START_SECONDS)
    say("backing up")  # what the old primary had not archived is missing before this moment
    Backups(cluster, cluster.primary).take()
    return Outcome(last_commit, fenced)


def _start(stack: Stack, name: str) -> None:
    server = getattr(stack.cluster, name)
    stack.supervisor.start_process(name)
    server.wait_ready(START_SECONDS, lambda: stack.raise_if_dead(name))


def _promote(cluster: Cluster) -> datetime | None:
    try:
        with cluster.replica.connect() as replica:
            row = replica.execute("select pg_is_in_recovery(), pg_last_xact_replay_timestamp()").fetchone()
            assert row is not None
            if row[0] and replica.execute("select pg_promote(true, 60)").fetchone() != (True,):
                raise StackError("the replica did not become a primary within 60 s: ./pulse logs replica")
    except psycopg.Error as error:
        raise StackError(f"the replica cannot be promoted: {error}") from error
    last_commit: datetime | None = row[1]
    return last_commit


def _swap(cluster: Cluster) -> Path | None:
    fenced = None
    if cluster.primary.data.exists():
        fenced = cluster.home / f"primary.before-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        cluster.primary.data.rename(fenced)
    cluster.replica.data.rename(cluster.primary.data)
    return fenced
