"""The process `keeper`: backs the servers up every day, copies the replica again when it can no longer follow, and starts
processes again that the supervisor has given up.

    python -m stack.keeper

What it could not do is in keeper.json of the state folder; ./pulse status reads it.
"""

from __future__ import annotations

import contextlib
import time
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

    def look(self) -> None:
        """Do what is due, and note what went wrong. A server that does not answer is told by its own health."""
        problems = []
        self.revive()
        with contextlib.suppress(psycopg.OperationalError):
            self.follow()
        for server in (self.stack.cluster.primary, self.stack.cluster.meta):
            if server.pid() is None:
                continue
            try:
                backups = Backups(self.stack.cluster, server)
                backups.mark()
                self._back_up(backups)
            except (psycopg.OperationalError, BlockingIOError):  # the latter: ./pulse backup is at work
                continue
            except (StackError, OSError, ValueError, psycopg.Error) as error:
                problems.append(f"{server.kind}: {str(error).strip()}")
                _say(problems[-1])
        note = {"at": datetime.now(UTC).isoformat(), "problem": "; ".join(problems) or None}
        files.replace_json(self.stack.state / KEEPER_FILE, note)

    def revive(self) -> None:
        """Start what the supervisor has given up: a server whose disk was full for a minute has room again at some time."""
        given_up = [name for name, process in self.stack.supervisor.processes().items() if process.state == "FATAL"]
        if not given_up:
            return
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(only_one_start())
            except StackError:
                return  # ./pulse up is at work, and says that it does not stay up
            for name in given_up:
                self.stack.supervisor.start_process(name)
                _say(f"{name} was started again: it had ended too often")

    def follow(self) -> None:
        """Copy the primary again when it no longer has what the replica needs."""
        cluster, supervisor = self.stack.cluster, self.stack.supervisor
        if cluster.replica.pid() is None or cluster.primary.pid() is None or not cluster.replica_cannot_follow():
            return
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(only_one_start())
            except StackError:
                return  # ./pulse up, restore or failover is at work on it
            supervisor.stop_processes(["replica"])
            problem = cluster.prepare_replica()
            supervisor.start_process("replica")
        _say(f"the replica was copied again: {problem}")

    def _back_up(self, backups: Backups) -> None:
        bases = backups.bases()
        due = max(self.started_at + FIRST_BACKUP, bases[-1].taken_at + EVERY if bases else self.started_at)
        if datetime.now(UTC) >= due:
            _say(f"backed up {backups.server.kind}: {backups.take(wait=False).folder}")
        elif bases and (problem := backups.problem(datetime.now(UTC))):
            raise StackError(problem)


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {what}", flush=True)


def main() -> None:
    """Look, again and again."""
    stack = existing_stack()
    if stack is None:
        raise SystemExit("Pulse has not been started here yet: ./pulse up")
    keeper = Keeper(stack)
    while True:
        keeper.look()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
