"""Running the models of include/sql/models: one stage, one client, one transaction."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from pulse import environ, tracing
from pulse.errors import PublicationStopped
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.forecasts import write_forecasts
from pulse.warehouse.models import Model, Writer, in_order
from pulse.warehouse.rescue import UNFIT, Unfit, find_unfit, set_aside
from pulse.warehouse.settings import pass_settings
from pulse.warehouse.statistics import Statistics, analyze_stale

Stage = Literal["normalise", "dora"]
# The layers of a stage, in the order they run. Each folder of staging is a source.
DORA = ("begin", "facts", "links", "metrics", "flow", "quality", "end")


FORECASTS = "forecasts.py"  # the one model that is Python
WATERMARK = "staging/end/watermark.sql"  # how far normalise has read; no reader sees it
# What Superset has cached of this client is of an older version now.
_RAISE_VERSION = """
    insert into core.data_versions as v (client_id, version) values ((select core.etl_client_id()), 1)
    on conflict (client_id) do update set version = v.version + 1, changed_at = now()
"""


@dataclass(frozen=True)
class StepResult:
    """One model's effect: `rows` it inserted, updated or deleted, and how long that took.

    `rejected`: records that it could not type; they are in raw.rejects. `tables`: the rows by table (schema.name).
    """

    file: str
    rows: int
    seconds: float
    rejected: int = 0
    tables: Mapping[str, int] = field(default_factory=dict)


class TransformError(Exception):
    """A model failed; the whole stage was rolled back."""


def sql_root() -> Path:
    """The folder include/sql of this installation."""
    return environ.ROOT.get() / "include" / "sql"


def stage_models(stage: Stage) -> list[Model]:
    """The models of a stage in the order they run. Raises ModelError for a file without the form of a model."""
    return _models(sql_root() / "models", stage, environ.SOURCES.get())


@functools.cache
def _models(root: Path, stage: Stage, more: tuple[Path, ...]) -> list[Model]:
    if stage == "dora":
        return in_order(root, DORA)
    folders = {path.name for base in (root, *more) for path in (base / "staging").glob("*/")}
    layers = ("begin", *sorted(folders - {"begin", "end"}), "end")
    return in_order(root, [f"staging/{layer}" for layer in layers], more)


def run_stage(
    conn: psycopg.Connection[Any],
    client_id: int,
    stage: Stage,
    *,
    now: datetime | None = None,
    full: bool = False,
    tell: Callable[[int, int], None] = lambda done, whole: None,
) -> list[StepResult]:
    """Run a stage for one client; readers see all of it or nothing.

    Two runs of one client exclude each other (advisory lock); different clients run in parallel. A model writes only rows
    that differ. A record that normalise cannot type becomes a reject, and the others are typed. The stage dora computes what
    changed since its last run; `full` makes it compute everything, with the same result. `now` (aware) is the moment that
    it works for; default: the real one. `tell` hears how many models of how many are done.
    Raises TransformError that names client, file and cause; PublicationStopped when a blocking quality check fails.
    """
    # In a transaction of its own, so that other clients' stages have the statistics at once.
    with client_transaction(conn, client_id):
        slug = _slug(conn)
        analyze_stale(conn)
    try:
        with tracing.sql_span(conn, f"stage {stage}", {"pulse.client": slug, "pulse.stage": stage}) as span:
            with client_transaction(conn, client_id):
                results = _run_models(conn, client_id, slug, stage, now, full, tell)
            span.set({"pulse.rows_written": sum(step.rows for step in results)})
        return results
    except _Blocked as blocked:
        with client_transaction(conn, client_id):
            _store_failed_checks(conn, blocked.checks)
        raise PublicationStopped(
            client=slug,
            source="quality checks",
            message=f"nothing was published, the dashboards keep the numbers they have. {_summary(blocked.checks)}",
            remedy="look at report.quality_checks; severities are set in the Variable (settings, quality.<check>)",
        ) from None


def _run_models(
    conn: psycopg.Connection[Any],
    client_id: int,
    slug: str,
    stage: Stage,
    now: datetime | None,
    full: bool,
    tell: Callable[[int, int], None],
) -> list[StepResult]:
    _refuse_without_policies(conn)
    conn.execute("select pg_advisory_xact_lock(hashtext('pulse.transforms'), %s)", (client_id,))
    conn.execute(
        "select set_config('pulse.now', %s, true), set_config('pulse.full', %s, true)",
        (now.isoformat() if now else "", "on" if full else ""),
    )
    # The statistics of temporary tables have to tell few from many, no more. Sorts and hashes of one client fit in memory.
    conn.execute("set local default_statistics_target = 10; set local work_mem = '64MB'")
    if stage == "dora":
        pass_settings(conn)
    rejected: Counter[str] = Counter()
    while True:
        try:
            with conn.transaction():
                results = _attempt(conn, slug, stage, tell)
            break
        except _Unfit as found:
            set_aside(conn, found.records)
            rejected[found.file] += len(found.records)
    if stage == "dora":
        _stop_where_blocked(conn)
    if any(step.rows for step in results if step.file != WATERMARK):
        conn.execute(_RAISE_VERSION)
    return [replace(step, rejected=rejected[step.file]) for step in results]


def _attempt(
    conn: psycopg.Connection[Any], slug: str, stage: Stage, tell: Callable[[int, int], None]
) -> list[StepResult]:
    models = stage_models(stage)
    # A first load may bring millions of rows, and no model of normalise reads more than the rows that were replaced.
    writer = Writer(conn, models, remember=stage == "dora")
    statistics = Statistics(conn, thorough=stage == "dora")
    results: list[StepResult] = []
    for done, model in enumerate(models):
        tell(done, len(models))
        with _step_span(conn, slug, model.file) as span:
            results.append(_write(conn, slug, stage, writer, statistics, model))
            span.set({"pulse.rows_written": results[-1].rows})
    if stage == "dora":
        with _step_span(conn, slug, FORECASTS) as span:
            started = time.monotonic()
            rows = write_forecasts(conn)
            statistics.renew()
            results.append(StepResult(FORECASTS, rows, time.monotonic() - started, tables=statistics.tables_written))
            span.set({"pulse.rows_written": rows})
    tell(len(models), len(models))
    return results


def _step_span(conn: psycopg.Connection[Any], slug: str, file: str) -> contextlib.AbstractContextManager[tracing.Span]:
    return tracing.sql_span(conn, f"model {Path(file).stem}", {"pulse.client": slug, "pulse.model": file})


def _write(
    conn: psycopg.Connection[Any], slug: str, stage: Stage, writer: Writer, statistics: Statistics, model: Model
) -> StepResult:
    started = time.monotonic()
    try:
        with conn.transaction():
            writer.write(model)
    except psycopg.Error as error:
        if stage == "normalise" and isinstance(error, UNFIT):
            _look_for_unfit(conn, writer, model)
        raise TransformError(
            f"client {slug}: include/sql/models/{model.file} failed: {error}. Nothing of this stage"
            " was changed; correct the cause and run the task again."
        ) from error
    if model.name == "settings":
        row = conn.execute("select is_full, reason = 'data' from settings").fetchone()
        writer.full, writer.remember = row or (True, True)
    if model.kind == "temporary":
        return StepResult(model.file, 0, time.monotonic() - started)
    rows = statistics.renew()
    return StepResult(model.file, rows, time.monotonic() - started, tables=statistics.tables_written)


class _Unfit(Exception):
    """Ends an attempt at a stage: these records are to be set aside first."""

    def __init__(self, file: str, records: list[Unfit]) -> None:
        self.file, self.records = file, records


def _look_for_unfit(conn: psycopg.Connection[Any], writer: Writer, model: Model) -> None:
    """Raise _Unfit if single records make the model fail."""
    if records := find_unfit(conn, writer, model):
        raise _Unfit(model.file, records)


def _refuse_without_policies(conn: psycopg.Connection[Any]) -> None:
    """Models name no client: the policies of the connection's role show them one client's rows."""
    if conn.execute("select row_security_active('core.clients')").fetchone() != (True,):
        raise PermissionError(
            "the stages run as pulse_etl: row-level security does not apply to this connection's role"
        )


def _slug(conn: psycopg.Connection[Any]) -> str:
    row = conn.execute("select slug from core.clients where id = (select core.etl_client_id())").fetchone()
    return str(row[0]) if row else "(unknown)"


class _Blocked(Exception):
    def __init__(self, checks: list[tuple[Any, ...]]) -> None:
        self.checks = checks


_CHECK_COLUMNS = (
    "client_id, check_name, detail, severity, status, value, threshold, numerator, denominator, message, examples"
)


def _stop_where_blocked(conn: psycopg.Connection[Any]) -> None:
    checks = conn.execute(
        f"select {_CHECK_COLUMNS} from core.quality_results where client_id = (select core.etl_client_id())"
        " and severity = 'block' and status = 'fail' order by check_name, detail"
    ).fetchall()
    if checks:
        raise _Blocked(checks)


def _store_failed_checks(conn: psycopg.Connection[Any], checks: list[tuple[Any, ...]]) -> None:
    """What stopped the publication, after everything else of the stage was rolled back."""
    for check in checks:
        conn.execute("delete from core.quality_results where (client_id, check_name, detail) = (%s, %s, %s)", check[:3])
        conn.execute(
            f"insert into core.quality_results ({_CHECK_COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [*check[:-1], Jsonb(check[-1])],
        )


def _summary(checks: list[tuple[Any, ...]]) -> str:
    return " ".join(
        f"{name}{f' ({detail})' if detail else ''}: {message} Examples: {examples}."
        for _, name, detail, *_, message, examples in checks
    )
