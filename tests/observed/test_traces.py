"""The traces of clients' runs: from Airflow's span of a task to its stages, models and calls, and to PostgreSQL's sessions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pulse import tracing
from pulse.warehouse.connect import connect
from stack.paths import ROOT
from tests.observed.conftest import FAILED, TOKEN, Observed
from tests.support.backends import Span
from tests.support.database import TestDatabase
from tests.support.world import World, steady


def of_run(observed: Observed, run: int) -> dict[str, Span]:
    """The spans of a run's trace by their ids."""
    roots = [one for one in observed.received.spans if one.attributes.get("airflow.dag_run.run_id") == f"manual__{run}"]
    (trace_id,) = {one.trace_id for one in roots}
    return {one.span_id: one for one in observed.received.spans if one.trace_id == trace_id}


def way(spans: dict[str, Span], span: Span) -> list[str]:
    """The names of the spans around this one, from the run on."""
    names = [span.name]
    while span.parent_id in spans:
        span = spans[span.parent_id]
        names.insert(0, span.name)
    return names


def test_a_run_is_one_trace_from_the_task_to_each_model_and_each_call(observed: Observed) -> None:
    spans = of_run(observed, 0)
    ways = {tuple(way(spans, one)) for one in spans.values()}
    run = "dag_run.pulse__acme"

    def task(name: str) -> tuple[str, ...]:
        return (run, f"task_run.{name}", f"worker.{name}")

    extract = "github.extract_repositories[0]"
    assert (*task(extract), "read github", "POST") in ways
    assert (*task("normalise_records"), "stage normalise", "model commits") in ways
    assert (*task("compute_dora"), "stage dora", "model dora_metrics") in ways
    assert (*task("compute_dora"), "stage dora", "model forecasts") in ways
    assert all(names[0] == run for names in ways)


def test_spans_say_client_source_model_rows_and_status(observed: Observed) -> None:
    spans = of_run(observed, 0).values()
    ours = [one for one in spans if "pulse.client" in one.attributes]
    assert {one.attributes["pulse.client"] for one in ours} == {"acme"}
    calls = [one for one in ours if one.name in ("GET", "POST")]
    assert len(calls) > 10
    for call in calls:
        assert call.attributes["http.response.status_code"] == 200
        assert call.attributes["pulse.source"] == "github"
        assert "?" not in call.attributes["url.full"]
    changes = next(one for one in ours if one.name == "model changes")
    assert changes.attributes["pulse.model"] == "facts/changes.sql"
    assert changes.attributes["pulse.rows_written"] > 50
    read = next(one for one in ours if one.name == "read github" and one.attributes["pulse.rows_written"] > 100)
    assert read.attributes["pulse.api_calls"] > 10


def test_a_failed_stage_names_the_kind_of_error_and_quotes_no_record(observed: Observed) -> None:
    spans = of_run(observed, FAILED)
    failed = {one.name: one for one in spans.values() if one.failed and "pulse.client" in one.attributes}
    assert failed["model dora_state"].attributes["error.type"] == "TransformError"
    assert failed["stage dora"].attributes["pulse.client"] == "globex"


def test_no_secret_and_no_query_leaves(observed: Observed) -> None:
    for one in observed.received.spans:
        text = json.dumps([one.name, one.attributes])
        assert TOKEN not in text
        assert "Failing row contains" not in text


def test_postgresql_can_be_asked_which_trace_a_session_belongs_to(observed: Observed) -> None:
    known = {f"{one.trace_id}-{one.span_id}": one.name for one in observed.received.spans}
    carried = {name for name in observed.sessions if " " in name}
    seen = {known.get(name.partition(" ")[2]) for name in carried if name.startswith("pulse_etl ")}
    assert None not in seen, "each names a span that was sent"
    assert any(name and name.startswith("model ") for name in seen)


def test_postgresqls_log_names_the_span_of_a_statement(observed: Observed) -> None:
    spans = {one.span_id: one for one in observed.received.spans}
    lines = [line for line in observed.log if "create temporary table touched" in line and "@" in line]
    assert lines
    names = set()
    for line in lines:
        prefix = line.partition(" LOG: ")[0]
        trace_id, _, span_id = prefix.rpartition(" ")[2].partition("-")
        assert spans[span_id].trace_id == trace_id
        names.add(spans[span_id].name)
    assert "model dora_metrics" in names


def test_without_traces_nothing_is_made_and_nothing_imported(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a span was made")

    monkeypatch.setattr(trace, "get_tracer", refuse)
    world = World(db, minimum_sample=1)
    steady(world, days=2)
    world.compute()
    with tracing.span("x", {}) as span:
        span.set({"y": 1})
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", db.url("pulse_etl"))
    with connect("pulse_etl") as conn:
        assert conn.info.parameter_status("application_name") == "pulse_etl"
    code = (
        "import sys; import pulse.warehouse.transforms, pulse.sources.http, pulse.orchestration.lineage;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'openlineage', 'airflow'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "plugins", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def recorded() -> Any:
    """A span that is being recorded, as a task has it, and what was recorded below it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "get_tracer", provider.get_tracer)
        with provider.get_tracer("test").start_as_current_span("task"):
            yield exporter


def test_a_sessions_name_is_back_after_the_span_however_it_ends(db: TestDatabase, recorded: Any) -> None:
    conn = db.connect("pulse_etl", application_name="pulse_etl")

    def name() -> str:
        found = conn.execute("select current_setting('application_name')").fetchone()
        conn.rollback()
        return str(found[0]) if found else ""

    with tracing.sql_span(conn, "stage", {}):
        outer = name()
        assert outer.startswith("pulse_etl ")
        with conn.transaction(), tracing.sql_span(conn, "model", {}):
            row = conn.execute("select current_setting('application_name')").fetchone()
            assert row is not None
            assert row[0] != outer
        assert name() == outer
        with pytest.raises(psycopg.errors.DivisionByZero), tracing.sql_span(conn, "model", {}):
            conn.execute("select 1 / 0")
        conn.rollback()
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert name() == "pulse_etl"
    assert [one.name for one in recorded.get_finished_spans()] == ["model", "model", "stage"]


@pytest.mark.parametrize("base", ["pulse_etl", "pulse_replica", "a_connection_with_a_long_name"])
def test_a_sessions_name_fits_into_what_postgresql_keeps(base: str, recorded: Any) -> None:
    name = tracing.application_name(base)
    assert len(name) <= 63
    start, _, ids = name.partition(" ")
    assert base.startswith(start)
    assert len(ids) == 49
