"""The app under /pulse/metrics of Airflow's API server: what Prometheus reads (docs/monitoring.md).

Airflow mounts it without authentication: its one route asks for the token of pulse.scrape. Numbers of clients come from the
replica, those of tasks and processes from Airflow's own database. What cannot be read is left out, and pulse_database_up
says so: one server that is away must not hide the others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Header
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from pulse.health import state
from pulse.health.lag import Lag
from pulse.ingest import measure
from pulse.scrape import may_scrape
from pulse.version import version
from pulse.warehouse.connect import connect

KEPT_SECONDS = 10  # however many scrape, the databases are asked so often
PRIMARY = "pulse_ingest"
TASK_STATES = ("scheduled", "queued", "running", "deferred", "up_for_retry")

# What began within the last hour: an index says which rows these are, however long the history is.
_RUNS = """
    select c.slug as client, coalesce(i.name, '') as source, r.state, count(*) as runs, sum(r.api_calls) as calls,
           sum(r.api_points) as points, sum(r.rows_read) as read, sum(r.rows_written) as written,
           sum(r.rows_rejected) as rejected
    from core.clients c
    join core.etl_runs r on r.client_id = c.id and r.started_at > now() - interval '1 hour'
    left join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)
    where c.active
    group by c.slug, coalesce(i.name, ''), r.state
    order by 1, 2, 3
"""
_BUDGETS = """
    select c.slug as client, i.name as source, b.budget_remaining as left
    from core.clients c
    join core.integrations i on i.client_id = c.id and i.active
    cross join lateral (
        select r.budget_remaining from core.etl_runs r
        where (r.client_id, r.integration_id) = (i.client_id, i.id) and r.budget_remaining is not null
              and r.started_at > now() - interval '1 day'
        order by r.started_at desc limit 1
    ) b
    where c.active
    order by 1, 2
"""

log = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """The page at /."""
    page = Page()
    app = FastAPI(title="Pulse: metrics", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/")
    def metrics(authorization: Annotated[str | None, Header()] = None) -> Response:
        if not may_scrape(authorization):
            headers = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse("the token is missing or wrong: see docs/monitoring.md", 401, headers)
        return Response(page.text(), HTTPStatus.OK, media_type=CONTENT_TYPE_LATEST)

    return app


class Page:
    """What Prometheus reads, made anew at most every KEPT_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made_at = float("-inf")
        self._text = b""
        self._registry = CollectorRegistry()
        self._registry.register(Pulse())

    def text(self) -> bytes:
        """All metrics, in Prometheus's text format."""
        with self._lock:
            if self._clock() - self._made_at >= KEPT_SECONDS:
                self._text = generate_latest(self._registry) + generate_latest(measure.REGISTRY)
                self._made_at = self._clock()
            return self._text


class Pulse(Collector):
    """Reads the three databases at each scrape."""

    def __init__(self) -> None:
        self._lag = Lag()

    def describe(self) -> list[Metric]:
        """Nothing: at its registration no database is asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric. A database that raises something is said to be away."""
        yield _gauge("pulse_info", "1; the label is the version that runs.", ["version"], [([version()], 1)])
        positions: dict[str, int] = {}

        def primary() -> Iterator[Metric]:
            positions["written"] = _position(PRIMARY, "pg_current_wal_lsn()")
            return iter(())

        def replica() -> Iterator[Metric]:
            yield from _clients()
            yield from _replica(self._lag, positions.get("written"))

        found: dict[str, list[Metric]] = {}
        for server, read in (("primary", primary), ("replica", replica), ("meta", _airflow)):
            try:
                found[server] = list(read())
            except (
                Exception
            ) as error:  # of PostgreSQL, SQLAlchemy or Airflow: the other servers are told of all the same
                log.warning("the %s cannot be read: %s", server, error)
        up = [([server], int(server in found)) for server in ("primary", "replica", "meta")]
        yield _gauge("pulse_database_up", "1 if this server could be read just now.", ["server"], up)
        for metrics in found.values():
            yield from metrics


