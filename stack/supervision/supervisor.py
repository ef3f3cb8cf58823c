"""Talking to supervisord: start it, ask it, stop everything and leave nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from stack.errors import StackError
from stack.paths import AIRFLOW_VENV
from stack.supervision.programs import DATABASES, MARK, Program, socket_path, supervisor_config

ALREADY_STARTED = 60  # supervisor's fault codes
NOT_RUNNING = 70
NO_SUCH_NAME = 10
SESSION_FILE = "session.pid"  # outlives supervisord, unlike its own pid file


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord says of a process. `state`: STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN."""

    name: str
    state: str
    pid: int | None
    detail: str


class Supervisor:
    """The supervisord of one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.config = state / "supervisor.conf"
        self.socket = socket_path(state)

    def running(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def start(self, programs: list[Program]) -> None:
        """Start it, with no process yet. Raises StackError when it does not answer."""
        self.write_config(programs)
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        if self.socket.parent.stat().st_uid != os.geteuid():
            raise StackError(
                f"{self.socket.parent} belongs to someone else: delete it, or set TMPDIR to your own folder"
            )
        # Its own environment holds no secret; each program gets its own from the configuration.
        done = subprocess.run(
            [str(AIRFLOW_VENV / "bin" / "supervisord"), "-c", str(self.config)],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", MARK: str(self.state)},
        )
        deadline = time.monotonic() + 20
        while not self.running():
            if done.returncode != 0 or time.monotonic() > deadline:
                raise StackError(f"supervisord did not start: {(done.stdout + done.stderr).strip()[-1000:]}")
            time.sleep(0.05)
        (self.state / SESSION_FILE).write_text(f"{os.getsid(int(self._call('getPID')))}\n")

    def config_differs(self, programs: list[Program]) -> bool:
        """Whether the running configuration is another than the wanted one."""
        try:
            return self.config.read_text() != supervisor_config(self.state, programs)
        except OSError:
            return True

    def write_config(self, programs: list[Program]) -> None:
        """Write supervisor.conf for its owner only."""
        partial = self.config.with_suffix(".new")
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(supervisor_config(self.state, programs))
        partial.replace(self.config)

    def change(self, programs: list[Program]) -> None:
        """Make a running supervisord follow another configuration; only processes that differ are stopped."""
        self.write_config(programs)
        added, changed, removed = self._call("reloadConfig")[0]
        self.stop_processes([*changed, *removed])
        for name in [*changed, *removed]:
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)

    def processes(self) -> dict[str, ProcessInfo]:
        """Every process by name; empty when supervisord does not answer."""
        try:
            infos = self._call("getAllProcessInfo")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return {}
        return {
            info["name"]: ProcessInfo(
                info["name"], info["statename"], info["pid"] or None, info["spawnerr"] or info["description"]
            )
            for info in infos
        }

    def start_process(self, name: str) -> bool:
        """Ask for a process to be started, without waiting. Returns False when it runs already."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == ALREADY_STARTED:
                return False
            raise StackError(f"supervisord cannot start {name}: {fault.faultString}") from fault
        return True

    def stop_processes(self, names: Iterable[str], timeout_seconds: float = 90) -> None:
        """Stop processes side by side and wait until none of them runs."""
        names = set(names)
        for name in names:
            try:
                self._call("stopProcess", name, False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode not in (NOT_RUNNING, NO_SUCH_NAME):
                    raise StackError(f"supervisord cannot stop {name}: {fault.faultString}") from fault
        deadline = time.monotonic() + timeout_seconds
        while left := {n for n, p in self.processes().items() if n in names and p.pid}:
            if time.monotonic() > deadline:
                raise StackError(f"{', '.join(sorted(left))} did not stop within {timeout_seconds:.0f} s")
            time.sleep(0.1)

    def stop_everything(self) -> int:
        """Applications first, then the databases, then supervisord, then whatever is left. Returns what was left."""
        if self.running():
            names = set(self.processes())
            self.stop_processes(names - set(DATABASES))
            self.stop_processes(names & set(DATABASES))
            pid = int(self._call("getPID"))
            with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
                self._call("shutdown")
            _wait_gone([pid], 20)
        left = our_processes(self.state)
        # SIGINT is PostgreSQL's fast shutdown; Python programs end on it as well.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for pid in (pids := our_processes(self.state)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            _wait_gone(pids, 5)
        if still := our_processes(self.state):
            raise StackError(f"processes {still} do not end: stop them as their owner (kill -9)")
        return len(left)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
            return getattr(server.supervisor, method)(*arguments)


def our_processes(state: Path) -> list[int]:
    """Processes of this state folder's stack, also ones whose supervisor has died.

    Known by the mark in their environment; PostgreSQL by its data folder; and those that have overwritten their
    environment with a title (Airflow's do) by session and working folder.
    """
    session = _session(state)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if not _is_zombie(entry) and (
                _serves(entry, state)
                or f"{MARK}={state}".encode() in (entry / "environ").read_bytes().split(b"\0")
                or (session == os.getsid(int(entry.name)) and (entry / "cwd").readlink() == state.resolve() / "airflow")
            ):
                found.append(int(entry.name))
    return sorted(found)


def _serves(entry: Path, state: Path) -> bool:
    """Whether a process is a PostgreSQL server on this state folder's data."""
    data = str((state / "postgres").resolve()).encode() + b"/"
    command = (entry / "cmdline").read_bytes().split(b"\0")
    return command[0].endswith(b"/postgres") and any(part.startswith(data) for part in command[1:])


def _session(state: Path) -> int | None:
    """Session of the last supervisord, which it led."""
    try:
        return int((state / SESSION_FILE).read_text())
    except (OSError, ValueError):
        return None


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(") ")[2].startswith("Z")


def _wait_gone(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _is_zombie(Path(f"/proc/{pid}"))]
        if not alive:
            return
        time.sleep(0.1)
