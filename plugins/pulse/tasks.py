"""What the tasks of a client's DAG do: each opens its connections, works, records its run, closes them."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any

from airflow.sdk import get_current_context

from pulse.client_dag import ClientDagSpec, IntegrationSpec
from pulse.clients.credentials import credential_for
from pulse.errors import ConfigError, PulseError
from pulse.sources.base import Integration, Scope, Source
from pulse.sources.registry import source_for
from pulse.superset.provision import api_from_connection, touch_datasets
from pulse.warehouse.connect import client_transaction, connect
from pulse.warehouse.runs import RunStats, record_run
from pulse.warehouse.transforms import run_stage

log = logging.getLogger(__name__)


def discover_scopes(spec: ClientDagSpec, declared: IntegrationSpec) -> list[dict[str, Any]]:
    """Store the integration's repositories or projects; return one JSON-able scope for each that is extracted."""
    with closing(connect("pulse_etl")) as conn, _recorded(conn, spec, declared.id) as stats:
        scopes = _source(conn, spec, declared, stats).discover()
    log.info("client %s: %s has %d scopes", spec.slug, declared.name, len(scopes))
    return [scope.to_json() for scope in scopes]


def extract_scope(spec: ClientDagSpec, declared: IntegrationSpec, scope_json: dict[str, Any]) -> dict[str, int]:
    """Extract one repository or project from its checkpoint on; returns calls, points and rows."""
    scope = Scope.from_json(scope_json)
    get_current_context()["scope_label"] = scope.label
    with closing(connect("pulse_etl")) as conn, _recorded(conn, spec, declared.id, scope.key) as stats:
        _source(conn, spec, declared, stats).extract(scope)
    counts: dict[str, int] = stats.as_dict()
    log.info("client %s: %s %s: %s", spec.slug, declared.name, scope.label, counts)
    return counts


def run_transforms(spec: ClientDagSpec, task_id: str, stage: str) -> dict[str, int]:
    """Run a stage of include/sql for the client; returns the rows each file wrote."""
    with closing(connect("pulse_etl")) as conn, _recorded(conn, spec) as stats:
        results = run_stage(conn, spec.client_id, stage)
        stats.rows_written += sum(step.rows for step in results)
    for step in results:
        log.info("client %s: %s wrote %d rows", spec.slug, step.file, step.rows)
    return {step.file: step.rows for step in results if step.rows}


def publish_dashboards(spec: ClientDagSpec, timeout_seconds: float) -> None:
    """Wait until the replica has replayed what this run wrote, then let Superset's caches turn over."""
    with closing(connect("pulse_etl", autocommit=True)) as primary:
        row = primary.execute("select pg_current_wal_lsn()::text").fetchone()
    assert row is not None
    _wait_for_replay(spec, row[0], timeout_seconds)
    touch_datasets(api_from_connection())


def _wait_for_replay(spec: ClientDagSpec, lsn: str, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    with closing(connect("pulse_replica", autocommit=True)) as replica:
        while True:
            row = replica.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [lsn]).fetchone()
            if row is not None and row[0]:
                return
            if time.monotonic() > deadline:
                raise PulseError(
                    client=spec.slug, source="replica",
                    message=f"the replica has not replayed {lsn} within {timeout_seconds:.0f} s",
                    way_out="look at the replica's log (./pulse logs replica); dashboards go on with the older data",
                )  # fmt: skip
            time.sleep(0.2)


def _recorded(conn: Any, spec: ClientDagSpec, integration_id: int | None = None, scope_key: str = "") -> Any:
    context = get_current_context()
    return record_run(
        conn, client_id=spec.client_id, dag_run_id=str(context["dag_run"].run_id), task_id=str(context["task"].task_id),
        integration_id=integration_id, scope_key=scope_key,
    )  # fmt: skip


def _source(conn: Any, spec: ClientDagSpec, declared: IntegrationSpec, stats: RunStats) -> Source:
    """The integration's source as the tables have it now. It counts into `stats`, so that a run that fails shows its calls."""
    with client_transaction(conn, spec.client_id):
        row = conn.execute(
            "select base_url, connection_id, config_data, active from core.integrations where client_id = %s and id = %s",
            [spec.client_id, declared.id],
        ).fetchone()
    if row is None or not row[3]:
        raise ConfigError(
            client=spec.slug, source=declared.name, message="the integration is not active any more",
            way_out="nothing: the client's DAG follows within seconds",
        )  # fmt: skip
    integration = Integration(
        client_id=spec.client_id, client_slug=spec.slug, id=declared.id, integration_type=declared.integration_type,
        name=declared.name, base_url=row[0], connection_id=row[1], config=row[2],
    )  # fmt: skip
    return source_for(integration.integration_type)(integration, credential_for(integration), conn, stats)
