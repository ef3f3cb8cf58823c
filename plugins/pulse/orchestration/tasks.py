"""What the tasks of a client's DAG do: each opens its connections, works, records its run and closes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import psycopg
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from pulse import tracing
from pulse.errors import PulseError, RateLimited
from pulse.orchestration import lineage
from pulse.orchestration.credentials import credential_for
from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec, read_specs
from pulse.sources.base import Integration, Scope, Source
from pulse.sources.registry import source_for
from pulse.warehouse.checkpoints import Checkpoint, read_checkpoint, save_checkpoint
from pulse.warehouse.connect import client_transaction, connect, fetch_for_client
from pulse.warehouse.runs import RunStats, record_run
from pulse.warehouse.transforms import Stage, run_stage

log = logging.getLogger(__name__)
Connection = psycopg.Connection[Any]
MAX_BATCHES = 6
SCOPES = "scopes"  # the stream of checkpoints that hold what a run is to read


def discover_scopes(spec: ClientDagSpec, declared: IntegrationSpec) -> list[list[str]]:
    """Store the integration's repositories or projects. Return the keys of those that have something to read, in batches.

    There are only a few batches, however many scopes there are. Each starts with the most recently changed ones. What is
    to be read of them is stored, because people may write XComs.
    """
    with closing(connect("pulse_etl")) as conn:
        integration = _integration(conn, spec, declared)
        with _read(conn, spec, declared) as stats:
            scopes = _source(conn, integration, stats).discover()
            note_scopes(conn, spec, declared, str(get_current_context()["dag_run"].run_id), scopes)
            stats.tell(0, len(scopes))
    log.info("client %s: %s has %d scopes to read", spec.slug, declared.name, len(scopes))
    count = min(MAX_BATCHES, len(scopes))
    return [[scope.key for scope in scopes[start::count]] for start in range(count)]


def note_scopes(
    conn: Connection, spec: ClientDagSpec, declared: IntegrationSpec, run_id: str, scopes: Iterable[Scope]
) -> None:
    """Store what a DAG run is to read."""
    with client_transaction(conn, spec.client_id):
        for scope in scopes:
            noted = Checkpoint(SCOPES, scope.key, cursor={"run": run_id, "scope": scope.to_json()})
            save_checkpoint(conn, spec.client_id, declared.id, noted)


def noted_scopes(
    conn: Connection, spec: ClientDagSpec, declared: IntegrationSpec, run_id: str, keys: Iterable[str]
) -> list[Scope]:
    """The scopes with these keys that a DAG run is to read. Raises PulseError for any other key."""
    found = []
    for key in keys:
        noted = read_checkpoint(conn, spec.client_id, declared.id, SCOPES, str(key)).cursor
        if noted.get("run") != run_id:
            raise PulseError(
                client=spec.slug,
                source=declared.name,
                message="the list of what to read names something that this run did not discover",
                remedy="clear the discover task of this run, which makes the list again",
            )
        found.append(Scope.from_json(noted["scope"]))
    return found


def extract_batch(spec: ClientDagSpec, declared: IntegrationSpec, keys: list[str]) -> dict[str, int]:
    """Extract repositories or projects from their checkpoints on, one after the other. Returns calls, points and rows.

    If one fails, the others of its batch are still read, and the first failure is raised at the end. A used-up budget ends
    the batch at once. What this DAG run has already read, before a retry or a deferral, is not read again. A run that
    somebody clears reads everything again.
    """
    context = get_current_context()
    total = RunStats()
    failure: Exception | None = None
    with closing(connect("pulse_etl")) as conn:
        scopes = noted_scopes(conn, spec, declared, str(context["dag_run"].run_id), keys)
        context["scope_label"] = scopes[0].label + (f" and {len(scopes) - 1} more" if len(scopes) > 1 else "")
        done = _done_in_this_run(conn, spec, declared)
        for scope in scopes:
            if scope.key in done:
                continue
            integration = _integration(conn, spec, declared)
            try:
                with _read(conn, spec, declared, scope.key) as stats:
                    _source(conn, integration, stats).extract(scope)
            except RateLimited:
                raise
            except Exception as error:  # whatever it is, it must not hold up the others of the batch in every run
                log.exception("client %s: %s %s failed", spec.slug, declared.name, scope.label)
                failure = failure or error
            log.info("client %s: %s %s: %s", spec.slug, declared.name, scope.label, stats.as_dict())
            total.add(stats)
    if failure is not None:
        raise failure
    return total.as_dict()


def replay_rejects_of(slug: str) -> dict[str, dict[str, int]]:
    """Read a client's open rejects again. Returns for each integration how many were stored and how many stay open."""
    result: dict[str, dict[str, int]] = {}
    with closing(connect("pulse_admin")) as admin:
        spec = next((found for found in read_specs(admin) if found.slug == slug), None)
    if spec is None:
        raise ValueError(f"{slug!r} is not an active client")
    with closing(connect("pulse_etl")) as conn:
        for declared in spec.integrations:
            if not _has_open_rejects(conn, spec, declared):
                continue
            integration = _integration(conn, spec, declared)
            with _read(conn, spec, declared) as stats:
                stored, left = _source(conn, integration, stats).replay_rejects()
            result[declared.name] = {"stored": stored, "open": left}
            log.info("client %s: %s: %d rejects stored, %d stay open", slug, declared.name, stored, left)
    return result


