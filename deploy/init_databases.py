"""The job `init`: roles, databases, tables and policies on servers that others run. May be repeated.

Reads PULSE_ROLE_SECRET, PULSE_PRIMARY_HOST and PULSE_META_HOST (ports likewise, 5432 when not given); logs in as the
superuser, whose password is derived from the secret as every other is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stack.postgres import roles as postgres_roles
from stack.postgres.account import Account
from stack.postgres.cluster import Server


@dataclass(frozen=True)
class RemoteServers:
    """What stack.postgres.roles needs of a cluster, for servers that this job does not run."""

    secret: str
    primary: Server
    meta: Server


def server(kind: str, secret: str) -> Server:
    """One of the servers, by its host name in the environment."""
    host = os.environ[f"PULSE_{kind.upper()}_HOST"]
    port = int(os.environ.get(f"PULSE_{kind.upper()}_PORT", "5432"))
    nowhere = Path("/nonexistent")
    return Server(kind, nowhere, port, nowhere, Account(None, os.geteuid(), os.getegid()), secret, host)


def main() -> None:
    """Bring both servers up to date."""
    secret = os.environ["PULSE_ROLE_SECRET"]
    servers = RemoteServers(secret, server("primary", secret), server("meta", secret))
    servers.primary.wait_ready()
    servers.meta.wait_ready()
    postgres_roles.bootstrap_meta(servers)  # type: ignore[arg-type]
    postgres_roles.bootstrap_primary(servers)  # type: ignore[arg-type]
    postgres_roles.migrate(servers)  # type: ignore[arg-type]
    postgres_roles.secure_roles(servers)  # type: ignore[arg-type]
    print("databases, roles, tables and policies are up to date")


if __name__ == "__main__":
    main()
