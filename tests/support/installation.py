"""An installation with other source types, in a process of its own: migrates, takes a Variable, extracts and computes.

`python -m tests.support.installation` reads a Run as JSON from its input. PULSE_SOURCES and PULSE_READER_SECRET come from the
environment, as they do for Airflow's processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from migrations.migrate import migrate
from pulse.clients.spec import parse_spec
from pulse.clients.sync import sync_client
from pulse.source_types import scopes_of
from pulse.sources.base import Credential, Integration
from pulse.sources.registry import source_for
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase
from tests.support.network import forbid_network

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """What to do: the addresses of the database by role, the client's slug and Variable, and the moment to compute for."""

    urls: dict[str, str]
    slug: str
    variable: dict[str, Any]
    now: str


def run_with(
    folders: Sequence[Path], db: TestDatabase, slug: str, variable: dict[str, Any], now: str
) -> dict[str, Any]:
    """Bring a database and a client up to date in an installation that has the source types of these folders.

    Returns client_id, the scopes by integration as `<how Airflow calls them>:<label>`, and the raw rows that were written.
    """
    urls = {role: db.url(role) for role in ("pulse_owner", "pulse_admin", "pulse_etl")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.installation"],
        input=json.dumps(asdict(Run(urls, slug, variable, now))),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "plugins"),
            "PULSE_SOURCES": ",".join(map(str, folders)),
            "PULSE_READER_SECRET": db.cluster.secrets.readers,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(run: Run) -> dict[str, Any]:
    """Do a run."""
    migrate(run.urls["pulse_owner"])
    spec = parse_spec(run.slug, json.dumps(run.variable))
    with psycopg.connect(run.urls["pulse_admin"]) as admin:
        client_id = sync_client(admin, run.slug, spec).client_id
    tokens = {one.name or one.type: one.token.get_secret_value() if one.token else "" for one in spec.integrations}
    scopes, written = [], 0
    with psycopg.connect(run.urls["pulse_etl"]) as etl:
        for integration in _integrations(etl, client_id, run.slug):
            build, credential = source_for(integration.integration_type), Credential(None, tokens[integration.name])
            for scope in build(integration, credential, etl).discover():
                scopes.append(f"{scopes_of(integration.integration_type)}:{scope.label}")
                written += build(integration, credential, etl).extract(scope).rows_written
        run_stage(etl, client_id, "normalise")
        run_stage(etl, client_id, "dora", now=datetime.fromisoformat(run.now))
    return {"client_id": client_id, "scopes": scopes, "written": written}


def _integrations(etl: psycopg.Connection[Any], client_id: int, slug: str) -> list[Integration]:
    with client_transaction(etl, client_id):
        rows = etl.execute(
            "select id, integration_type, name, base_url, connection_id, config_data from core.integrations where active"
        ).fetchall()
    return [Integration(client_id, slug, *row) for row in rows]


if __name__ == "__main__":
    forbid_network()
    print(json.dumps(main(Run(**json.load(sys.stdin)))))
