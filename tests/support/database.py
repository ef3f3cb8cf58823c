"""A database for one test, cloned from the migrated template."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pulse.tenancy import ensure_client_role
from stack.ports import StackPorts
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster
from tests.support.servers import free_port, running

Connection = psycopg.Connection[Any]

# The migrated database that tests clone.
TEMPLATE = "pulse_template"


@contextlib.contextmanager
def temporary_cluster(secret: str) -> Iterator[Cluster]:
    """A primary and its streaming replica in a temporary folder, without fsync; the database TEMPLATE is migrated."""
    state = Path(tempfile.mkdtemp(prefix="pulse-test-"))
    state.chmod(0o755)
    made = Cluster(state, secret, StackPorts(free_port(), free_port(), free_port()), durable=False)
    try:
        made.prepare(made.primary)
        with contextlib.ExitStack() as servers:
            servers.enter_context(running(made.primary, state / "primary.log"))
            postgres_roles.bootstrap_primary(made, TEMPLATE)
            postgres_roles.migrate(made, TEMPLATE)
            postgres_roles.secure_roles(made, TEMPLATE)
            made.prepare_replica()
            servers.enter_context(running(made.replica, state / "replica.log"))
            yield made
        made.remove()
    finally:
        shutil.rmtree(state, ignore_errors=True)


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
            for connection in database._open:
                connection.close()
            with cluster.primary.connect() as superuser:
                superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))

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
            "AIRFLOW_CONN_PULSE_REPLICA": self.url("pulse_staff", replica=True),
            "PULSE_ROLE_SECRET": self.cluster.secret,
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
            ensure_client_role(admin, row[0], active=active, secret=self.cluster.secret)
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
