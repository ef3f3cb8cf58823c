"""Talking to supervisord: start it, query it, stop everything and leave nothing behind."""

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

import psutil
from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from stack import files
from stack.errors import StackError
from stack.paths import AIRFLOW_VENV
from stack.supervision.config import MARK, socket_path, supervisor_config
from stack.supervision.programs import DATABASES, Program

ALREADY_STARTED = 60  # supervisor's fault codes
NOT_RUNNING = 70
NO_SUCH_NAME = 10
SESSION_FILE = "session.pid"  # outlives supervisord, unlike its own pid file
NO_ANSWER = (OSError, http.client.HTTPException, xmlrpc.client.Error)


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
        except NO_ANSWER:
            return False

    def start(self, programs: list[Program]) -> None:
        """Start it, with no process yet. Raises StackError when it does not answer."""
        files.replace(self.config, supervisor_config(self.state, programs))
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
        """Whether the running configuration differs from the wanted one."""
        try:
            return self.config.read_text() != supervisor_config(self.state, programs)
        except OSError:
            return True

    def change(self, programs: list[Program]) -> None:
        """Make a running supervisord use another configuration; stops only processes that differ."""
        files.replace(self.config, supervisor_config(self.state, programs))
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
        except NO_ANSWER:
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
        """Stop processes in parallel and wait until none of them runs."""
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
            leader = psutil.Process(int(self._call("getPID")))
            with contextlib.suppress(*NO_ANSWER):
                self._call("shutdown")
            _wait_gone([leader], 20)
        left = our_processes(self.state)
        # SIGINT is PostgreSQL's fast shutdown; Python programs end on it as well.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for process in (still := our_processes(self.state)):
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            _wait_gone(still, 5)
        if still := our_processes(self.state):
            raise StackError(f"processes {[p.pid for p in still]} do not end: stop them as their owner (kill -9)")
        return len(left)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
            return getattr(server.supervisor, method)(*arguments)


def our_processes(state: Path) -> list[psutil.Process]:
    """Processes of this state folder's stack, also ones whose supervisor has died."""
    try:
        session = int((state / SESSION_FILE).read_text())  # of the last supervisord, which led it
    except (OSError, ValueError):
        session = None
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, state, session)]


def _belongs(process: psutil.Process, state: Path, session: int | None) -> bool:
    """Known by the mark in its environment; PostgreSQL by its data folder.

    Those that have overwritten their environment with a title (Airflow's do) are known by session and working folder.
    """
    try:
        if not _alive(process):
            return False
        command = process.cmdline()
        data = f"{(state / 'postgres').resolve()}/"
        if command[:1] and command[0].endswith("/postgres") and any(part.startswith(data) for part in command[1:]):
            return True
        airflow = str(state.resolve() / "airflow")
        marked: bool = process.environ().get(MARK) == str(state)
        return marked or (os.getsid(process.pid) == session and bool(process.cwd() == airflow))
    except (psutil.Error, OSError):
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _wait_gone(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
