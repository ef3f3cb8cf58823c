"""The job `init`: roles, databases, tables and policies on servers that others run. May be repeated.

Logs in as the superuser, whose password is derived from PULSE_ROLE_SECRET.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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


def main() -> None:
    """Bring both servers up to date."""
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
    print("databases, roles, tables and policies are up to date")


if __name__ == "__main__":
    main()
