"""./pulse restore: the primary and the metadata server as they were at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg

from stack.context import Stack
from stack.errors import StackError
from stack.postgres.backup import Backups
from stack.postgres.restore import base_for, put_in_place, unpack
from stack.steps import Say
from stack.up import Marks

LATEST = "latest"


def moment(text: str) -> datetime | None:
    """A moment as an admin writes it, in UTC where no zone is given; None: the latest. Raises StackError."""
    if text == LATEST:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise StackError(
            f"--to {text}: write it as 2026-11-30T09:15 (UTC), 2026-11-30T09:15+01:00, or: latest"
        ) from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found > datetime.now(UTC):
        raise StackError(f"--to {text}: that is in the future")
    return found


def restore(stack: Stack, to: datetime | None, say: Say) -> list[Path]:
    """Stop everything and put both servers' restored data in their place; where what they had before is.

    Raises StackError while nothing has been changed yet, apart from what was stopped.
    """
    cluster = stack.cluster
    servers = (cluster.primary, cluster.meta)
    for server in servers:
        base = base_for(cluster, server, to)
        say(f"{server.kind}: from the backup of {base.taken_at:%Y-%m-%d %H:%M:%S} UTC")
        if server.pid() is not None:
            try:
                Backups(cluster, server).flush()
            except psycopg.Error as error:
                say(f"{server.kind} does not answer ({str(error).strip()}): what it has not archived is left out")
    say("stopping everything")
    stack.supervisor.stop_everything()
    for server in servers:
        say(f"{server.kind}: replaying what was written since")
        unpack(cluster, server, to, stack.log(f"restore-{server.kind}"))
    kept = [put_in_place(cluster, server) for server in servers]
    marks = Marks(stack.state / "done.json")
    for server in servers:
        marks.forget(server.kind)  # the backup may be of an earlier version
    return [folder for folder in kept if folder is not None]
