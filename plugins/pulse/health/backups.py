"""Whether the newest backup of each server is recent enough, as core.backups says."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from pulse import environ
from pulse.health.state import CONNECTION
from pulse.warehouse.connect import connect

# The primary needs backups from its first client on.
_OLD = """
    select s.server, b.taken_at
    from (select 'primary' as server union select server from core.backups) s
    left join core.backups b on b.server = s.server
    where coalesce(b.taken_at, (select min(created_at) from core.clients)) < now() - make_interval(hours => %s)
    order by 1
"""
_WAY_OUT = "Is the keeper at work (./pulse status), and is there room for backups? See docs/runbook.md#backup."


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with the installation and concerns no single client: its class, and the cause with what to do."""

    kind: str
    cause: str


def problems() -> list[Problem]:
    """A problem if a backup is too old. Raises psycopg.OperationalError if the replica is away."""
    hours = environ.BACKUP_HOURS.get()
    if hours <= 0:
        return []
    with closing(connect(CONNECTION)) as conn:
        rows = conn.execute(_OLD, [hours]).fetchall()
    if not rows:
        return []
    said = [
        f"the newest backup of {server} is of {taken_at:%Y-%m-%d %H:%M} UTC"
        if taken_at
        else f"no backup of {server} is known"
        for server, taken_at in rows
    ]
    text = "; ".join(said)
    return [Problem("backup", f"{text[0].upper()}{text[1:]}. {_WAY_OUT}")]
