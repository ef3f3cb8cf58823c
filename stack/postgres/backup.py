"""Backups of the primary and the metadata server: base backups, and the archive of the WAL written since.

In the folder of backups, for each server <kind>-<system identifier>: base/<time>/ (pg_basebackup, compressed) and wal/
(deploy/postgres/archive-wal.sh).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from stack import files
from stack.postgres.account import PostgresError, run_as
from stack.postgres.cluster import REPLICATION_ROLE, Cluster
from stack.postgres.server import Server

EVERY = timedelta(days=1)
KEEP = timedelta(days=7)
KEEP_AT_LEAST = 2
NOTE = "backup.json"
DATA = "data.tar.gz"
SEGMENT_BYTES = 16 << 20


@dataclass(frozen=True)
class Base:
    """One base backup. A server can be restored from it to any moment after `taken_at` whose WAL is archived."""

    folder: Path
    taken_at: datetime
    first_segment: str
    seconds: float

    @property
    def archive(self) -> Path:
        """Where the WAL is that was written since."""
        return self.folder.parent.parent / "wal"

    @property
    def bytes(self) -> int:
        """What it takes on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


class Backups:
    """The backups of one server, whose data folder exists."""

    def __init__(self, cluster: Cluster, server: Server, database: str = "pulse") -> None:
        self.cluster = cluster
        self.database = database
        self.server = server
        self.folder = cluster.backups_of(server) / "base"
        self.archive = cluster.archive(server)

    def bases(self) -> list[Base]:
        """The base backups, oldest first."""
        return bases_in(self.folder.parent)

    def take(self, *, wait: bool = True) -> Base:
        """Back the running server up, and drop what is too old; after somebody else who does, or with BlockingIOError if
        `wait` is false. Raises PostgresError."""
        with files.locked(self.folder.parent / "lock", wait=wait):
            return self._take()

    def _take(self) -> Base:
        began = time.monotonic()
        account, binaries = self.cluster.account, self.cluster.binaries
        self.folder.mkdir(mode=0o700, exist_ok=True)
        account.own(self.folder)
        partial, copy = self.folder / "new", self.folder / "new" / "data"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        account.own(partial)
        source = ["-h", self.server.host, "-p", str(self.server.port), "-U", REPLICATION_ROLE, "--no-password"]
        options = ["--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
        options += [] if self.cluster.durable else ["--no-sync"]
        command = [str(binaries / "pg_basebackup"), "-D", str(copy), *source, *options]
        run_as(account, command, PGPASSWORD=self.cluster.secrets.password(REPLICATION_ROLE))
        first_segment = _first_segment(copy)
        run_as(account, ["tar", "-cf", str(partial / DATA), "-I", "gzip -1", "-C", str(copy), "."])
        shutil.rmtree(copy)
        taken_at = datetime.now(UTC)
        note = {
            "taken_at": taken_at.isoformat(),
            "first_segment": first_segment,
            "seconds": round(time.monotonic() - began, 1),
        }
        files.replace(partial / NOTE, json.dumps(note), (account.uid, account.gid))
        partial.rename(self.folder / taken_at.strftime("%Y%m%dT%H%M%S.%fZ"))
        self._drop_old(taken_at)
        self._tell(taken_at)
        return self.bases()[-1]

    def _tell(self, taken_at: datetime) -> None:
        """Say in the clients' database that there is a new backup: watch_clients tells when the newest becomes too old."""
        with contextlib.suppress(psycopg.Error), self.cluster.primary.connect(database=self.database) as connection:
            connection.execute(
                "insert into core.backups (server, taken_at) values (%s, %s)"
                " on conflict (server) do update set taken_at = excluded.taken_at, noted_at = now()",
                [self.server.kind, taken_at],
            )

    def _drop_old(self, now: datetime) -> None:
        """Drop base backups of more than a week ago, and the WAL that no base backup needs."""
        for base in self.bases()[:-KEEP_AT_LEAST]:
            if now - base.taken_at > KEEP:
                shutil.rmtree(base.folder)
        clean = [str(self.cluster.binaries / "pg_archivecleanup"), "-x", ".gz", str(self.archive)]
        run_as(self.cluster.account, [*clean, self.bases()[0].first_segment])

    def mark(self) -> None:
        """Commit something, so that an idle server archives too, and can be restored to any moment before this one."""
        with self.server.connect() as connection:
            connection.execute("select pg_logical_emit_message(true, 'pulse', '')")

    def flush(self, seconds: float = 60) -> None:
        """Archive everything that the running server has committed so far."""
        self.mark()
        with self.server.connect() as connection:
            row = connection.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        deadline = time.monotonic() + seconds
        while not (self.archive / f"{row[0]}.gz").exists():
            if time.monotonic() > deadline:
                raise PostgresError(f"{self.server.kind} does not archive its WAL: ./pulse logs {self.server.kind}")
            time.sleep(0.05)

    def problem(self, now: datetime) -> str | None:
        """Why the server could not be restored to a minute ago; None when it could."""
        bases = self.bases()
        if not bases:
            return "there is no backup yet"
        if now - bases[-1].taken_at > 2 * EVERY:
            return f"the last backup is of {bases[-1].taken_at:%Y-%m-%d %H:%M} UTC"
        with self.server.connect() as connection:
            row = connection.execute(
                "select last_failed_wal from pg_stat_archiver"
                " where last_failed_time > coalesce(last_archived_time, '-infinity')"
            ).fetchone()
        return f"the WAL segment {row[0]} cannot be archived" if row else None


def bases_in(*folders: Path) -> list[Base]:
    """The base backups of servers, oldest first."""
    found = []
    for note in (note for folder in folders for note in folder.glob(f"base/*/{NOTE}")):
        read = json.loads(note.read_text())
        taken_at = datetime.fromisoformat(read["taken_at"])
        found.append(Base(note.parent, taken_at, read["first_segment"], read["seconds"]))
    return sorted(found, key=lambda base: base.taken_at)


def damaged(folder: Path) -> list[str]:
    """The files of an unpacked base backup that are not what the server sent."""
    wanted = json.loads((folder / "backup_manifest").read_text())["Files"]
    return [file["Path"] for file in wanted if _checksum(folder / file["Path"]) != file["Checksum"]]


def _checksum(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _first_segment(folder: Path) -> str:
    """Name of the WAL segment that a base backup begins in."""
    first = json.loads((folder / "backup_manifest").read_text())["WAL-Ranges"][0]
    high, low = (int(part, 16) for part in first["Start-LSN"].split("/"))
    return f"{first['Timeline']:08X}{high:08X}{low // SEGMENT_BYTES:08X}"
