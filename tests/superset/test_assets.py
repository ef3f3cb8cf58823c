"""superset/assets against itself and against the migrated database."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any
from uuid import UUID

import pytest
import yaml

from pulse.superset.assets import HASH_KEY, assets_folder, build_bundle, load
from tests.support.database import TestDatabase

CONFIGS = load(assets_folder())
DATASETS = {name: c for name, c in CONFIGS.items() if name.startswith("datasets/")}
CHARTS = {name: c for name, c in CONFIGS.items() if name.startswith("charts/")}
DASHBOARDS = {name: c for name, c in CONFIGS.items() if name.startswith("dashboards/")}
BY_UUID = {c["uuid"]: c for c in CONFIGS.values()}


def strings(value: Any) -> list[str]:
    """Every text in a nested value, including keys."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (str(key), *strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def test_uuids_are_unique_and_valid() -> None:
    assert len(BY_UUID) == len(CONFIGS)
    assert all(str(UUID(uuid)) == uuid for uuid in BY_UUID)


def test_every_reference_resolves() -> None:
    databases = {c["uuid"] for name, c in CONFIGS.items() if name.startswith("databases/")}
    datasets, charts = ({c["uuid"] for c in part.values()} for part in (DATASETS, CHARTS))
    assert {c["database_uuid"] for c in DATASETS.values()} <= databases
    assert {c["dataset_uuid"] for c in CHARTS.values()} <= datasets
    for dashboard in DASHBOARDS.values():
        nodes = {key: node for key, node in dashboard["position"].items() if isinstance(node, dict)}
        shown = {node["meta"]["uuid"] for node in nodes.values() if node["type"] == "CHART"}
        assert shown == charts, "every chart is on the dashboard"
        for key, node in nodes.items():
            assert node["id"] == key
            assert set(node.get("children", [])) | set(node.get("parents", [])) <= set(nodes)
        reachable, todo = set(), ["ROOT_ID"]
        while todo:
            key = todo.pop()
            reachable.add(key)
            todo += nodes[key].get("children", [])
        assert {key for key, node in nodes.items() if node["type"] == "CHART"} <= reachable
        for native_filter in dashboard["metadata"]["native_filter_configuration"]:
            assert set(native_filter["scope"]["excluded"]) <= charts
            assert {t["datasetUuid"] for t in native_filter["targets"] if t} <= datasets


def test_assets_contain_no_number_and_no_secret_of_one_installation() -> None:
    for name, config in CONFIGS.items():
        for key in ("chartId", "datasetId", "datasource_id", "slice_id", "theme_id"):
            assert key not in strings(config), f"{name} holds {key}"
        assert not re.search(r"://[^/\s]*:[^/\s]*@", "\n".join(strings(config))), f"{name} holds a login"
    database = next(c for name, c in CONFIGS.items() if name.startswith("databases/"))
    assert database["sqlalchemy_uri"] == "postgresql+psycopg2://pulse-replica/pulse"
    assert "password" not in database
    assert not database["expose_in_sqllab"]
    assert not database["allow_dml"]
    assert database["extra"]["per_user_caching"], "or one client's cached answer is given to another"


def test_every_dataset_reads_a_report_view_with_these_columns(db: TestDatabase) -> None:
    db.wait_replica()
    connection = db.connect("pulse_staff", replica=True)
    for name, dataset in DATASETS.items():
        assert dataset["schema"] == "report"
        assert not dataset["sql"], f"{name} is virtual: Superset's rules are best-effort there"
        physical = {
            column: kind.upper()
            for column, kind in connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = 'report' and table_name = %s",
                [dataset["table_name"]],
            )
        }
        declared = {c["column_name"]: c for c in dataset["columns"]}
        assert {c for c, spec in declared.items() if not spec.get("expression")} == set(physical), name
        for column, spec in declared.items():
            if not spec.get("expression"):
                assert spec["type"] == physical[column], f"{name}.{column}"
                assert spec["is_dttm"] == (physical[column] == "DATE" or physical[column].startswith("TIMESTAMP"))
        assert dataset["main_dttm_col"] in {None, *declared}


def test_every_expression_runs_for_a_reader(db: TestDatabase) -> None:
    client = db.add_client("techcorp")
    db.wait_replica()
    connection = db.connect(f"pulse_client_{client}", replica=True)
    for dataset in DATASETS.values():
        table = f"report.{dataset['table_name']}"
        for column in dataset["columns"]:
            if column.get("expression"):
                connection.execute(f"select {column['expression']} from {table}")
        for metric in dataset["metrics"]:
            connection.execute(f"select {metric['expression']} from {table}")


