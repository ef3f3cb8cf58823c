"""The job `init`: roles, databases, tables and policies on servers that others run. May be repeated.

Logs in as the superuser, whose password is derived from PULSE_ROLE_SECRET. `--clients` makes the clients' database alone, on a
server that is there already: PULSE_SUPERUSER_URL is the superuser's address (docs/existing.md).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pulse import environ
from pulse.tenancy import RoleSecrets
from stack.postgres import roles
from stack.postgres.account import Account
from stack.postgres.server import Server


@dataclass(frozen=True)
class RemoteServers:
    """Servers that this job does not run."""

    secrets: RoleSecrets
    primary: Server
    meta: Server


def server(kind: str, host: str, port: int) -> Server:
    """One of the servers."""
    nowhere = Path("/nonexistent")
    account = Account(None, os.geteuid(), os.getegid())
    return Server(kind, nowhere, port, nowhere, account, role_secrets(), host)


def role_secrets() -> RoleSecrets:
    """What the roles' passwords are derived from."""
    return RoleSecrets(environ.ROLE_SECRET.get(), environ.READER_SECRET.get())


class Given(Server):
    """A server with a superuser of its own."""

    def connect(self, role: str = "", database: str = "postgres") -> psycopg.Connection[Any]:
        """Autocommit connection as that superuser."""
        address = psycopg.conninfo.make_conninfo(environ.SUPERUSER_URL.get(), dbname=database)
        return psycopg.connect(address, autocommit=True, connect_timeout=5)


def make_clients_database() -> None:
    """The clients' database, its roles and tables on the server of PULSE_SUPERUSER_URL. May be repeated."""
    given = psycopg.conninfo.conninfo_to_dict(environ.SUPERUSER_URL.get())
    found = server("primary", str(given.get("host", "127.0.0.1")), int(str(given.get("port") or 5432)))
    primary = Given(found.kind, found.data, found.port, found.binaries, found.account, found.secrets, found.host)
    servers = RemoteServers(role_secrets(), primary, primary)
    database = environ.DATABASE.get()
    roles.bootstrap_primary(servers, database)
    roles.migrate(servers, database)
    roles.secure_roles(servers, database)
    print(f"the database {database}, its roles, tables and policies are up to date")


def main() -> None:
    """Bring both servers up to date, or one database of a server that is there."""
    if "--clients" in sys.argv[1:]:
        make_clients_database()
        return
    servers = RemoteServers(
        role_secrets(),
        server("primary", environ.PRIMARY_HOST.get(), environ.PRIMARY_PORT.get()),
        server("meta", environ.META_HOST.get(), environ.META_PORT.get()),
    )
    servers.primary.wait_ready()
    servers.meta.wait_ready()
    roles.bootstrap_meta(servers)
    roles.bootstrap_primary(servers)
    roles.migrate(servers)
    roles.secure_roles(servers)
    roles.open_to_pooler(servers)
    print("databases, roles, tables and policies are up to date")


if __name__ == "__main__":
    main()
