"""One PostgreSQL server: how to reach it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from pulse.tenancy import RoleSecrets
from stack.ports import LOOPBACK
from stack.postgres.account import Account, PostgresError

SUPERUSER = "postgres"
DATABASE = "pulse"


@dataclass(frozen=True)
class Server:
    """Where a server's data is, which account it runs as, and the secret of its roles' passwords."""

    kind: str
    data: Path
    port: int
    binaries: Path
    account: Account
    secrets: RoleSecrets = field(repr=False)
    host: str = LOOPBACK

    def command(self) -> list[str]:
        """Foreground command for a supervisor, to be run as `account`."""
        return [str(self.binaries / "postgres"), "-D", str(self.data)]

    def pid(self) -> int | None:
        """Process id of the running postmaster of this data folder, else None."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            return process.pid if str(self.data) in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """postgresql:// URL of a role, password included (it holds only letters and digits)."""
        return f"postgresql://{role}:{self.secrets.password(role)}@{self.host}:{self.port}/{database}"

    def connect(self, role: str = SUPERUSER, database: str = "postgres") -> psycopg.Connection[Any]:
        """Autocommit connection, by default as superuser."""
        return psycopg.connect(self.url(role, database), autocommit=True, connect_timeout=5)

    def problem(self) -> str | None:
        """Why the server does not answer; None when it does (the replica: when it can be read)."""
        try:
            with self.connect() as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            return str(error).strip()
        return None

    def wait_ready(self, timeout_seconds: float = 60, check_alive: Callable[[], None] = lambda: None) -> None:
        """Wait until the server answers; `check_alive` raises if there is nothing left to wait for.

        Raises PostgresError at the end of the time, and at once when the server answers to another secret.
        """
        deadline = time.monotonic() + timeout_seconds
        while (problem := self.problem()) is not None:
            if "password authentication failed" in problem:
                raise PostgresError(
                    f"{self.data} was made with another PULSE_ROLE_SECRET: put the old secret back, or start afresh "
                    "(./pulse reset deletes the data)"
                )
            check_alive()
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"{self.kind} PostgreSQL did not answer on port {self.port} within {timeout_seconds:.0f} s: "
                    f"{problem}"
                )
            time.sleep(0.05)
