"""A database for one test, cloned from the migrated template."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from pulse.tenancy import RoleSecrets, ensure_client_role
from stack.ports import StackPorts
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import SLOT, Cluster
from stack.postgres.server import Server
from tests.support.servers import free_port, running

Connection = psycopg.Connection[Any]

# The migrated database that tests clone.
TEMPLATE = "pulse_template"
# So many databases in a row whose tests did not ask for the replica.
IDLE = 10
MEMORY = Path("/dev/shm")
NEEDED_MEMORY_MB = 4500  # three workers' clusters, with much to spare


class LightCluster(Cluster):
    """A cluster whose replica is built when a test asks for it, and dropped when no test has for a while.

    Few tests do, and a replica that follows doubles what it costs to make and drop a database.
    """

    on_demand = False
    _following: contextlib.ExitStack | None = None
    _unused = 0

    @property
    def replica(self) -> Server:
        """The replica, running."""
        self._unused = 0
        if self.on_demand and self._following is None:
            self.on_demand = False  # building it asks for it
            self._replica = self._server("replica", free_port())
            self.prepare_replica()
            self._following = contextlib.ExitStack()
            self._following.enter_context(running(self._replica, self.state / "replica.log"))
            self.on_demand = True
        return self._replica

    @replica.setter
    def replica(self, server: Server) -> None:
        self._replica = server

    @contextlib.contextmanager
    def replica_on_demand(self) -> Iterator[None]:
        """Build the replica on first use, for the time of a `with` block in which the primary runs."""
        with self.primary.connect() as superuser:
            superuser.autocommit = True
            # Its files may lie in memory: no archive there, and little WAL.
            superuser.execute("alter system set archive_command = 'true'")
            superuser.execute("alter system set max_wal_size = '256MB'")
            superuser.execute("select pg_reload_conf()")
        self.on_demand = True
        try:
            yield
        finally:
            self.on_demand = False
            self.stop_replica()

    def database_made(self) -> None:
        """Count the databases that were made since a test last asked for the replica; drop it after IDLE of them."""
        self._unused += 1
        if self._unused > IDLE:
            self.stop_replica()

    def stop_replica(self) -> None:
        """Stop the replica and have the primary forget it; the next use builds another one."""
        if self._following is not None:
            self._following.close()
            self._following = None
            with self.primary.connect() as superuser:
                superuser.execute("select pg_drop_replication_slot(%s)", [SLOT])


@contextlib.contextmanager
def temporary_cluster(secret: str, *, light: bool = False) -> Iterator[Cluster]:
    """A primary and its streaming replica in a temporary folder, without fsync; the database TEMPLATE is migrated.

    `light` is for tests: the files are in memory where there is room, and the replica runs only while it is used.
    """
    folder = folder_in_memory() if light else None
    state = Path(tempfile.mkdtemp(prefix=f"pulse-test-{os.getpid()}-", dir=folder))
    state.chmod(0o755)
    kind = LightCluster if light else Cluster
    made = kind(
        state,
        RoleSecrets(f"{secret} of the services", secret),
        StackPorts(free_port(), free_port(), free_port()),
        durable=False,
    )
    try:
        made.prepare(made.primary)
        with contextlib.ExitStack() as servers:
            servers.enter_context(running(made.primary, state / "primary.log"))
            postgres_roles.bootstrap_primary(made, TEMPLATE)
            postgres_roles.migrate(made, TEMPLATE)
            postgres_roles.secure_roles(made, TEMPLATE)
            if isinstance(made, LightCluster):
                servers.enter_context(made.replica_on_demand())
            else:
                made.prepare_replica()
                servers.enter_context(running(made.replica, state / "replica.log"))
            yield made
        made.remove()
    finally:
        shutil.rmtree(state, ignore_errors=True)


def folder_in_memory() -> Path | None:
    """A file system in memory, where making a database costs a quarter; None where there is none with enough room."""
    for left in MEMORY.glob("pulse-test-*"):  # by a run that was killed
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    if not os.access(MEMORY, os.W_OK | os.X_OK) or psutil.virtual_memory().available < NEEDED_MEMORY_MB * 2**20:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= NEEDED_MEMORY_MB * 2**20 else None


def wait_replayed(primary: Connection, replica: Connection, seconds: float) -> None:
    """Wait until the replica has replayed everything committed so far.

    Compares with the end of what is flushed, not of what is inserted: at the end of a page, the latter lies after the next
    page's header, where no record ends.
    """
    row = primary.execute("select pg_current_wal_flush_lsn()").fetchone()
    deadline = time.monotonic() + seconds
    while replica.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone() != (True,):
        assert time.monotonic() < deadline, f"the replica did not reach {row} within {seconds} s"
        time.sleep(0.02)


@dataclass
class TestDatabase:
    """One database on the test cluster's primary, and its copy on the replica."""

    __test__ = False

    cluster: Cluster
    name: str
    _open: list[Connection] = field(default_factory=list, repr=False)

    @classmethod
    @contextlib.contextmanager
    def clone(cls, cluster: Cluster, template: str) -> Iterator[TestDatabase]:
        """A new database from the template, for the duration of a `with` block."""
        if isinstance(cluster, LightCluster):
            cluster.database_made()
        database = cls(cluster, f"pulse_test_{secrets.token_hex(6)}")
        with cluster.primary.connect() as superuser:
            postgres_roles.ensure_database(
                superuser, database.name, "pulse_owner", template=template, strategy="file_copy"
            )
        try:
            with cluster.primary.connect(database=database.name) as superuser:
                superuser.execute((postgres_roles.BOOTSTRAP / "grant_service_access.sql").read_text())
            yield database
        finally:
            database.close()
            with cluster.primary.connect() as superuser:
                superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))

    def close(self) -> None:
        """Close the connections that were opened here."""
        for connection in self._open:
            connection.close()

    def connect(self, role: str, replica: bool = False, **kwargs: Any) -> Connection:
        """A connection as `role` (autocommit off), closed at the end of the test."""
        server = self.cluster.replica if replica else self.cluster.primary
        connection = psycopg.connect(server.url(role, self.name), connect_timeout=10, **kwargs)
        self._open.append(connection)
        return connection

    def url(self, role: str, replica: bool = False) -> str:
        """postgresql:// URL of a role."""
        server = self.cluster.replica if replica else self.cluster.primary
        return server.url(role, self.name)

    def conn_env(self) -> dict[str, str]:
        """The environment in which pulse finds this database."""
        primary, replica = self.cluster.primary, self.cluster.replica
        return {
            "AIRFLOW_CONN_PULSE_ETL": self.url("pulse_etl"),
            "AIRFLOW_CONN_PULSE_ADMIN": self.url("pulse_admin"),
            "AIRFLOW_CONN_PULSE_INGEST": self.url("pulse_ingest"),
            "AIRFLOW_CONN_PULSE_REPLICA": self.url("pulse_staff", replica=True),
            "PULSE_READER_SECRET": self.cluster.secrets.readers,
            "PULSE_PRIMARY_HOST": primary.host,
            "PULSE_PRIMARY_PORT": str(primary.port),
            "PULSE_REPLICA_HOST": replica.host,
            "PULSE_REPLICA_PORT": str(replica.port),
        }

    def add_client(self, slug: str, name: str | None = None, *, time_zone: str = "UTC", active: bool = True) -> int:
        """Insert a client with its database login; returns its id."""
        with self._admin() as admin:
            row = admin.execute(
                "insert into core.clients (slug, name, time_zone, active) values (%s, %s, %s, %s) returning id",
                [slug, name or slug, time_zone, active],
            ).fetchone()
            assert row is not None
            ensure_client_role(admin, row[0], active=active, secret=self.cluster.secrets.readers)
        return int(row[0])

    def add_integration(
        self,
        client_id: int,
        integration_type: str,
        name: str | None = None,
        *,
        base_url: str = "http://127.0.0.1:1",
        connection_id: str | None = None,
        config_data: dict[str, Any] | None = None,
        schedule_minutes: int = 60,
        active: bool = True,
    ) -> int:
        """Insert an integration of a client; returns its id."""
        with self._admin() as admin:
            row = admin.execute(
                "insert into core.integrations (client_id, integration_type, name, base_url, connection_id,"
                " config_data, schedule_minutes, active) values (%s, %s, %s, %s, %s, %s, %s, %s) returning id",
                [
                    client_id,
                    integration_type,
                    name or integration_type,
                    base_url,
                    connection_id or f"{integration_type}__test",
                    json.dumps(config_data or {}),
                    schedule_minutes,
                    active,
                ],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def set_setting(self, client_id: int, key: str, value: Any) -> None:
        """Store one setting of a client."""
        with self._admin() as admin:
            admin.execute(
                "insert into core.system_settings (client_id, setting_key, setting_value) values (%s, %s, %s)"
                " on conflict (client_id, setting_key) do update set setting_value = excluded.setting_value",
                [client_id, key, json.dumps(value)],
            )

    def wait_replica(self, seconds: float = 20) -> None:
        """Wait until the replica has replayed everything committed so far."""
        with self.cluster.primary.connect() as primary, self.cluster.replica.connect() as replica:
            wait_replayed(primary, replica, seconds)

    def _admin(self) -> Connection:
        return psycopg.connect(self.cluster.primary.url("pulse_admin", self.name))
