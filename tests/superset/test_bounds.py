"""What a chart may be asked: every query of our own charts, and nothing larger."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from pulse.superset.assets import load
from pulse.superset.assets.charts import chart_config

COLUMNS = ["client_id", "period_at", "stage_label", "value"]


@pytest.fixture
def bounds(superset_modules: None) -> Any:
    from pulse_superset import bounds

    return bounds


def context(queries: list[dict[str, Any]], names: list[str] = COLUMNS, result_type: str = "full") -> SimpleNamespace:
    """A query context with the attributes of Superset's."""
    return SimpleNamespace(
        result_type=result_type,
        datasource=SimpleNamespace(columns=[SimpleNamespace(column_name=name) for name in names]),
        queries=[query(**given) for given in queries],
    )


def query(**given: Any) -> SimpleNamespace:
    plain: dict[str, Any] = {
        **dict.fromkeys(("result_type", "time_shift", "granularity", "series_limit_metric")),
        **{name: [] for name in ("columns", "metrics", "filter", "orderby", "series_columns", "annotation_layers")},
        **{
            "time_offsets": [],
            "post_processing": [],
            "extras": {},
            "row_offset": 0,
            "series_limit": 0,
            "row_limit": 1000,
        },
    }
    return SimpleNamespace(**{**plain, **given})


def pivot(**options: Any) -> dict[str, Any]:
    """What a time series chart sends."""
    plain = {
        "index": ["period_at"],
        "columns": ["stage_label"],
        "aggregates": {"days": {"operator": "mean"}},
        "drop_missing_columns": False,
    }
    return {"operation": "pivot", "options": {**plain, **options}}


RENAME = {"operation": "rename", "options": {"columns": {"days": None}, "level": 0, "inplace": True}}
FLATTEN = {"operation": "flatten"}


def test_every_query_of_our_charts_is_within_the_bounds(bounds: Any) -> None:
    assets = load()
    assert len(assets.charts) >= 10
    for name, spec in assets.charts.items():
        config = chart_config(name, spec, assets.defaults)
        asked = json.loads(config["query_context"])
        series = config["viz_type"].startswith(("echarts_timeseries", "mixed_timeseries"))
        after = [pivot(columns=spec["params"].get("groupby", [])), RENAME, FLATTEN, None] if series else []
        for one in asked["queries"]:
            one = {**one, "filter": one.pop("filters"), "post_processing": after}
            one["annotation_layers"] = config["params"].get("annotation_layers", [])
            names = [config["params"]["x_axis"]] if "x_axis" in config["params"] else []
            bounds.check(context([one], names))


ROWS = {"columns": ["value"]}
TOO_MUCH: dict[str, dict[str, Any]] = {
    "rows": {**ROWS, "row_limit": 10_001},
    "rows below zero": {**ROWS, "row_limit": -1},
    "cells": {"columns": ["value"] * 50, "row_limit": 5000},
    "columns": {"columns": ["value"] * 81},
    "metrics": {"metrics": ["row_count"] * 21},
    "filters": {**ROWS, "filter": [{"col": "value", "op": "==", "val": 1}] * 31},
    "values of a filter": {**ROWS, "filter": [{"col": "value", "op": "IN", "val": list(range(501))}]},
    "a long value": {**ROWS, "filter": [{"col": "value", "op": "ILIKE", "val": "%a" * 251}]},
    "order": {**ROWS, "orderby": [["value", True]] * 11},
    "offset": {**ROWS, "row_offset": 100_001},
    "series": {**ROWS, "series_limit": 101},
    "time offsets": {**ROWS, "time_offsets": ["1 year ago"]},
    "a shift": {**ROWS, "time_shift": "1 year ago"},
    "another chart's rows": {
        **ROWS,
        "annotation_layers": [{"annotationType": "EVENT", "sourceType": "line", "value": 1}],
    },
    "layers": {**ROWS, "annotation_layers": [{"annotationType": "FORMULA"}] * 5},
    "samples": {**ROWS, "result_type": "samples"},
    "the SQL": {**ROWS, "result_type": "query"},
    "where": {**ROWS, "extras": {"where": "true"}},
    "other extras": {**ROWS, "extras": {"next_version": "x"}},
    "an expression": {"columns": [{"expressionType": "SQL", "sqlExpression": "1", "label": "x"}]},
    "resample": {**ROWS, "post_processing": [{"operation": "resample", "options": {"method": "ffill", "rule": "1S"}}]},
    "rolling": {**ROWS, "post_processing": [{"operation": "rolling", "options": {"columns": {}, "window": 10**9}}]},
    "prophet": {
        **ROWS,
        "post_processing": [{"operation": "prophet", "options": {"time_grain": "P1D", "periods": 10**6}}],
    },
    "histogram": {
        **ROWS,
        "post_processing": [{"operation": "histogram", "options": {"column": "value", "bins": 10**9}}],
    },
    "an unknown operation": {**ROWS, "post_processing": [{"operation": "next_version"}]},
    "many operations": {**ROWS, "post_processing": [FLATTEN] * 4},
    "a pivot of many rows": {**ROWS, "row_limit": 5000, "post_processing": [pivot()]},
    "a pivot with totals": {**ROWS, "post_processing": [pivot(marginal_distributions=True)]},
    "a pivot by two": {**ROWS, "post_processing": [pivot(index=["period_at", "value"])]},
    "a pivot with a function": {**ROWS, "post_processing": [pivot(aggregates={"x": {"operator": "percentile"}})]},
    "a pivot with options": {
        **ROWS,
        "post_processing": [pivot(aggregates={"x": {"operator": "mean", "options": {"q": 1}}})],
    },
}


@pytest.mark.parametrize("what", sorted(TOO_MUCH))
def test_what_is_more_than_charts_need_is_refused(bounds: Any, what: str) -> None:
    bounds.check(context([ROWS, {"columns": ["value"], "post_processing": [pivot(), RENAME, FLATTEN]}]))
    with pytest.raises(bounds.TooMuch):
        bounds.check(context([TOO_MUCH[what]]))


def test_requests_as_a_whole_are_bounded(bounds: Any) -> None:
    with pytest.raises(bounds.TooMuch):
        bounds.check(context([ROWS] * 3))
    for result_type in ("samples", "drill_detail", "query", "post_processed"):
        with pytest.raises(bounds.TooMuch):
            bounds.check(context([ROWS], result_type=result_type))


@pytest.mark.parametrize("row_limit", [None, 0])
def test_no_limit_is_a_small_one(bounds: Any, row_limit: int | None) -> None:
    asked = context([{**ROWS, "row_limit": row_limit}])
    bounds.check(asked)
    assert asked.queries[0].row_limit == bounds.DEFAULT_ROWS
