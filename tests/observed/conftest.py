"""Runs of two clients' DAGs whose Airflow sends traces and lineage to a server that keeps them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stack.paths import ROOT
from stack.postgres.cluster import Cluster
from tests.conftest import SandboxServer
from tests.support.backends import Backends, backends
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.extraction import Pipeline

# The first client runs twice, and finds nothing new the second time. A task of the other one fails.
RUNS = ["pulse__acme", "pulse__acme", "pulse__globex"]
FAILED = 2
TOKEN = "ghp_sandbox_acme"


@dataclass
class Observed:
    """What was seen from outside while the DAGs ran."""

    received: Backends
    database: str
    primary: str
    replica: str
    states: list[dict[str, str]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def events(self, job: str, run: int | None = None, kind: str = "COMPLETE") -> list[dict[str, Any]]:
        """The events of a job, in the run of this number."""
        return [
            event
            for event in self.received.events
            if event["job"]["name"] == job
            and event["eventType"] == kind
            and run in (None, int(event["run"]["facets"]["airflow"]["dagRun"]["run_id"].removeprefix("manual__")))
        ]


@pytest.fixture(scope="package")
def observed(
    cluster: Cluster, sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    """Three runs, one after the other: see RUNS."""
    sandbox_server.reset()
    with TestDatabase.clone(cluster, TEMPLATE) as db, backends() as received:
        Pipeline.of(db, sandbox_server.url, "acme", repositories=["warehouse-api"])
        globex = db.add_client("globex")
        seen = Observed(
            received,
            db.name,
            f"postgres://{cluster.primary.host}:{cluster.primary.port}",
            f"postgres://{cluster.replica.host}:{cluster.replica.port}",
        )
        with cluster.primary.connect(database=db.name) as superuser:
            superuser.execute(f"alter database {db.name} set log_statement = 'ddl'".encode())
            superuser.execute("update core.integrations set active = integration_type = 'github'")
            superuser.execute(
                f"alter table core.dora_state add constraint refused check (client_id <> {globex})".encode()
            )
            rows = superuser.execute(
                "select c.relname::text, a.attname::text, col_description(c.oid, a.attnum) from pg_class c"
                " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
                " where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' order by c.relname, a.attnum"
            ).fetchall()
        for view, column, comment in rows:
            seen.columns.setdefault(view, []).append((column, comment))
        environment = _environment(db, sandbox_server, received.url, tmp_path_factory.mktemp("airflow"))
        with _watching(db, seen.sessions):
            done = subprocess.run(
                [sys.executable, "-m", "tests.support.airflow_runs", *RUNS],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        line = next((line for line in done.stdout.splitlines() if line.startswith("STATES ")), None)
        assert line, done.stdout[-3000:] + done.stderr[-3000:]
        seen.states = json.loads(line.removeprefix("STATES "))
        log = (cluster.state / "primary.log").read_text(encoding="utf-8", errors="replace")
        seen.log = [line for line in log.splitlines() if f"@{db.name} " in line]
        yield seen
    sandbox_server.reset()


def _environment(db: TestDatabase, sandbox: SandboxServer, url: str, folder: Path) -> dict[str, str]:
    bundle = {
        "name": "clients",
        "classpath": "pulse.orchestration.bundle.ClientBundle",
        "kwargs": {"folder": str(folder / "clients"), "refresh_interval": 10},
    }
    token = json.dumps({"conn_type": "http", "password": TOKEN})
    return db.conn_env() | {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
        "PULSE_ROOT": str(ROOT),
        "PULSE_PRIVATE_URLS": sandbox.url.removeprefix("http://"),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW_CONFIG": str(ROOT / "deploy" / "airflow.cfg"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # how long the end of a task may go unnoticed
        "AIRFLOW_CONN_GITHUB__TEST": token,
        "OPENLINEAGE_URL": url,
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
    }


@contextlib.contextmanager
def _watching(db: TestDatabase, names: set[str]) -> Iterator[None]:
    """Collect the names by which sessions of the primary call themselves."""
    done = threading.Event()

    def watch() -> None:
        with psycopg.connect(db.cluster.primary.url("postgres", "postgres"), autocommit=True) as superuser:
            while not done.wait(0.02):
                names.update(
                    name
                    for (name,) in superuser.execute(
                        "select application_name from pg_stat_activity where datname = %s", [db.name]
                    )
                )

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
