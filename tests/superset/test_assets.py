"""superset/assets against itself and against the migrated database: names, references, columns, expressions."""

from __future__ import annotations

import json
import re
from uuid import UUID

import psycopg
import pytest

from pulse.superset.assets import load
from pulse.superset.provision import FOR_STAFF
from tests.support.database import TestDatabase
from tests.support.superset_assets import ASSETS, Configs, Views, charts_of, part, strings


def test_uuids_are_unique_and_valid(configs: Configs) -> None:
    uuids = {config["uuid"] for config in configs.values()}
    assert len(uuids) == len(configs)
    assert all(str(UUID(uuid)) == uuid for uuid in uuids)


def test_every_reference_resolves(configs: Configs) -> None:
    databases, datasets, charts = (
        {config["uuid"] for config in part(configs, folder).values()} for folder in ("databases", "datasets", "charts")
    )
    assert {c["database_uuid"] for c in part(configs, "datasets").values()} <= databases
    assert {c["dataset_uuid"] for c in part(configs, "charts").values()} <= datasets
    for dashboard in part(configs, "dashboards").values():
        nodes = {key: node for key, node in dashboard["position"].items() if isinstance(node, dict)}
        assert set(charts_of(dashboard)) <= charts
        for key, node in nodes.items():
            assert node["id"] == key
            assert set(node.get("children", [])) | set(node.get("parents", [])) <= set(nodes)
        reachable, todo = set(), ["ROOT_ID"]
        while todo:
            key = todo.pop()
            reachable.add(key)
            todo += nodes[key].get("children", [])
        assert {key for key, node in nodes.items() if node["type"] == "CHART"} <= reachable
        numbers = {node["meta"]["chartId"] for node in charts_of(dashboard).values()}
        for native_filter in dashboard["metadata"]["native_filter_configuration"]:
            assert set(native_filter["scope"]["excluded"]) <= numbers
            assert {t["datasetUuid"] for t in native_filter["targets"] if t} <= datasets


def test_every_chart_is_on_a_dashboard_and_every_dataset_has_a_use(configs: Configs) -> None:
    shown = {uuid for dashboard in part(configs, "dashboards").values() for uuid in charts_of(dashboard)}
    assert shown == {chart["uuid"] for chart in part(configs, "charts").values()}
    used = {chart["dataset"] for chart in ASSETS.charts.values()}
    for name, dataset in ASSETS.datasets.items():
        assert (dataset.get("for") == "exploration") == (name not in used), f"{name}: `for: exploration`, or a chart"


def test_filters_apply_to_the_charts_whose_dataset_has_their_column(configs: Configs, views: Views) -> None:
    for dashboard in part(configs, "dashboards").values():
        nodes = {node["meta"]["chartId"]: node["meta"]["uuid"] for node in charts_of(dashboard).values()}
        charts = {chart["uuid"]: chart for chart in part(configs, "charts").values()}
        datasets = {dataset["uuid"]: dataset for dataset in part(configs, "datasets").values()}
        for native_filter in dashboard["metadata"]["native_filter_configuration"]:
            for number, uuid in nodes.items():
                columns = {c["column_name"] for c in datasets[charts[uuid]["dataset_uuid"]]["columns"]}
                column = native_filter["targets"][0].get("column", {}).get("name")
                has_time = any(f["operator"] == "TEMPORAL_RANGE" for f in charts[uuid]["params"]["adhoc_filters"])
                applies = number not in native_filter["scope"]["excluded"]
                assert applies == (column in columns if column else has_time), (native_filter["id"], uuid)


def test_no_number_and_no_secret_of_one_installation(configs: Configs) -> None:
    sources = {"databases": ASSETS.databases, "datasets": ASSETS.datasets, "charts": ASSETS.charts}
    for name, source in (sources | {"dashboards": ASSETS.dashboards, "filters": ASSETS.filters}).items():
        for key in ("uuid", "chartId", "datasetId", "datasource_id", "slice_id", "theme_id"):
            assert key not in strings(source), f"{name} hold {key}"
    for name, config in configs.items():
        for key in ("datasetId", "datasource_id", "slice_id", "theme_id"):
            assert key not in strings(config), f"{name} holds {key}"
        assert not re.search(r"://[^/\s]*:[^/\s]*@", "\n".join(strings(config))), f"{name} holds a login"
    (database,) = part(configs, "databases").values()
    assert database["sqlalchemy_uri"] == "postgresql+psycopg2://pulse-replica/pulse"
    assert "password" not in database
    assert not database["expose_in_sqllab"]
    assert not database["allow_dml"]
    assert database["extra"]["per_user_caching"], "or one client's cached answer is given to another"


def test_every_dataset_reads_a_report_view_with_its_columns(configs: Configs, views: Views) -> None:
    for name, dataset in part(configs, "datasets").items():
        assert dataset["schema"] == "report"
        assert not dataset["sql"], f"{name} is virtual: Superset's rules are best-effort there"
        physical = {column.name: column.type for column in views[dataset["table_name"]]}
        declared = {c["column_name"]: c for c in dataset["columns"]}
        assert {c for c, spec in declared.items() if not spec.get("expression")} == set(physical), name
        for column, spec in declared.items():
            if not spec.get("expression"):
                assert spec["type"] == physical[column], f"{name}.{column}"
                assert spec["is_dttm"] == (physical[column] == "DATE" or physical[column].startswith("TIMESTAMP"))
        assert dataset["main_dttm_col"] in {None, *declared}


