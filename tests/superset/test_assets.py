"""superset/assets against itself and against the migrated database."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml

from pulse import languages
from pulse.superset.assets import HASH_KEY, AssetError, Ids, ViewColumn, assets_folder, build_bundle, load
from pulse.superset.assets.charts import NAMED_BY_DATA
from pulse.superset.provision import FOR_STAFF
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase

ASSETS = load()
Views = dict[str, list[ViewColumn]]
Configs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def views(cluster: Cluster) -> Iterator[Views]:
    """The columns of every view of schema report."""
    with TestDatabase.clone(cluster, TEMPLATE) as database:
        database.wait_replica()
        rows = database.connect("pulse_staff", replica=True).execute(
            "select table_name, column_name, upper(data_type) from information_schema.columns"
            " where table_schema = 'report' order by table_name, ordinal_position"
        )
        found: Views = {}
        for view, column, kind in rows:
            found.setdefault(view, []).append(ViewColumn(column, kind))
        yield found


@pytest.fixture(scope="module")
def configs(views: Views) -> Configs:
    """What Superset gets, by path."""
    return build_bundle(ASSETS, views).configs


def part(configs: Configs, folder: str) -> Configs:
    """The assets of one kind."""
    return {name: config for name, config in configs.items() if name.startswith(f"{folder}/")}


def charts_of(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes of a dashboard's charts by UUID."""
    nodes = [node for node in dashboard["position"].values() if isinstance(node, dict) and node["type"] == "CHART"]
    return {node["meta"]["uuid"]: node for node in nodes}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of superset/assets to change."""
    return Path(shutil.copytree(assets_folder(), tmp_path / "assets"))


def strings(value: Any) -> list[str]:
    """Every text in a nested value, including keys."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (str(key), *strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


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


def test_every_column_of_a_table_has_a_name_for_people(configs: Configs) -> None:
    datasets = {dataset["uuid"]: dataset for dataset in part(configs, "datasets").values()}
    for name, chart in part(configs, "charts").items():
        labels = {c["column_name"]: c.get("verbose_name") for c in datasets[chart["dataset_uuid"]]["columns"]}
        for column in chart["params"]["all_columns"] if chart["viz_type"] == "table" else []:
            assert labels[column], f"{name}: the table's head would say {column}"


PHONE = 314  # pixels of a chart's legend on a phone of 390
LINES = 3  # of the legend that stand above the axis (legendMargin in defaults.yaml)
LETTER, AROUND = 6.0, 27  # of a name of 11 pixels: the widest letters, and the sign and gap beside it


def legend_lines(names: list[str]) -> int:
    """How many lines these names take on a phone."""
    lines, used = 1, 0.0
    for name in names:
        wide = LETTER * len(name) + AROUND
        lines, used = (lines, used + wide) if used + wide <= PHONE or not used else (lines + 1, wide)
    return lines


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_legend_has_pages_to_turn(configs: Configs, language: str) -> None:
    """A legend of our own names is a plain one that fits a phone. Only names from the data may be too many for that."""
    metrics = {
        d["uuid"]: {m["metric_name"]: m["verbose_name"] for m in d["metrics"]}
        for d in part(configs, "datasets").values()
    }
    judged = 0
    for name, chart in part(configs, "charts").items():
        params = chart["params"]
        if not params.get("show_legend"):
            continue
        assert params["legendType"] == "plain", name
        groups = params.get("groupby", [])
        if set(groups) & NAMED_BY_DATA:
            continue
        assert "legend: {type: 'plain'}" in params["echart_options"], (
            f"{name}: Superset pages a legend that it takes for long"
        )
        drawn = [m for m in [*params["metrics"], *params.get("metrics_b", [])] if not groups and "__yhat_" not in m]
        names = [languages.say(language, metrics[chart["dataset_uuid"]][metric]) for metric in drawn]
        for layer in params.get("annotation_layers", []):
            names.append("DORA 2024 " + languages.say(language, layer["name"].removeprefix("DORA ")))
        assert legend_lines(names) <= LINES, f"{name}: {names}"
        judged += bool(names)
    assert judged > 10


def test_an_axis_of_whole_numbers_has_no_number_twice(configs: Configs) -> None:
    for name, chart in part(configs, "charts").items():
        params = chart["params"]
        if chart["viz_type"].startswith("echarts_timeseries") and params["y_axis_format"] == ",.0f":
            assert "yAxis: {minInterval: 1}" in params["echart_options"], name


def test_a_drawn_chart_is_no_wider_than_half_a_row(configs: Configs) -> None:
    """On a phone half a row is the screen, and Superset draws a chart by its share of the row: a wider one would be cut off."""
    drawn = {c["uuid"]: n for n, c in part(configs, "charts").items() if c["viz_type"] not in ("table", "handlebars")}
    seen = set()
    for dashboard in part(configs, "dashboards").values():
        for uuid, node in charts_of(dashboard).items():
            if uuid in drawn:
                assert node["meta"]["width"] <= 6, f"{drawn[uuid]} on {dashboard['slug']}"
                seen.add(uuid)
    assert seen == set(drawn)