def _has_open_rejects(conn: Connection, spec: ClientDagSpec, declared: IntegrationSpec) -> bool:
    rows = fetch_for_client(
        conn,
        spec.client_id,
        "select from raw.rejects where client_id = %s and integration_id = %s and replayed_at is null limit 1",
        [spec.client_id, declared.id],
    )
    return bool(rows)


def has_more_history(client_id: int, dag_run_id: str) -> bool:
    """Whether an extraction of this DAG run read something and left a part for the next run."""
    with closing(connect("pulse_etl")) as conn:
        rows = fetch_for_client(
            conn,
            client_id,
            "select from core.etl_runs where client_id = %s and dag_run_id = %s and state = 'success'"
            " and unfinished > 0 and rows_read > 0 limit 1",
            [client_id, dag_run_id],
        )
    return bool(rows)


def _done_in_this_run(conn: Connection, spec: ClientDagSpec, declared: IntegrationSpec) -> set[str]:
    """Keys of the scopes that this DAG run has read since it started. (Clearing a run restarts it.)"""
    run = get_current_context()["dag_run"]
    rows = fetch_for_client(
        conn,
        spec.client_id,
        "select scope_key from core.etl_runs where client_id = %s and dag_run_id = %s and integration_id = %s"
        " and state = 'success' and scope_key <> '' and started_at >= %s",
        [spec.client_id, str(run.run_id), declared.id, run.start_date],
    )
    return {scope_key for (scope_key,) in rows}


def run_transforms(spec: ClientDagSpec, task_id: str, stage: Stage, *, full: bool = False) -> dict[str, int]:
    """Run a stage of include/sql for the client (`full`: recompute everything). Returns the rows that each file wrote."""
    with closing(connect("pulse_etl")) as conn, _recorded(conn, spec, task_id=task_id) as stats:
        place = lineage.Place.of(conn)
        results = run_stage(conn, spec.client_id, stage, full=full, tell=stats.tell)
        lineage.current().ran(place, stage, results)
        stats.rows_written += sum(step.rows for step in results)
        stats.rows_rejected += (rejected := sum(step.rejected for step in results))
        if rejected:
            stats.warn(
                f"{rejected} records were stored but could not be typed: see raw.rejects (column reason). Correct them"
                " upstream, or trigger replay_rejects after an update of Pulse"
            )
    wrote = {step.file: step.rows for step in results if step.rows}
    for file, rows in wrote.items():
        log.info("client %s: %s wrote %d rows", spec.slug, file, rows)
    return wrote


def has_news(client_id: int) -> bool:
    """Whether the client's data differs from what was published last."""
    with closing(connect("pulse_etl")) as conn:
        rows = fetch_for_client(
            conn, client_id, "select version <> published from core.data_versions where client_id = %s", [client_id]
        )
    return rows == [(True,)]


