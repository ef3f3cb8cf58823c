"""What is drawn from superset/assets: names for people, legends, axes, widths, order, lines, colours."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pulse import languages
from pulse.superset.assets import assets_folder
from pulse.superset.assets.charts import NAMED_BY_DATA
from tests.support.database import TestDatabase
from tests.support.superset_assets import Configs, charts_of, part


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


@pytest.mark.parametrize("path", sorted((assets_folder() / "dashboards").glob("*.css")), ids=lambda p: p.name)
def test_styles_set_no_colour_that_breaks_a_mode(path: Any) -> None:
    """A colour comes from the theme (currentColor), or is a pair for light and dark."""
    style = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    without_pairs = re.sub(r"light-dark\([^)]*\)", "", style)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*})", without_pairs)
    assert not re.findall(r"\b(?:rgb|hsl)a?\(", without_pairs)
