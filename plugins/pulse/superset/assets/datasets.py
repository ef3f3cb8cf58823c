"""A dataset: a view of schema report. Its columns are read from the database, the file adds what that cannot know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulse.superset.assets.files import AssetError, Config


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: name, SQL type in capitals (without length and time zone), and its comment."""

    name: str
    type: str
    description: str | None = None


def dataset_config(name: str, spec: Config, columns: Sequence[ViewColumn], defaults: Config) -> Config:
    """Superset's form of a dataset, without its UUIDs. Raises AssetError when the database has no such view or column."""
    extra: Config = spec.get("columns") or {}
    physical = {column.name for column in columns}
    _check(name, spec, physical)
    metrics: Config = spec.get("metrics") or defaults["metrics"]
    return {
        "table_name": name,
        "description": spec["description"],
        "main_dttm_col": spec.get("time"),
        **defaults["dataset"],
        "columns": [
            *(_physical(column, extra.get(column.name, {})) for column in columns),
            *(_calculated(column, details) for column, details in extra.items() if column not in physical),
        ],
        "metrics": [
            {"metric_name": metric, "verbose_name": details["label"], "expression": details["expression"]}
            for metric, details in metrics.items()
        ],
    }


def column_names(spec: Config, columns: Sequence[ViewColumn]) -> set[str]:
    """The columns that charts and filters may use: the view's and the calculated ones."""
    return {column.name for column in columns} | set(spec.get("columns", {}))


def _check(name: str, spec: Config, physical: set[str]) -> None:
    if not physical:
        raise AssetError(f"datasets/{name}.yaml: the database has no view report.{name}: run the migrations first")
    if spec.get("time") and spec["time"] not in physical:
        raise AssetError(f"datasets/{name}.yaml: report.{name} has no column {spec['time']!r} for `time`")
    for column, details in spec.get("columns", {}).items():
        if column not in physical and not {"expression", "link"} & set(details):
            raise AssetError(f"datasets/{name}.yaml: report.{name} has no column {column!r}, and it has no expression")


def _physical(column: ViewColumn, details: Config) -> Config:
    is_time = column.type == "DATE" or column.type.startswith("TIMESTAMP")
    config = _column(column.name, column.type, is_time)
    labels = {"verbose_name": details.get("label"), "description": column.description}
    return config | {key: text for key, text in labels.items() if text}


def _calculated(name: str, details: Config) -> Config:
    expression = details.get("expression") or _link(details["link"])
    return {**_column(name, "TEXT", False), "verbose_name": details.get("label"), "expression": expression}


def _column(name: str, kind: str, is_time: bool) -> Config:
    return {"column_name": name, "type": kind, "is_dttm": is_time, "groupby": True, "filterable": True}


def _link(text: str) -> str:
    """SQL of an HTML link to the row's `url` with this text, an SQL expression; only the text if there is no url."""
    href, words = _escaped("url"), _escaped(text)
    opened = f"""'<a target="_blank" rel="noopener noreferrer" href="' || {href} || '">'"""
    return f"case when url ~ '^https?://' then {opened} || {words} || '</a>' else {words} end"


def _escaped(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = f"replace({text}, '{sign}', '{entity}')"
    return text