def publish_dashboards(spec: ClientDagSpec, dag_run_id: str, timeout_seconds: float) -> dict[str, Any]:
    """Wait until the replica has replayed what this run wrote. From then on dashboards show it: see core.data_versions.

    Returns what the asset's event says: the version of the client's data, the rows of tables that this run's stages wrote, and
    the moment (ISO) up to which the numbers are computed, or None.
    """
    with closing(connect("pulse_etl")) as primary:
        ((version, rows, through),) = fetch_for_client(primary, spec.client_id, _PUBLISHED, [dag_run_id])
        row = primary.execute("select pg_current_wal_lsn()::text").fetchone()
        primary.rollback()
        assert row is not None
        replica = _wait_for_replay(spec, row[0], timeout_seconds)
        with client_transaction(primary, spec.client_id):
            primary.execute(
                "update core.data_versions set published = greatest(published, %s) where client_id = %s",
                [version, spec.client_id],
            )
        lineage.current().published(lineage.Place.of(primary), replica, version)
    return {"version": version, "rows": rows, "computed_through": through.isoformat() if through else None}


_PUBLISHED = """
    select coalesce((select version from core.data_versions where client_id = (select core.etl_client_id())), 0),
           (select coalesce(sum(rows_written), 0)::bigint from core.etl_runs
            where client_id = (select core.etl_client_id()) and dag_run_id = %s and integration_id is null),
           (select computed_through from core.dora_state where client_id = (select core.etl_client_id()))
"""


def _wait_for_replay(spec: ClientDagSpec, lsn: str, timeout_seconds: float) -> lineage.Place:
    """Wait for the replica, and say where it is."""
    deadline = time.monotonic() + timeout_seconds
    with closing(connect("pulse_replica", autocommit=True)) as replica:
        while True:
            row = replica.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [lsn]).fetchone()
            if row is not None and row[0]:
                return lineage.Place.of(replica)
            if time.monotonic() > deadline:
                raise PulseError(
                    client=spec.slug,
                    source="replica",
                    message=f"the replica has not replayed {lsn} within {timeout_seconds:.0f} s",
                    remedy="look at the replica's log (./pulse logs replica); until then the dashboards show the older data",
                )
            time.sleep(0.2)


def _recorded(conn: Connection, spec: ClientDagSpec, task_id: str | None = None) -> AbstractContextManager[RunStats]:
    """The run of a stage, in core.etl_runs."""
    context = get_current_context()
    return record_run(
        conn,
        client_id=spec.client_id,
        dag_run_id=str(context["dag_run"].run_id),
        task_id=task_id or str(context["task"].task_id),
    )


@contextmanager
def _read(conn: Connection, spec: ClientDagSpec, source: IntegrationSpec, scope_key: str = "") -> Iterator[RunStats]:
    """A run that reads a source: in core.etl_runs, in the task's trace and in what it tells of lineage."""
    context = get_current_context()
    run = record_run(
        conn,
        client_id=spec.client_id,
        dag_run_id=str(context["dag_run"].run_id),
        task_id=str(context["task"].task_id),
        integration_id=source.id,
        scope_key=scope_key,
    )
    place = lineage.Place.of(conn)
    named = {"pulse.client": spec.slug, "pulse.source": source.name}
    with run as stats, tracing.sql_span(conn, f"read {source.name}", named) as span:
        try:
            yield stats
        finally:
            span.set({f"pulse.{name}": getattr(stats, name) for name in ("rows_read", "rows_written", "api_calls")})
            lineage.current().loaded(place, source, stats.tables)


def _integration(conn: Connection, spec: ClientDagSpec, declared: IntegrationSpec) -> Integration:
    """The integration as it is now in the tables. Skips the task if it is no longer active."""
    rows = fetch_for_client(
        conn,
        spec.client_id,
        "select base_url, connection_id, config_data from core.integrations"
        " where client_id = %s and id = %s and active",
        [spec.client_id, declared.id],
    )
    if not rows:
        # Stopped cleanly between two scopes: what was read is stored, and the client's DAG is updated within seconds.
        raise AirflowSkipException(f"client {spec.slug}: {declared.name} is no longer active")
    base_url, connection_id, config = rows[0]
    return Integration(
        client_id=spec.client_id,
        client_slug=spec.slug,
        id=declared.id,
        integration_type=declared.integration_type,
        name=declared.name,
        base_url=base_url,
        connection_id=connection_id,
        config=config,
    )


def _source(conn: Connection, integration: Integration, stats: RunStats) -> Source:
    """The integration's source. It counts into `stats`, so that a run that fails shows its calls."""
    return source_for(integration.integration_type)(integration, credential_for(integration), conn, stats)
