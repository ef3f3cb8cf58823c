"""The process `keeper`: backs the servers up every day, and copies the replica again when it can no longer follow.

    python -m stack.keeper

What it did last, and what it could not do, is in keeper.json of the state folder; ./pulse status reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from stack import files
from stack.context import Stack, existing_stack
from stack.errors import StackError
from stack.health import KEEPER_FILE
from stack.lifecycle import only_one_start
from stack.postgres.backup import EVERY, Backups

LOOK_SECONDS = 10
FIRST_BACKUP = timedelta(minutes=5)  # not while ./pulse up is at work


class Keeper:
    """Looks after one installation."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.started_at = datetime.now(UTC)

    def look(self, now: datetime) -> None:
        """Do what is due, and note what went wrong."""
        cluster = self.stack.cluster
        work: list[Callable[[], None]] = [self._follow]
        for server in (cluster.primary, cluster.meta):
            backups = Backups(cluster, server)
            work += [lambda backups=backups: self._mark(backups), lambda backups=backups: self._back_up(backups, now)]  # type: ignore[misc]
        problems = []
        for piece in work:
            try:
                piece()
            except (StackError, OSError, psycopg.Error) as error:
                problems.append(str(error).strip())
                print(f"{now:%Y-%m-%d %H:%M:%S} {error}", flush=True)
        note = {"at": datetime.now(UTC).isoformat(), "problem": "; ".join(problems) or None}
        files.replace_json(self.stack.state / KEEPER_FILE, note)

    def _follow(self) -> None:
        """Copy the primary again when it no longer has what the replica needs."""
        cluster = self.stack.cluster
        if cluster.replica.pid() is None or cluster.primary.pid() is None or not cluster.replica_cannot_follow():
            return
        with only_one_start():
            self.stack.supervisor.stop_processes(["replica"])
            problem = cluster.prepare_replica()
            self.stack.supervisor.start_process("replica")
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} the replica was copied again: {problem}", flush=True)

    def _mark(self, backups: Backups) -> None:
        """Commit something every look, so that an idle server's archive is never older than a minute either."""
        if backups.server.pid() is not None:
            with backups.server.connect() as connection:
                connection.execute("select pg_logical_emit_message(true, 'pulse', '')")

    def _back_up(self, backups: Backups, now: datetime) -> None:
        bases = backups.bases()
        due = bases[-1].taken_at + EVERY if bases else self.started_at + FIRST_BACKUP
        if now >= due and backups.server.pid() is not None:
            base = backups.take()
            print(f"{base.taken_at:%Y-%m-%d %H:%M:%S} backed up {backups.server.kind}: {base.folder}", flush=True)


def main() -> None:
    """Look, again and again."""
    stack = existing_stack()
    if stack is None:
        raise SystemExit("Pulse has not been started here yet: ./pulse up")
    keeper = Keeper(stack)
    while True:
        time.sleep(LOOK_SECONDS)
        keeper.look(datetime.now(UTC))


if __name__ == "__main__":
    main()
