"""Every English text that a client's people can meet, found where it is written: in SQL, Python, templates, seeds and assets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

from pulse_superset import in_words

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (ROOT / "plugins" / "pulse", ROOT / "superset" / "pulse_superset")
TEMPLATES = ROOT / "superset" / "pulse_superset" / "templates"
ASSETS = ROOT / "superset" / "assets"
SQL = ROOT / "include" / "sql"
# What the models store in English, and views and datasets say later: causes of restatements, and why a change is not counted.
_STORED = tuple(
    SQL / "models" / name
    for name in ("metrics/dora_restatements.sql", "metrics/moved_facts.sql", "links/deployment_changes.sql")
)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


def sources() -> set[str]:
    """The texts."""
    return {*of_sql(), *of_python(), *of_templates(), *of_seeds(), *of_assets()}


def of_sql() -> Iterator[str]:
    """What core.say gets in views and functions, and what the models store in English."""
    for path in [*(SQL / "report").glob("*.sql"), ROOT / "migrations" / "schema.sql"]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"core\.say\('((?:[^']|'')*)'(?:::text)?\)", text):
            yield found[1].replace("''", "'")
    yield from _labels("trust_panel")
    for text in _literals(SQL / "models" / "quality" / "quality_checks.sql"):
        if " " in text and "%s" not in text:
            yield text
    for path in _STORED:
        for text in _literals(path):
            if text in STORED_TEXTS:
                yield text
    yield from ("day", "quarter", "Elite", "High", "Medium", "Low", "elite", "high", "medium", "low")


STORED_TEXTS = {
    *("added", "changed", "removed", "deployments", "deployed changes", "incidents", "merged changes", "work items"),
    *("the scope's first day or services have changed", "the tiers of its services have changed"),
    *("carries others", "bot", "no commits", "negative duration"),
}


def _labels(view: str) -> Iterator[str]:
    """The labels in the list of values of a view."""
    text = (SQL / "report" / f"{view}.sql").read_text(encoding="utf-8")
    for found in re.finditer(r"\('[a-z_]+', '([^']+)', \d+\)", text):
        yield found[1]


def _literals(path: Path) -> Iterator[str]:
    """The texts of a file; those that only a line break parts are one."""
    text = re.sub(r"(?m)^\s*--.*$", "", path.read_text(encoding="utf-8"))
    for found in _LITERAL.finditer(re.sub(r"'\s*\n\s*'", "", text)):
        yield found[1].replace("''", "'")


def of_assets() -> Iterator[str]:
    """What charts, datasets and filters say on the dashboards that clients see."""
    dashboards = [spec for spec in _assets("dashboards").values() if not spec.get("staff")]
    charts, datasets, filters = (
        _assets("charts"),
        _assets("datasets"),
        yaml.safe_load((ASSETS / "filters.yaml").read_text()),
    )
    shown: set[str] = set()
    for spec in dashboards:
        yield spec["title"]
        yield from (text for name in spec["filters"] for text in (filters[name]["title"], filters[name]["description"]))
        styles = [spec["css"]] if isinstance(spec["css"], str) else spec["css"]
        yield from _said({"css": "".join((ASSETS / "dashboards" / name).read_text() for name in styles)})
        for tab in spec["tabs"]:
            yield tab["title"]
            for row in tab["rows"]:
                if isinstance(row, dict):
                    yield row["heading"]
                else:
                    shown |= {cell["chart"] if isinstance(cell, dict) else cell for cell in row}
    for name in sorted(shown):
        spec = charts[name]
        yield from (spec["title"], spec["description"])
        if "benchmark" in spec.get("params", {}) or "benchmark" in spec:
            yield (spec.get("benchmark") or spec["params"]["benchmark"])["text"]
        yield from _said(json.loads(json.dumps(spec["params"])))
    for name in sorted({charts[name]["dataset"] for name in shown}):
        for kind in ("columns", "metrics"):
            for column in (datasets[name].get(kind) or {}).values():
                yield from [column["label"]] if column and "label" in column else []
        for found in re.finditer(r"core\.say\('([^']*)'\)", (ASSETS / "datasets" / f"{name}.yaml").read_text()):
            yield found[1]
    yield yaml.safe_load((ASSETS / "defaults.yaml").read_text())["metrics"]["row_count"]["label"]


def _said(params: Any) -> list[str]:
    """What is said of the parameters of a chart."""
    found: list[str] = []

    def say(text: str) -> str:
        found.append(text)
        return text

    in_words.spoken(params, say)
    return found


def _assets(kind: str) -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in (ASSETS / kind).glob("*.yaml")}


def of_python() -> Iterator[str]:
    """What `say` and `mark` get."""
    keywords = {"say": None, "mark": None}
    for folder in PYTHON:
        for path in folder.rglob("*.py"):
            with path.open("rb") as file:
                for _, _, text, _ in extract_python(file, keywords, [], {}):
                    first = text[0] if isinstance(text, tuple) else text
                    if isinstance(first, str) and first:
                        yield first


def of_templates() -> Iterator[str]:
    """What `say` gets in pages, mails and the PDF."""
    for path in [*TEMPLATES.rglob("*.html"), *TEMPLATES.rglob("*.txt")]:
        for _, _, text, _ in babel_extract(io.BytesIO(path.read_bytes()), {"say": None}, [], {"silent": "false"}):
            first = text[0] if isinstance(text, tuple) else text
            if isinstance(first, str):
                yield first
    typst = (TEMPLATES / "pulse" / "brief.typ").read_text(encoding="utf-8")
    yield from re.findall(r'say\("([^"]+)"\)', typst)


def of_seeds() -> Iterator[str]:
    """The names of metrics and of their units."""
    with (SQL / "seeds" / "metric_catalogue.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield from (row["metric_label"], row["display_unit"])
