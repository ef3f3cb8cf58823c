"""Checks that each process works, not only that it runs."""

from __future__ import annotations

import functools
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stack import files, probes
from stack.airflow.api import HttpError, JsonApi
from stack.postgres.cluster import Cluster
from stack.postgres.server import Server
from stack.settings import Settings
from stack.supervision.programs import DATABASES, KEEPER
from stack.supervision.supervisor import ProcessInfo

KEEPER_FILE = "keeper.json"  # what stack.keeper did last, and what it could not do
MIN_FREE_MB = 128  # a few files of WAL
KEEPER_SILENT = timedelta(minutes=30)  # a backup of a large database may take a while


@dataclass(frozen=True)
class Health:
    """One process in ./pulse status."""

    name: str
    state: str
    pid: int | None
    healthy: bool
    detail: str


class HealthChecks:
    """Checks of all processes of a stack."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self.settings = settings
        self.cluster = cluster

    def check(self, processes: dict[str, ProcessInfo], names: list[str]) -> list[Health]:
        """Health of the named processes, checked in parallel."""
        with ThreadPoolExecutor(max_workers=len(names) + 1) as pool:
            # One answer from Airflow covers all of its processes.
            airflow = any(name.startswith("airflow-") and name in processes for name in names)
            answer = pool.submit(self._ask, "airflow", probes.AIRFLOW) if airflow else None
            return list(pool.map(lambda name: self._one(name, processes.get(name), answer), names))

    def _one(self, name: str, process: ProcessInfo | None, airflow: Future[Any] | None) -> Health:
        if process is None:
            return Health(name, "STOPPED", None, False, "not started: ./pulse up")
        if process.state != "RUNNING":
            return Health(name, process.state, process.pid, False, process.detail)
        problem = self._problem(name, airflow)
        return Health(name, process.state, process.pid, problem is None, problem or process.detail)

    def _problem(self, name: str, airflow: Future[Any] | None) -> str | None:
        """What is wrong with a running process; None if it is healthy."""
        if name == "replica":
            return self.cluster.replication_problem() or room_problem(self.cluster.replica)
        if name in DATABASES:
            server = self.cluster.meta if name == "meta" else self.cluster.primary
            return server.problem() or room_problem(server)
        if airflow is not None and name.startswith("airflow-"):
            return _airflow_problem(name, airflow.result())
        if name == KEEPER:
            return keeper_problem(self.settings.state, datetime.now(UTC))
        answers = (self._ask(name, page) for page in probes.PAGES[name])
        return next((str(answer) for answer in answers if isinstance(answer, HttpError)), None)

    def _ask(self, service: str, path: str) -> Any:
        try:
            return _server(self.settings.url(service)).call("GET", path, timeout_seconds=15)
        except HttpError as error:
            return error


@functools.cache
def _server(url: str) -> JsonApi:
    return JsonApi(url)


def _airflow_problem(name: str, answer: Any) -> str | None:
    if isinstance(answer, HttpError):
        return str(answer) if name == "airflow-api-server" else "unknown while the API server does not answer"
    return probes.airflow_problem(name, answer)


def room_problem(server: Server) -> str | None:
    """That a server's disk is full, or nearly: it still answers then, and takes no rows."""
    free = shutil.disk_usage(server.data).free // 2**20
    return f"no room on its disk: {free} MB are free in {server.data}; make room there" if free < MIN_FREE_MB else None


def keeper_problem(state: Path, now: datetime) -> str | None:
    """What the keeper could not do; None when all is well, or it has just been started for the first time."""
    note = files.read_json(state / KEEPER_FILE)
    if note and now - datetime.fromisoformat(note["at"]) > KEEPER_SILENT:
        return f"has done nothing since {note['at'][:16]}"
    return note.get("problem")