def test_charts_use_only_what_their_dataset_has_and_no_sql() -> None:
    for name, chart in CHARTS.items():
        dataset = BY_UUID[chart["dataset_uuid"]]
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
        for query in chart["query_context"]["queries"]:
            for column in query["columns"]:
                text = column["sqlExpression"] if isinstance(column, dict) else column
                assert text in columns, f"{name}: {text} is not a column: an executive could not request it"
            assert set(query["metrics"]) <= metrics
            assert {f["col"] for f in query["filters"]} <= columns
        assert 0 < params["row_limit"] <= 5000


def test_templates_use_only_requested_columns() -> None:
    words = {"data", "items", "else", "this", "value"}
    for name, chart in CHARTS.items():
        template = chart["params"].get("handlebarsTemplate")
        if template is None:
            continue
        found = set(re.findall(r"{{#?(?:if|unless|each)? ?\(?(?:eq )?([A-Za-z_]+)", template))
        found |= set(re.findall(r"dateFormat ([a-z_]+)", template))
        helpers = {"if", "unless", "each", "eq", "dateFormat", "group"}
        assert found - words - helpers <= set(chart["params"]["all_columns"]), name
        assert "{{{" not in template, f"{name}: text of other systems has to be escaped"
        assert "<style" not in template


def test_benchmark_lines_are_the_published_bounds(db: TestDatabase) -> None:
    db.wait_replica()
    connection = db.connect("pulse_staff", replica=True)
    lines = 0
    for name, chart in CHARTS.items():
        for layer in chart["params"].get("annotation_layers", []):
            (metric,) = (f["comparator"] for f in chart["params"]["adhoc_filters"] if f["subject"] == "metric_type")
            shown = "days" if chart["params"]["metrics"][0].startswith("days") else "as stored"
            factor = {"change_failure_rate": 100.0}.get(metric, 1 / 24 if shown == "days" else 1.0)
            year = int(re.search(r"\d{4}", layer["name"])[0])  # type: ignore[index]
            bounds = {
                round(bound * factor, 6)
                for row in connection.execute(
                    "select lower_bound, upper_bound from report.benchmarks"
                    " where metric_type = %s and year = %s and tier = 'elite'",
                    [metric, year],
                )
                for bound in row
                if bound is not None
            }
            assert float(layer["value"]) in bounds, f"{name}: {layer['name']} is not in {bounds}"
            lines += 1
    assert lines >= 3


def test_the_bundle_is_the_same_every_time_and_complete() -> None:
    bundle = build_bundle()
    assert build_bundle() == bundle
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
        files = {name: yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    assert files["pulse/metadata.yaml"]["type"] == "assets"
    assert len(files) == len(CONFIGS) + 1
    for name, config in files.items():
        if name.startswith("pulse/charts/"):
            assert json.loads(config["query_context"])["queries"]
        if name.startswith("pulse/dashboards/"):
            numbers = [
                n["meta"]["chartId"]
                for n in config["position"].values()
                if isinstance(n, dict) and n.get("type") == "CHART"
            ]
            assert len(set(numbers)) == len(CHARTS)
            assert config["metadata"][HASH_KEY] == bundle.digest
            assert config["css"]


def test_a_changed_file_changes_the_hash(tmp_path: Any) -> None:
    import shutil

    copy = tmp_path / "assets"
    shutil.copytree(assets_folder(), copy)
    assert build_bundle(copy).digest == build_bundle().digest
    style = next((copy / "dashboards").glob("*.css"))
    style.write_text(style.read_text() + "\n/* another line */\n")
    assert build_bundle(copy).digest != build_bundle().digest


@pytest.mark.parametrize("path", sorted((assets_folder() / "dashboards").glob("*.css")), ids=lambda p: p.name)
def test_styles_set_no_colour_that_breaks_a_mode(path: Any) -> None:
    """A colour comes from the theme (currentColor), or is a pair for light and dark."""
    style = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    without_pairs = re.sub(r"light-dark\([^)]*\)", "", style)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*})", without_pairs)
    assert not re.findall(r"\b(?:rgb|hsl)a?\(", without_pairs)
