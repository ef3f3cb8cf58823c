"""Whether each process does its work, not only whether it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from stack.airflow.api import HttpError, call
from stack.environment import Settings
from stack.postgres.cluster import Cluster
from stack.supervision.supervisor import ProcessInfo

MAX_REPLICA_LAG_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Health:
    """One process in ./pulse status."""

    name: str
    state: str
    pid: int | None
    healthy: bool
    detail: str


class HealthChecks:
    """Checks of all processes of a stack; each answers None when well, or what is wrong."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self.settings = settings
        self.cluster = cluster

    def check(self, processes: dict[str, ProcessInfo], names: list[str]) -> list[Health]:
        """Health of the named processes, asked side by side."""
        airflow = _Once(self._airflow)
        with ThreadPoolExecutor(max_workers=len(names) or 1) as pool:
            return list(pool.map(lambda name: self._one(name, processes.get(name), airflow), names))

    def _one(self, name: str, process: ProcessInfo | None, airflow: Callable[[], Any]) -> Health:
        if process is None:
            return Health(name, "STOPPED", None, False, "not started: ./pulse up")
        if process.state != "RUNNING":
            return Health(name, process.state, process.pid, False, process.detail)
        problem = self._problem(name, airflow)
        return Health(name, process.state, process.pid, problem is None, problem or process.detail)

    def _problem(self, name: str, airflow: Callable[[], Any]) -> str | None:
        if name in ("meta", "primary"):
            return (self.cluster.meta if name == "meta" else self.cluster.primary).problem()
        if name == "replica":
            return self.replica_problem()
        if name.startswith("airflow-"):
            return _airflow_problem(name, airflow())
        try:
            call("GET", f"{self.settings.url(name)}/health", timeout_seconds=10)
        except HttpError as error:
            return str(error)
        return None

    def replica_problem(self) -> str | None:
        """The replica answers, is read-only, and streams from the primary (when that runs) without falling behind."""
        try:
            with self.cluster.replica.connect() as connection:
                row = connection.execute(
                    "select pg_is_in_recovery(), (select status from pg_stat_wal_receiver),"
                    " coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)"
                ).fetchone()
        except psycopg.Error as error:
            return str(error).strip()
        in_recovery, receiver, lag = row if row is not None else (False, None, 0)
        if not in_recovery:
            return "is no standby: it takes writes"
        if receiver != "streaming":
            return "does not stream from the primary"
        return f"{int(lag) // 2**20} MB behind" if lag > MAX_REPLICA_LAG_BYTES else None

    def _airflow(self) -> Any:
        try:
            return call("GET", f"{self.settings.url('airflow')}/api/v2/monitor/health", timeout_seconds=15)
        except HttpError as error:
            return error


class _Once:
    """The answer of a function that several threads ask for and one computes."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._lock = threading.Lock()
        self._answer: list[Any] = []

    def __call__(self) -> Any:
        with self._lock:
            if not self._answer:
                self._answer.append(self._compute())
            return self._answer[0]


def _airflow_problem(name: str, answer: Any) -> str | None:
    if isinstance(answer, HttpError):
        return str(answer) if name == "airflow-api-server" else "unknown while the API server does not answer"
    if name == "airflow-api-server":
        return None if answer["metadatabase"]["status"] == "healthy" else "cannot reach its database"
    part = answer[name.removeprefix("airflow-").replace("-", "_")]
    return None if part["status"] == "healthy" else f"no heartbeat (status {part['status']})"