def test_steps_are_in_their_order_and_no_number_is_before_their_names(db: TestDatabase, configs: Configs) -> None:
    """ "2 accounts" would be two accounts."""
    names = ["Before", "zebra", "accounts", "Äpfel", "日本", "2 towers", "All others"]
    rows = ", ".join(f"({step}, '{step + 1} {name}')" for step, name in enumerate(names))
    (column,) = (c for c in configs["datasets/driver_steps.yaml"]["columns"] if c["column_name"] == "step_shown")
    db.wait_replica()
    found = db.connect("pulse_staff", replica=True).execute(
        f"select {column['expression']} from (values {rows}) t (step, step_label) order by 1"
    )
    assert [text.lstrip("\u200b\u200c") for (text,) in found] == names


def test_benchmark_lines_are_the_published_bounds(db: TestDatabase, configs: Configs) -> None:
    """In every year that a client may be measured by: only the year is filled in for the viewer."""
    db.wait_replica()
    connection = db.connect("pulse_staff", replica=True)
    lines = 0
    for name, chart in part(configs, "charts").items():
        for layer in chart["params"].get("annotation_layers", []):
            (metric,) = (f["comparator"] for f in chart["params"]["adhoc_filters"] if f["subject"] == "metric_type")
            shown = "days" if chart["params"]["metrics"][0].startswith("days") else "as stored"
            factor = {"change_failure_rate": 100.0}.get(metric, 1 / 24 if shown == "days" else 1.0)
            years: dict[int, set[float]] = {}
            for year, *bounds in connection.execute(
                "select year, lower_bound, upper_bound from report.benchmarks"
                " where metric_type = %s and kind = 'tier' and tier = 'elite'",
                [metric],
            ):
                years[year] = {round(bound * factor, 6) for bound in bounds if bound is not None}
            assert len(years) >= 2
            for year, bounds in years.items():
                assert float(layer["value"]) in bounds, f"{name}: {layer['name']} is not in {bounds} of {year}"
            assert layer["name"].startswith("DORA elite: "), "Superset puts the year in"
            lines += 1
    assert lines >= 3


