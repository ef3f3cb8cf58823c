"""What a lineage backend hears of clients' runs: each task's inputs and outputs, as the models and the catalogue have them."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pulse.orchestration import dag
from pulse.warehouse import forecasts, models
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.lineage import Catalogue, Sources
from pulse.warehouse.transforms import FORECASTS, run_stage, stage_models
from stack.paths import ROOT
from tests.observed.conftest import FAILED, TOKEN, Observed
from tests.support.database import TestDatabase

ACME = "pulse__acme"


def names(datasets: list[dict[str, Any]]) -> set[str]:
    return {f"{one['namespace']}/{one['name']}" for one in datasets}


def only(observed: Observed, task: str, run: int) -> dict[str, Any]:
    (event,) = observed.events(f"{ACME}.{task}", run)
    return event


def tables(observed: Observed, *wanted: str) -> set[str]:
    return {f"{observed.primary}/{observed.database}.{table}" for table in wanted}


def test_an_extraction_goes_from_the_upstream_to_raw_tables(observed: Observed) -> None:
    event = only(observed, "github.extract_repositories", 0)
    read = {name.rpartition("/")[2] for name in names(event["inputs"])}
    assert {"github_commits", "github_pull_requests", "github_deployments"} <= read
    assert {one["namespace"] for one in event["inputs"]} == {event["inputs"][0]["namespace"]}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", event["inputs"][0]["namespace"])
    assert event["inputs"][0]["name"].startswith("github/")
    assert names(event["outputs"]) == tables(observed, *(f"raw.{entity}" for entity in read))
    commits = next(one for one in event["outputs"] if one["name"].endswith(".raw.github_commits"))
    assert commits["outputFacets"]["outputStatistics"]["rowCount"] > 100
    assert "payload" in {one["name"] for one in commits["facets"]["schema"]["fields"]}


def test_the_stages_go_from_raw_to_typed_tables_and_on_to_numbers(observed: Observed) -> None:
    normalised, computed = only(observed, "normalise_records", 0), only(observed, "compute_dora", 0)
    assert names(normalised["inputs"]) >= tables(observed, "raw.github_commits", "raw.github_pull_requests")
    assert names(normalised["outputs"]) >= tables(observed, "core.commits", "core.pull_requests")
    assert names(computed["inputs"]) >= tables(observed, "core.commits", "core.pull_requests", "core.deployments")
    assert names(computed["outputs"]) >= tables(observed, "core.changes", "core.deployments", "core.dora_metrics")
    assert not names(computed["inputs"]) & tables(observed, "raw.github_commits"), "facts are made of typed tables"


def test_a_publication_goes_from_tables_to_every_report_view_with_its_columns(observed: Observed) -> None:
    event = only(observed, "publish_dashboards", 0)
    assert names(event["outputs"]) == {
        f"{observed.replica}/{observed.database}.report.{view}" for view in observed.columns
    }
    assert names(event["inputs"]) >= tables(observed, "core.dora_metrics", "core.changes", "core.work_items")
    computed = only(observed, "compute_dora", 0)
    assert names(computed["outputs"]) & names(event["inputs"]), "both name a table alike"
    for one in event["outputs"]:
        fields = [(column["name"], column["description"]) for column in one["facets"]["schema"]["fields"]]
        assert fields == observed.columns[one["name"].rpartition(".")[2]]
        assert int(one["facets"]["version"]["datasetVersion"]) > 0


def test_a_views_columns_name_the_columns_that_they_come_from(observed: Observed) -> None:
    views = {one["name"].rpartition(".")[2]: one for one in only(observed, "publish_dashboards", 0)["outputs"]}
    origins = {
        (view, column): {(one["namespace"], one["name"], one["field"]) for one in found["inputFields"]}
        for view, told in views.items()
        for column, found in told["facets"]["columnLineage"]["fields"].items()
    }
    table, database = observed.primary, observed.database
    assert origins["restatements", "metric_label"] == {(table, f"{database}.core.metric_catalogue", "metric_label")}
    assert (table, f"{database}.core.forecasts", "p50_on") in origins["forecasts", "p50_text"]
    assert (observed.replica, f"{database}.report.kpi_by_scope", "metric_value") in origins[
        "kpi_current", "metric_value"
    ]
    columns = {(view, column) for view, found in observed.columns.items() for column, _ in found}
    assert set(origins) <= columns
    assert len(origins) > 0.9 * len(columns)


def test_a_run_without_news_has_no_outputs(observed: Observed) -> None:
    told = [event for event in observed.received.events if event["run"]["facets"].get("airflow")]
    of_run = [event for event in told if event["run"]["facets"]["airflow"]["dagRun"]["run_id"] == "manual__1"]
    assert of_run
    assert [event["job"]["name"] for event in of_run if event["outputs"]] == []


def test_each_clients_events_name_its_own_job_and_its_run(observed: Observed) -> None:
    started = {event["job"]["name"]: event["run"]["runId"] for event in observed.received.events}
    assert {"pulse__acme", "pulse__globex"} <= set(started)
    for event in observed.received.events:
        own = event["job"]["name"].partition(".")[0]
        other = "globex" if own == ACME else f"{ACME}."
        assert json.dumps(event).count(other) == 0
        if "." in event["job"]["name"]:
            assert event["run"]["facets"]["parent"]["job"]["name"] == own


def test_a_failed_task_says_that_it_failed_and_quotes_no_record(observed: Observed) -> None:
    assert observed.states[FAILED]["compute_dora"] == "up_for_retry"
    failed = [event for event in observed.received.events if event["eventType"] == "FAIL"]
    assert [event["job"]["name"] for event in failed] == ["pulse__globex.compute_dora"]
    assert failed[0]["outputs"] == [], "the stage was rolled back"
    error = failed[0]["run"]["facets"]["errorMessage"]
    assert error["message"] == "Its text is in the task's log."
    assert not error.get("stackTrace")


def test_no_secret_and_no_record_leaves(observed: Observed) -> None:
    everything = json.dumps(observed.received.events)
    secret = (TOKEN, "Failing row contains", "warehouse-api", "postgresql://")
    assert [text for text in secret if text in everything] == []


def test_only_clients_dags_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.openlineage.utils.emission_policy import resolve_dag_emission_policy

    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "deploy" / "airflow.cfg")
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EMISSION_POLICY", settings["openlineage"]["emission_policy"])
    assert resolve_dag_emission_policy(dag.dag_id("acme"), dag=None).emit
    for other in ("sync_clients", "onboard_client", "maintenance"):
        assert not resolve_dag_emission_policy(other, dag=None).emit


def test_the_models_files_say_the_same_as_postgresql(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL says what a view of each query depends on."""
    asked: list[tuple[str, set[str], set[str]]] = []
    create = models.Writer._create

    def creating(writer: models.Writer, name: str, query: str, *rest: Any, **options: Any) -> int:
        rows = create(writer, name, query, *rest, **options)
        writer.conn.execute(f"create temporary view asked as\n{query}".encode())
        used = writer.conn.execute(_USED).fetchall()
        writer.conn.execute("drop view asked")
        asked.append((query, {one for one, mine in used if not mine}, {one for one, mine in used if mine}))
        return rows

    monkeypatch.setattr(models.Writer, "_create", creating)
    client, conn = db.add_client("acme"), db.connect("pulse_etl")
    catalogue = Catalogue.read(conn)
    conn.rollback()
    checked = 0
    for stage in ("normalise", "dora"):
        asked.clear()
        run_stage(conn, client, stage, full=True)  # type: ignore[arg-type]
        changed = {model.changed: f"core.{model.target}" for model in stage_models(stage)}  # type: ignore[arg-type]
        for query, known, temporary in asked:
            checked += 1
            named = {one for one in catalogue.named_in(query) if not one.endswith("()")}
            # A row of a table of changes is of the type of the table itself, which PostgreSQL counts as used.
            of_changes = {changed[one] for one in temporary & changed.keys()}
            assert named | of_changes == known | of_changes, query
    assert checked > 100


