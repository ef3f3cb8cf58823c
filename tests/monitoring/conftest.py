"""Both addresses that Prometheus reads, with real databases behind them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from pulse.warehouse.connect import client_transaction
from stack.paths import ROOT, SUPERSET_VENV
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.servers import free_port

TOKEN = "token-of-the-tests"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Endpoint:
    """An address that Prometheus reads."""

    port: int
    path: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read(self, token: str | None = TOKEN) -> requests.Response:
        """One scrape."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.get(self.url + self.path, headers=headers, timeout=30)


@pytest.fixture(scope="package")
def world(cluster: Cluster) -> Iterator[TestDatabase]:
    """Three clients: acme reads two sources, bolt fails, gone is not active."""
    with TestDatabase.clone(cluster, TEMPLATE) as db:
        ids = {slug: db.add_client(slug, slug.title()) for slug in ("acme", "bolt", "gone")}
        github, jira = db.add_integration(ids["acme"], "github"), db.add_integration(ids["acme"], "jira")
        ran(
            db,
            ids["acme"],
            github,
            50,
            api_calls=7,
            api_points=9,
            rows_read=100,
            rows_written=90,
            budget_remaining=4000,
        )
        ran(db, ids["acme"], github, 10, api_calls=2, rows_read=3, rows_rejected=2, budget_remaining=3990)
        ran(db, ids["acme"], jira, 20, state="failed", error="UpstreamError: away", api_calls=1)
        ran(db, ids["acme"], jira, 300, api_calls=500, budget_remaining=77)
        ran(db, ids["bolt"], db.add_integration(ids["bolt"], "github"), 5, state="failed", error="AuthError: no")
        with db.connect("pulse_admin") as admin:
            admin.execute("update core.clients set active = false where slug = 'gone'")
        db.wait_replica()
        yield db


def ran(db: TestDatabase, client_id: int, source: int, minutes: int, state: str = "success", **columns: Any) -> None:
    """A run of the client that began so many minutes ago."""
    began = NOW - timedelta(minutes=minutes)
    values = {"state": state, "started_at": began, "finished_at": began + timedelta(minutes=1), **columns}
    with db.connect("pulse_etl") as conn, client_transaction(conn, client_id):
        conn.execute(
            f"insert into core.etl_runs (client_id, dag_run_id, task_id, integration_id, {', '.join(values)})"
            f" values (%s, 'run', 'extract', %s, {', '.join(['%s'] * len(values))})",
            [client_id, source, *values.values()],
        )


@pytest.fixture(scope="package")
def pulse(world: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """What Airflow's API server shows. Airflow's own database has no tables."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **world.conn_env(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    endpoint = Endpoint(free_port(), "/pulse/metrics/")
    command = [sys.executable, "-m", "tests.support.metrics_server", str(endpoint.port)]
    with _serving(command, environment, endpoint, home / "log"):
        yield endpoint


@pytest.fixture(scope="package")
def superset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """What Superset shows: its gunicorn with two workers, in front of an application that answers at once."""
    state = tmp_path_factory.mktemp("state")
    endpoint = Endpoint(free_port(), "/pulse/metrics")
    command = [str(SUPERSET_VENV / "bin" / "gunicorn"), "--config", str(ROOT / "superset" / "gunicorn.conf.py")]
    command += ["--workers", "2", "--bind", f"127.0.0.1:{endpoint.port}", "tests.support.measured_app:app"]
    environment = {"PULSE_STATE": str(state), "PULSE_READER_SECRET": "secret-of-the-tests"}
    with _serving(command, environment, endpoint, state / "log"):
        yield endpoint


@contextlib.contextmanager
def _serving(command: list[str], environment: dict[str, str], endpoint: Endpoint, log: Path) -> Iterator[None]:
    path = os.pathsep.join(str(folder) for folder in (ROOT, ROOT / "plugins", ROOT / "superset"))
    env = {**os.environ, **environment, "PYTHONPATH": path, "PULSE_METRICS_TOKEN": TOKEN}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(requests.ConnectionError):
                endpoint.read()
                break
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)
