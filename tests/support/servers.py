"""PostgreSQL servers for the time of a test or a benchmark, without a supervisor."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stack.ports import LOOPBACK
from stack.postgres.account import PostgresError, run_as
from stack.postgres.server import Server


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def start(server: Server, log: Path) -> subprocess.Popen[bytes]:
    """Start a prepared server as a child that is shut down with its parent."""
    with log.open("ab") as out:
        return subprocess.Popen(
            server.command(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            **server.account.popen_arguments(),
        )


def stop(server: Server, timeout_seconds: float = 30) -> None:
    """Stop a server (fast shutdown), whoever started it; nothing happens when it is not running."""
    if server.pid() is not None:
        options = ["-D", str(server.data), "-m", "fast", "-t", str(int(timeout_seconds))]
        run_as(server.account, [str(server.binaries / "pg_ctl"), "stop", *options])


@contextlib.contextmanager
def running(server: Server, log: Path) -> Iterator[Server]:
    """Run a prepared server for the time of a `with` block. Raises PostgresError when it ends before it answers."""
    process = start(server, log)

    def check_alive() -> None:
        if process.poll() is not None:
            raise PostgresError(f"{server.kind} PostgreSQL ended with exit code {process.returncode}: see {log}")

    try:
        server.wait_ready(check_alive=check_alive)
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
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
