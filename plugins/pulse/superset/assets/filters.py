"""A dashboard's filters. Which charts a filter applies to follows from what the charts' datasets have."""

from __future__ import annotations

from collections.abc import Mapping

from pulse.superset.assets.files import Assets, Config
from pulse.superset.assets.ids import Ids


def filter_config(
    name: str, assets: Assets, charts: Mapping[str, int], columns: Mapping[str, set[str]], ids: Ids
) -> Config:
    """Superset's form of a filter of a dashboard.

    `charts`: the dashboard's charts and their numbers in the bundle; `columns`: those of each dataset.
    """
    spec = assets.filters[name]
    excluded = [number for chart, number in charts.items() if not _applies(spec, assets.charts[chart], columns)]
    return {
        "id": f"NATIVE_FILTER-{name}",
        "name": spec["title"],
        "type": "NATIVE_FILTER",
        "description": spec["description"],
        "cascadeParentIds": [],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
        **(_value_filter(spec, ids) if "column" in spec else _time_filter(spec)),
    }


def _applies(spec: Config, chart: Config, columns: Mapping[str, set[str]]) -> bool:
    return spec["column"] in columns[chart["dataset"]] if "column" in spec else "time" in chart


def _time_filter(spec: Config) -> Config:
    value = spec["default"]
    return {
        "filterType": "filter_time",
        "targets": [{}],
        "defaultDataMask": {"extraFormData": {"time_range": value}, "filterState": {"value": value}},
        "controlValues": {"enableEmptyFilter": False},
    }


def _value_filter(spec: Config, ids: Ids) -> Config:
    """A choice among a column's values; with a default, one is always chosen."""
    column, value = spec["column"], spec.get("default")
    chosen: Config = {"extraFormData": {}, "filterState": {}}
    if value:
        chosen["extraFormData"] = {"filters": [{"col": column, "op": "IN", "val": [value]}]}
        chosen["filterState"] = {"value": [value], "label": value}
    return {
        "filterType": "filter_select",
        "targets": [{"datasetUuid": ids.of("dataset", spec["dataset"]), "column": {"name": column}}],
        "defaultDataMask": chosen,
        "controlValues": {
            "enableEmptyFilter": bool(value),
            "defaultToFirstItem": False,
            "multiSelect": False,
            "searchAllOptions": False,
            "inverseSelection": False,
        },
        "adhoc_filters": [
            {
                "clause": "WHERE",
                "expressionType": "SIMPLE",
                "subject": column,
                "operator": "IS NOT NULL",
                "operatorId": "IS_NOT_NULL",
            }
        ],
    }
