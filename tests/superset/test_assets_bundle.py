"""superset/assets as a bundle: the same every time, one file for one thing, and mistakes told with their file."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from pulse.superset.assets import HASH_KEY, AssetError, Ids, ViewColumn, assets_folder, build_bundle, load
from tests.support.database import TestDatabase
from tests.support.superset_assets import ASSETS, Configs, Views, charts_of


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of superset/assets to change."""
    return Path(shutil.copytree(assets_folder(), tmp_path / "assets"))


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
