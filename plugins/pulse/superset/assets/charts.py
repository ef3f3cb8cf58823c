"""A chart: its params in Superset's form, and the query that follows from them."""

from __future__ import annotations

import json
from typing import Any

from pulse.superset.assets.files import Config

WITH_AXIS = ("echarts_timeseries", "mixed_timeseries")
NAMED_BY_DATA = frozenset({"client_name", "workflow_name"})  # as many series as a company has of them
WHOLE_NUMBERS = ",.0f"
NAME_KEY = "pulse_chart"  # in the params of every chart made here: which file it comes from


def chart_config(name: str, spec: Config, defaults: Config) -> Config:
    """Superset's form of a chart, without its UUIDs."""
    params = chart_params(name, spec, defaults)
    context = {
        "datasource": {"id": 0, "type": "table"},  # replaced by Superset at import
        "force": False,
        "form_data": params,
        "result_format": "json",
        "result_type": "full",
        "queries": [chart_query(params), *([chart_query(_second(params))] if "metrics_b" in params else [])],
    }
    return {
        "slice_name": spec["title"],
        "description": spec.get("description"),
        "viz_type": spec["viz_type"],
        "params": params,
        # As JSON text, it lets scripts ask for a chart's data by its id.
        "query_context": json.dumps(context, sort_keys=True),
        "cache_timeout": None,
    }


def chart_params(name: str, spec: Config, defaults: Config) -> Config:
    """The params: those shared by all charts or by the viz type, those behind the short keys, and those of the file."""
    viz_type: str = spec["viz_type"]
    params: Config = {"viz_type": viz_type, NAME_KEY: name, **defaults["chart"]}
    for beginning, shared in defaults["viz_types"].items():
        if viz_type.startswith(beginning):
            params |= shared
    params["adhoc_filters"] = [_filter(*condition) for condition in spec.get("filters", [])]
    if "time" in spec:
        params["adhoc_filters"].append(_filter(spec["time"], "TEMPORAL_RANGE", "No filter"))
    if viz_type.startswith(WITH_AXIS):
        params["x_axis"] = spec.get("x") or spec["time"]
    if "time" in spec and params.get("x_axis") != spec["time"]:
        params["granularity_sqla"] = spec["time"]
    if "order" in spec:
        params["order_by_cols"] = [
            json.dumps([entry.split()[0], not entry.endswith(" desc")]) for entry in spec["order"]
        ]
    if "benchmark" in spec:
        params["annotation_layers"] = [_benchmark(spec["benchmark"], defaults["benchmark"])]
    params |= spec["params"]
    if viz_type.startswith(WITH_AXIS):
        params["echart_options"] = _drawn(params)
    if "metrics_b" in params:
        params |= {"adhoc_filters_b": params["adhoc_filters"], "groupby_b": [], "row_limit_b": params["row_limit"]}
    return params


def chart_query(params: Config) -> Config:
    """The query that Superset's page makes of the same params: a guest may send no other one (docs/embedding.md)."""
    x_axis = params.get("x_axis")
    groupby = params.get("groupby", [])
    metrics = params.get("metrics") or [params[key] for key in ("metric",) if key in params]
    order = [json.loads(entry) for entry in params.get("order_by_cols", [])]
    if params["viz_type"] == "waterfall":
        order = [[x_axis, True]]
    elif metrics and not order:
        order = [[metrics[0], not params.get("order_desc", True)]]
    query: Config = {
        "columns": [*([_base_axis(params)] if x_axis else []), *params.get("all_columns", []), *groupby],
        # Without the key, Superset reads rows; with an empty list it groups them, and cannot order by what is not shown.
        **({} if params.get("query_mode") == "raw" else {"metrics": metrics}),
        "filters": [
            {"col": entry["subject"], "op": entry["operator"], "val": entry["comparator"]}
            for entry in params["adhoc_filters"]
            if entry["operator"] != "TEMPORAL_RANGE"
        ],
        "orderby": order,
        "row_limit": params["row_limit"],
    }
    if x_axis and groupby:
        query["series_columns"] = groupby
    times = [entry["subject"] for entry in params["adhoc_filters"] if entry["operator"] == "TEMPORAL_RANGE"]
    if times:
        query["granularity"] = times[0]
    return query


def _second(params: Config) -> Config:
    """The params of the second query of a chart that has two."""
    order = {"order_desc": params.get("order_desc_b", True)}
    return {**params, "metrics": params["metrics_b"], "groupby": params["groupby_b"], **order}


def _filter(column: str, operator: str, value: Any) -> Config:
    return {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "subject": column,
        "operator": operator,
        "comparator": value,
    }


def _base_axis(params: Config) -> Config:
    column = params["x_axis"]
    grain = {"timeGrain": params["time_grain_sqla"]} if "time_grain_sqla" in params else {}
    axis = {"columnType": "BASE_AXIS", "sqlExpression": column, "label": column, "expressionType": "SQL"}
    return {**grain, **axis, "isColumnReference": True}


def _drawn(params: Config) -> str:
    """Options for ECharts that Superset's own controls do not offer, as the object literal that Superset accepts.

    A legend never has pages to turn: Superset pages one that it takes for too long, and an executive does not turn them. Only
    names that come from the data may be too many to show at once. An axis of whole numbers has no two marks of the same number.
    """
    legend = "" if NAMED_BY_DATA & set(params.get("groupby", [])) else "legend: {type: 'plain'}"
    whole = params.get("y_axis_format") == WHOLE_NUMBERS and not params["viz_type"].startswith("mixed")
    parts = [part for part in (legend, "yAxis: {minInterval: 1}" if whole else "") if part]
    return f"{{{', '.join(parts)}}}" if parts else ""


def _benchmark(line: Config, defaults: Config) -> Config:
    return {**defaults, "name": f"DORA {line['text']}", "value": str(line["value"])}
