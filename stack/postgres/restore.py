"""A server as it was at a moment: unpack a base backup, replay the archived WAL up to then, put it in the server's place."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from stack.postgres.account import PostgresError, run_as
from stack.postgres.backup import DATA, Base, bases_in, damaged
from stack.postgres.cluster import ARCHIVE_MB, Cluster
from stack.postgres.server import Server

REPLAY_SECONDS = 6 * 3600
SEGMENT = re.compile("[0-9A-F]{24}")


def base_for(cluster: Cluster, server: Server, to: datetime | None) -> Base:
    """The newest base backup that a server can be restored from to the moment. Raises PostgresError.

    Of the server that has its place now; where its data is lost, of any.
    """
    own = (server.data / "PG_VERSION").exists()
    known = bases_in(*([cluster.backups_of(server)] if own else cluster.backups.glob(f"{server.kind}-*")))
    bases = [base for base in known if to is None or base.taken_at <= to]
    if bases:
        return bases[-1]
    since = f"the oldest is of {known[0].taken_at:%Y-%m-%d %H:%M:%S} UTC" if known else "there is none"
    raise PostgresError(f"no backup of {server.kind} is old enough: {since}")


def unpack(cluster: Cluster, server: Server, to: datetime | None, log: Path, port: int | None = None) -> Server:
    """Restore into a folder beside the server's own, as a server that is stopped. `to` None: everything archived.

    Raises PostgresError, also when the archive ends before `to`.
    """
    base, account = base_for(cluster, server, to), cluster.account
    made = replace(server, data=cluster.home / f"{server.kind}.restored", port=port or server.port)
    shutil.rmtree(made.data, ignore_errors=True)
    made.data.mkdir(mode=0o700)
    account.own(made.data)
    run_as(account, ["tar", "-xzf", str(base.folder / DATA), "-C", str(made.data)])
    if bad := damaged(made.data):
        raise PostgresError(
            f"the backup {base.folder} is damaged ({bad[0]} and {len(bad) - 1} more): take an older one"
        )
    target = {"recovery_target_time": to.isoformat(), "recovery_target_action": "promote"} if to else {}
    # Nothing is archived until the server is in its place: another attempt must find the archive as it was.
    cluster.configure(
        made,
        restore_command=f'gzip -dc "{base.archive}/%f.gz" > "%p"',
        archive_mode="off",
        **target,
    )
    run_as(account, ["touch", str(made.data / "recovery.signal")])
    _replay(made, log)
    return made


def _replay(server: Server, log: Path) -> None:
    """Run a server until it has replayed what it was asked to, then stop it."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            server.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, **server.account.popen_arguments()
        )
    deadline = time.monotonic() + REPLAY_SECONDS
    try:
        while _replays(server):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-8:])
                raise PostgresError(f"{server.kind} cannot be restored to that moment; the end of {log}:\n{tail}")
            time.sleep(0.1)
    finally:
        if process.poll() is None:
            run_as(server.account, [str(server.binaries / "pg_ctl"), "stop", "-D", str(server.data), "-m", "fast"])
        process.wait()


def _replays(server: Server) -> bool:
    try:
        with server.connect() as connection:
            return connection.execute("select pg_is_in_recovery()").fetchone() != (False,)
    except psycopg.Error:
        return True


def put_in_place(cluster: Cluster, server: Server) -> Path | None:
    """Make the restored data the server's own; where the data it had before is now."""
    kept = None
    if server.data.exists():
        kept = cluster.home / f"{server.kind}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        server.data.rename(kept)
    (cluster.home / f"{server.kind}.restored").rename(server.data)
    archive_history(cluster, server)
    if server.kind == "primary":  # the replica has what happened since
        shutil.rmtree(cluster.replica.data, ignore_errors=True)
    return kept


def archive_history(cluster: Cluster, server: Server) -> None:
    """Archive the timelines of a server that was promoted while it did not archive: a later restore follows them.

    What the archive has of the timelines before stays as it is: see _leave_archived.
    """
    cluster.prepare(server)
    script = cluster.home / "archive-wal.sh"
    histories = sorted((server.data / "pg_wal").glob("*.history"))
    for path in histories:
        run_as(
            cluster.account, ["sh", str(script), str(path), path.name, str(cluster.archive(server)), str(ARCHIVE_MB)]
        )
    if histories:
        _leave_archived(cluster, server, timeline=int(histories[-1].stem, 16))


def _leave_archived(cluster: Cluster, server: Server, timeline: int) -> None:
    """Note that segments of earlier timelines that the archive has are archived.

    The server before may have archived the last one, of which this one has the beginning only. PostgreSQL would try to archive
    its own again and again, and nothing behind it. It does not need to: the new timeline begins with a copy of the beginning.
    """
    for path in (server.data / "pg_wal").iterdir():
        is_old = SEGMENT.fullmatch(path.name) and int(path.name[:8], 16) < timeline
        if is_old and (cluster.archive(server) / f"{path.name}.gz").exists():
            status = server.data / "pg_wal" / "archive_status" / path.name
            status.with_suffix(".ready").unlink(missing_ok=True)
            status.with_suffix(".done").touch()
            cluster.account.own(status.with_suffix(".done"))