def test_every_expression_runs_for_a_reader(db: TestDatabase, configs: Configs) -> None:
    client = db.add_client("techcorp")
    db.wait_replica()
    reader, staff = (db.connect(role, replica=True) for role in (f"pulse_client_{client}", "pulse_staff"))
    for dataset in part(configs, "datasets").values():
        table = f"report.{dataset['table_name']}"
        connection = staff if dataset["table_name"].startswith(FOR_STAFF) else reader
        for column in dataset["columns"]:
            if column.get("expression"):
                connection.execute(f"select {column['expression']} from {table}")
        for metric in dataset["metrics"]:
            connection.execute(f"select {metric['expression']} from {table}")


def test_what_is_for_staff_is_closed_to_clients_and_on_staffs_dashboards_alone(
    db: TestDatabase, configs: Configs
) -> None:
    client = db.add_client("techcorp")
    db.wait_replica()
    reader = db.connect(f"pulse_client_{client}", replica=True, autocommit=True)
    closed = {d["uuid"]: d["table_name"] for d in part(configs, "datasets").values() if FOR_STAFF in d["table_name"]}
    assert closed
    for table in closed.values():
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"select from report.{table}")  # type: ignore[arg-type]
    own = {chart["uuid"] for chart in part(configs, "charts").values() if chart["dataset_uuid"] in closed}
    for name, spec in load().dashboards.items():
        shown = charts_of(configs[f"dashboards/{name}.yaml"])
        assert bool(own & set(shown)) <= bool(spec.get("staff")), name


def test_charts_use_what_their_dataset_has_and_no_sql_of_their_own(configs: Configs) -> None:
    datasets = {dataset["uuid"]: dataset for dataset in part(configs, "datasets").values()}
    for name, chart in part(configs, "charts").items():
        dataset = datasets[chart["dataset_uuid"]]
        columns = {c["column_name"] for c in dataset["columns"]}
        metrics = {m["metric_name"] for m in dataset["metrics"]}
        params = chart["params"]
        used = {*params.get("all_columns", []), *params.get("groupby", [])} | {
            f["subject"] for f in params.get("adhoc_filters", [])
        }
        used |= {params["x_axis"]} if "x_axis" in params else set()
        used |= {json.loads(order)[0] for order in params.get("order_by_cols", [])}
        assert used <= columns, f"{name}: {used - columns}"
        assert set(params.get("metrics", [])) <= metrics, name
        assert all(f["expressionType"] == "SIMPLE" for f in params.get("adhoc_filters", [])), name
        for query in json.loads(chart["query_context"])["queries"]:
            for column in query["columns"]:
                text = column["sqlExpression"] if isinstance(column, dict) else column
                assert text in columns, f"{name}: {text} is not a column: an executive could not request it"
            assert set(query.get("metrics", ())) <= metrics
            assert ("metrics" in query) is (chart["params"].get("query_mode") != "raw"), (
                "an empty list would group the rows"
            )
            assert {f["col"] for f in query["filters"]} <= columns
        assert 0 < params["row_limit"] <= 5000


def test_a_charts_query_follows_from_its_params(configs: Configs) -> None:
    days, limits = json.loads(configs["charts/lead_time.yaml"]["query_context"])["queries"]
    column = {"sqlExpression": "period_at", "label": "period_at", "expressionType": "SQL", "isColumnReference": True}
    axis = {"timeGrain": None, "columnType": "BASE_AXIS", **column}
    assert days == {
        "columns": [axis],
        "metrics": ["days", "days_so_far", "shifted_days"],
        "granularity": "period_at",
        "filters": [
            {"col": "metric_type", "op": "==", "val": "lead_time_for_changes"},
            {"col": "grain", "op": "==", "val": "week"},
        ],
        "row_limit": 1000,
        "orderby": [["days", True]],
    }
    lines = ["usual_range_days", "usual_range_days__yhat_lower", "usual_range_days__yhat_upper", "target_line_days"]
    assert limits == {**days, "metrics": lines, "orderby": [[lines[0], False]]}
    (stages,) = json.loads(configs["charts/lead_time_stages.yaml"]["query_context"])["queries"]
    assert (stages["columns"], stages["series_columns"]) == ([axis, "stage_label"], ["stage_label"])
    (rows,) = json.loads(configs["charts/evidence_incidents.yaml"]["query_context"])["queries"]
    assert (rows["orderby"], rows["granularity"], "metrics" in rows) == ([["created_at", False]], "created_at", False)


def test_templates_use_only_columns_they_ask_for(configs: Configs) -> None:
    words = {"data", "items", "else", "this", "value"}
    for name, chart in part(configs, "charts").items():
        template = chart["params"].get("handlebarsTemplate")
        if template is None:
            continue
        found = set(re.findall(r"{{#?(?:if|unless|each)? ?\(?(?:eq )?([A-Za-z_]+)", template))
        found |= set(re.findall(r"dateFormat ([a-z_]+)", template))
        helpers = {"if", "unless", "each", "eq", "dateFormat", "group"}
        assert found - words - helpers <= set(chart["params"]["all_columns"]), name
        assert "{{{" not in template, f"{name}: text of other systems has to be escaped"
        assert "<style" not in template