def _clients() -> Iterator[Metric]:
    clients = [client for client in state.read() if client.state != "not active"]
    yield _gauge(
        "pulse_client_state",
        "1; the label is what the page Clients says.",
        ["client", "state"],
        [([client.slug, client.state], 1) for client in clients],
    )
    yield _gauge(
        "pulse_client_last_read_timestamp_seconds",
        "When something was last read of this client's sources.",
        ["client"],
        [([client.slug], client.last_read.timestamp()) for client in clients if client.last_read],
    )
    yield _gauge(
        "pulse_freshness_promise_seconds",
        "How old what was read may be before a client is late.",
        [],
        [([], state.LATE.total_seconds())],
    )
    with closing(connect(state.CONNECTION)) as replica, replica.cursor(row_factory=dict_row) as cursor:
        runs = cursor.execute(_RUNS).fetchall()
        budgets = cursor.execute(_BUDGETS).fetchall()
    labels = ["client", "source"]
    yield _gauge(
        "pulse_runs",
        "Task runs that began within the last hour.",
        [*labels, "state"],
        [([row["client"], row["source"], row["state"]], row["runs"]) for row in runs],
    )
    hour = _by_source(runs)
    yield _gauge("pulse_calls", "Calls of sources by these runs.", labels, [(key, n["calls"]) for key, n in hour])
    yield _gauge("pulse_points", "Budget points that they cost.", labels, [(key, n["points"]) for key, n in hour])
    rows = [([*key, what], n[what]) for key, n in hour for what in ("read", "written", "rejected")]
    yield _gauge("pulse_rows", "Rows of these runs.", [*labels, "what"], rows)
    yield _gauge(
        "pulse_budget_remaining",
        "What the source last said is left of the credential's budget.",
        labels,
        [([row["client"], row["source"]], row["left"]) for row in budgets],
    )


def _by_source(runs: list[dict[str, Any]]) -> list[tuple[list[str], dict[str, int]]]:
    """The counts of all states together."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in runs:
        counts = found.setdefault((row["client"], row["source"]), {})
        for name in ("calls", "points", "read", "written", "rejected"):
            counts[name] = counts.get(name, 0) + int(row[name])
    return [(list(key), counts) for key, counts in found.items()]


def _replica(lag: Lag, written: int | None) -> Iterator[Metric]:
    replayed = _position(state.CONNECTION, "pg_last_wal_replay_lsn()")
    if written is None:
        return
    behind, seconds = lag.measure(written, replayed)
    yield _gauge("pulse_replica_lag_bytes", "WAL that the replica has not replayed yet.", [], [([], behind)])
    yield _gauge("pulse_replica_lag_seconds", "How old the replica's state is.", [], [([], seconds)])


def _position(conn_id: str, function: str) -> int:
    """A server's position in the WAL, in bytes; 0 when it has none."""
    with closing(connect(conn_id)) as connection:
        row = connection.execute(f"select coalesce(pg_wal_lsn_diff({function}, '0/0'), 0)::bigint".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _airflow() -> Iterator[Metric]:
    """Raises whatever Airflow's database layer raises."""
    from airflow.api.common.airflow_health import get_airflow_health
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        counted = dict(
            session.execute(
                select(TaskInstance.state, func.count())
                .where(TaskInstance.state.in_(TASK_STATES))
                .group_by(TaskInstance.state)
            ).all()
        )
        oldest = session.scalar(select(func.min(TaskInstance.queued_dttm)).where(TaskInstance.state == "queued"))
    tasks = [([name], int(counted.get(name, 0))) for name in TASK_STATES]
    yield _gauge("pulse_tasks", "Tasks in Airflow, by state.", ["state"], tasks)
    waited = max(0.0, time.time() - oldest.timestamp()) if oldest else 0.0
    yield _gauge("pulse_queue_seconds", "How long the oldest queued task has waited.", [], [([], waited)])
    health = get_airflow_health()
    processes = [
        ([name], int(health[name]["status"] == "healthy")) for name in ("scheduler", "triggerer", "dag_processor")
    ]
    yield _gauge("pulse_process_up", "1 if this process of Airflow sends heartbeats.", ["process"], processes)


def _gauge(name: str, text: str, labels: list[str], values: Sequence[tuple[list[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family