def test_what_a_model_reads_is_followed_through_temporary_tables_and_views(db: TestDatabase) -> None:
    conn = db.connect("pulse_etl")
    with client_transaction(conn, db.add_client("acme")):
        catalogue = Catalogue.read(conn)
    sources = Sources(catalogue, tuple(stage_models("dora")))
    found = {model.file: sources.tables_read(f"{model.touched}\n{model.wanted}") for model in sources.models}
    # Through deployment_candidates, a temporary table, and deployment_records, a view.
    assert {"core.github_deployments", "core.github_workflow_runs"} <= found["facts/deployments.sql"]
    assert "core.deployments" in found["metrics/dora_metrics.sql"]
    for tables_read in found.values():
        assert tables_read <= catalogue.tables
    forecast = sources.tables_read(Path(forecasts.__file__).read_text(encoding="utf-8"))
    assert {"core.forecasts", "core.work_items", "core.work_sprint_items"} <= forecast
    assert FORECASTS.removesuffix(".py") == forecasts.__name__.rpartition(".")[2]


_USED = """
    select distinct case when n.nspname like 'pg_temp%' then '' else n.nspname || '.' end || used.relname,
           n.nspname like 'pg_temp%'
    from pg_rewrite r
    join pg_depend d on (d.classid, d.objid) = ('pg_rewrite'::regclass, r.oid) and d.refclassid = 'pg_class'::regclass
    join pg_class used on used.oid = d.refobjid and used.relkind in ('r', 'v')
    join pg_namespace n on n.oid = used.relnamespace
    where r.ev_class = 'asked'::regclass and used.oid <> 'asked'::regclass
"""
