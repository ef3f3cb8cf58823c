"""Databases, roles and passwords of the embedded servers: what a superuser does around the migrations."""

from typing import Any, Protocol

import psycopg
from psycopg import sql

from migrations.errors import MigrateError
from migrations.migrate import migrate as bring_up_to_date
from pulse.tenancy import POOLER_ROLE, SERVICE_ROLES, RoleSecrets, client_of_role, scram_verifier, verifier_matches
from stack.errors import StackError
from stack.paths import ROOT
from stack.postgres.cluster import REPLICATION_ROLE
from stack.postgres.server import DATABASE, Server

BOOTSTRAP = ROOT / "migrations" / "bootstrap"
SEARCH_PATH = "core, report, raw, public"
META_DATABASES = ("airflow", "superset")

Connection = psycopg.Connection[Any]


class Servers(Protocol):
    """The servers that get databases and roles: a Cluster, or servers that others run."""

    @property
    def secrets(self) -> RoleSecrets: ...
    @property
    def primary(self) -> Server: ...
    @property
    def meta(self) -> Server: ...


def bootstrap_primary(cluster: Servers, database: str = DATABASE) -> None:
    """Before the migrations: pulse_owner, the logins of replication and PgBouncer, and the clients' database. May be repeated."""
    with cluster.primary.connect() as connection:
        ensure_role(connection, cluster.secrets, "pulse_owner", "login createrole")
        ensure_role(connection, cluster.secrets, REPLICATION_ROLE, "login replication")
        ensure_role(connection, cluster.secrets, POOLER_ROLE, "login")
        close_database(connection, "postgres")
        close_database(connection, "template1")
        connection.execute((BOOTSTRAP / "pooler.sql").read_text())
        ensure_database(connection, database, "pulse_owner")
    with cluster.primary.connect(database=database) as connection:
        connection.execute((BOOTSTRAP / "harden_database.sql").read_text())


def bootstrap_meta(cluster: Servers) -> None:
    """The databases `airflow` and `superset`, each owned by a role of its name, and the role of backups. May be repeated."""
    with cluster.meta.connect() as connection:
        ensure_role(connection, cluster.secrets, REPLICATION_ROLE, "login replication")
        close_database(connection, "postgres")
        close_database(connection, "template1")
        for name in META_DATABASES:
            ensure_role(connection, cluster.secrets, name, "login")
            ensure_database(connection, name, name, search_path=None)


def secure_roles(cluster: Servers, database: str = DATABASE) -> None:
    """After the migrations: who may connect, and every role's password from the secrets (also the clients').

    May be repeated; after a change of a secret it gives every role its new password.
    """
    with cluster.primary.connect(database=database) as connection:
        connection.execute((BOOTSTRAP / "grant_service_access.sql").read_text())
        roles = [name for (name,) in connection.execute("select rolname from pg_roles where rolname like 'pulse%'")]
        for role in roles:
            if role in SERVICE_ROLES or client_of_role(role) is not None:
                set_password(connection, cluster.secrets, role)


def open_to_pooler(cluster: Servers, database: str = DATABASE) -> None:
    """Let PgBouncer's login ask for verifiers in the clients' database, too: versions before 1.19 ask nowhere else."""
    with cluster.primary.connect(database=database) as connection:
        connection.execute((BOOTSTRAP / "pooler.sql").read_text())


def migrate(cluster: Servers, database: str = DATABASE) -> None:
    """Bring the schema to this version, as pulse_owner. Raises StackError, or what PostgreSQL raises."""
    try:
        bring_up_to_date(cluster.primary.url("pulse_owner", database))
    except MigrateError as error:
        raise StackError(str(error)) from error


def ensure_role(connection: Connection, secrets: RoleSecrets, role: str, attributes: str) -> None:
    """Create a role with these attributes and its derived password, when it does not exist."""
    if not connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("alter role {} " + attributes).format(sql.Identifier(role)))
    set_password(connection, secrets, role)


def set_password(connection: Connection, secrets: RoleSecrets, role: str) -> None:
    """Set a role's derived password as a SCRAM verifier, when the stored one is another. Superusers only."""
    password = secrets.password(role)
    row = connection.execute("select rolpassword from pg_authid where rolname = %s", [role]).fetchone()
    if row is None or not verifier_matches(row[0], password):
        connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(scram_verifier(password)))
        )


def ensure_database(
    connection: Connection,
    name: str,
    owner: str,
    *,
    template: str = "template1",
    search_path: str | None = SEARCH_PATH,
    strategy: str = "wal_log",
) -> None:
    """Create a database that only its owner may connect to, when it does not exist."""
    if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
        connection.execute(
            sql.SQL("create database {} owner {} template {} strategy {}").format(
                sql.Identifier(name), sql.Identifier(owner), sql.Identifier(template), sql.Identifier(strategy)
            )
        )
    close_database(connection, name)
    if search_path is not None:
        connection.execute(sql.SQL("alter database {} set search_path = " + search_path).format(sql.Identifier(name)))


def close_database(connection: Connection, name: str) -> None:
    """Take from PUBLIC the right to connect to a database and to make temporary tables in it."""
    connection.execute(sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(name)))