def test_the_bundle_is_the_same_every_time_and_complete(configs: Configs, views: Views) -> None:
    bundle = build_bundle(ASSETS, views)
    assert build_bundle(load(), views) == bundle
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
        files = {name: yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    assert files["pulse/metadata.yaml"]["type"] == "assets"
    assert len(files) == len(configs) + 1
    for name, config in files.items():
        if name.startswith("pulse/charts/"):
            assert json.loads(config["query_context"])["queries"]
        if name.startswith("pulse/dashboards/"):
            numbers = [node["meta"]["chartId"] for node in charts_of(config).values()]
            assert len(set(numbers)) == len(numbers) > 0
            assert config["metadata"][HASH_KEY] == bundle.digest
            assert config["css"]


def test_a_changed_file_or_column_changes_the_hash(copy: Path, views: Views) -> None:
    digest = build_bundle(ASSETS, views).digest
    assert build_bundle(load(copy), views).digest == digest
    more = views | {"freshness": [*views["freshness"], ViewColumn("age_hours", "INTEGER")]}
    assert build_bundle(ASSETS, more).digest != digest
    style = next((copy / "dashboards").glob("*.css"))
    style.write_text(style.read_text() + "\n/* another line */\n")
    assert build_bundle(load(copy), views).digest != digest


def test_ids_that_superset_already_has_are_kept_and_leave_the_hash_as_it_is(views: Views) -> None:
    used = "00000000-0000-4000-8000-000000000001"
    bundle = build_bundle(ASSETS, views, Ids({("chart", "trust"): used}))
    assert bundle.configs["charts/trust.yaml"]["uuid"] == used
    assert used in charts_of(bundle.configs["dashboards/executive_overview.yaml"])
    assert bundle.digest == build_bundle(ASSETS, views).digest


def test_another_dashboard_is_one_file(copy: Path, views: Views, configs: Configs) -> None:
    (copy / "dashboards" / "team_review.yaml").write_text(
        "title: Team review\n"
        "filters: [time]\n"
        "tabs:\n"
        "- title: This month\n"
        "  rows:\n"
        "  - heading: How we ship\n"
        "  - [{chart: lead_time, width: 8, height: 60}, trust]\n"
    )
    made = build_bundle(load(copy), views).configs
    assert set(made) == {*configs, "dashboards/team_review.yaml"}
    dashboard = made["dashboards/team_review.yaml"]
    assert (dashboard["slug"], dashboard["dashboard_title"], dashboard["css"]) == ("team-review", "Team review", "")
    shown = charts_of(dashboard)
    assert set(shown) == {configs["charts/lead_time.yaml"]["uuid"], configs["charts/trust.yaml"]["uuid"]}
    sizes = {node["id"]: (node["meta"]["width"], node["meta"]["height"]) for node in shown.values()}
    assert sizes == {"CHART-lead-time": (8, 60), "CHART-trust": (4, 44)}
    assert dashboard["position"]["HEADER-how-we-ship"]["parents"] == ["ROOT_ID", "TABS-main", "TAB-this-month"]
    (time_range,) = dashboard["metadata"]["native_filter_configuration"]
    trust = shown[configs["charts/trust.yaml"]["uuid"]]["meta"]["chartId"]
    assert time_range["scope"]["excluded"] == [trust]


def test_another_chart_is_one_file_and_one_line(copy: Path, views: Views, configs: Configs) -> None:
    (copy / "charts" / "open_items.yaml").write_text(
        "title: Open items\ndataset: work_items\nviz_type: big_number_total\nparams:\n  metric: row_count\n"
    )
    path = copy / "dashboards" / "executive_overview.yaml"
    path.write_text(path.read_text().replace("  rows:\n", "  rows:\n  - [open_items]\n", 1))
    made = build_bundle(load(copy), views).configs
    chart = made["charts/open_items.yaml"]
    assert chart["dataset_uuid"] == configs["datasets/work_items.yaml"]["uuid"]
    (query,) = json.loads(chart["query_context"])["queries"]
    assert query["metrics"] == ["row_count"]
    assert chart["uuid"] in charts_of(made["dashboards/executive_overview.yaml"])


def test_the_examples_of_the_readme_can_be_built(copy: Path, views: Views, db: TestDatabase) -> None:
    readme = (copy / "README.md").read_text()
    chart, dashboard, dataset = re.findall(r"```yaml\n(.*?)```", readme, re.S)
    (copy / "charts" / "open_items.yaml").write_text(chart)
    (copy / "dashboards" / "team_review.yaml").write_text(dashboard.replace("trust]", "trust, open_items]"))
    (copy / "datasets" / "work_items.yaml").write_text(dataset)
    made = build_bundle(load(copy), views).configs
    assert len(made["dashboards/team_review.yaml"]["metadata"]["native_filter_configuration"]) == 2
    db.wait_replica()
    connection = db.connect("pulse_staff", replica=True)
    extra = made["datasets/work_items.yaml"]
    for expression in (*extra["columns"], *extra["metrics"]):
        if expression.get("expression"):
            connection.execute(f"select {expression['expression']} from report.work_items")


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("dashboards/executive_overview.yaml", "[rework_rate,", "[rewirk_rate,", "no chart 'rewirk_rate'"),
        ("dashboards/executive_overview.yaml", "[rework_rate,", "[kpi_tiles,", "'kpi_tiles' is there twice"),
        (
            "dashboards/executive_overview.yaml",
            "[rework_rate,",
            "[{chart: rework_rate, width: 12},",
            "is wider than 12",
        ),
        ("dashboards/executive_overview.yaml", "[time,", "[times,", "no filter 'times'"),
        ("dashboards/executive_overview.yaml", "landing: true", "landing: false", "exactly one dashboard"),
        ("dashboards/executive_overview.yaml", "executive_overview.css", "other.css", "no style 'other.css'"),
        ("charts/trust.yaml", "dataset: trust_panel", "dataset: trust", "no dataset 'trust'"),
        ("charts/trust.yaml", "viz_type:", "viztype:", "unknown key viztype"),
        ("datasets/work_items.yaml", "time: created_at", "time: made_at", "no column 'made_at'"),
    ],
)
def test_a_mistake_is_told_with_its_file(copy: Path, views: Views, path: str, old: str, new: str, message: str) -> None:
    text = (copy / path).read_text()
    assert old in text
    (copy / path).write_text(text.replace(old, new, 1))
    with pytest.raises(AssetError, match=re.escape(message)):
        build_bundle(load(copy), views)


def test_a_dataset_without_its_view_says_what_to_do(views: Views) -> None:
    with pytest.raises(AssetError, match="run the migrations first"):
        build_bundle(ASSETS, {name: columns for name, columns in views.items() if name != "freshness"})


@pytest.mark.parametrize("path", sorted((assets_folder() / "dashboards").glob("*.css")), ids=lambda p: p.name)
def test_styles_set_no_colour_that_breaks_a_mode(path: Any) -> None:
    """A colour comes from the theme (currentColor), or is a pair for light and dark."""
    style = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    without_pairs = re.sub(r"light-dark\([^)]*\)", "", style)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*})", without_pairs)
    assert not re.findall(r"\b(?:rgb|hsl)a?\(", without_pairs)
