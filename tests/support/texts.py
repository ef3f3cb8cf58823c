"""Every English text that a client's people can meet, found where it is written: in SQL, Python, templates, seeds and assets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (ROOT / "plugins" / "pulse", ROOT / "superset" / "pulse_superset")
TEMPLATES = ROOT / "superset" / "pulse_superset" / "templates"
SQL = ROOT / "include" / "sql"
# What is stored in English and said later: the cause of a restatement (core.cause_text).
_STORED = (SQL / "models" / "metrics" / "dora_restatements.sql", SQL / "models" / "metrics" / "moved_facts.sql")
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


def sources() -> set[str]:
    """The texts."""
    return {*of_sql(), *of_python(), *of_templates(), *of_seeds()}


def of_sql() -> Iterator[str]:
    """What core.say gets in views and functions, and what the models store in English."""
    for path in [*(SQL / "report").glob("*.sql"), ROOT / "migrations" / "versions" / "0032_languages.sql"]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"core\.say\('((?:[^']|'')*)'\)", text):
            yield found[1].replace("''", "'")
    yield from _labels("trust_panel")
    for text in _literals(SQL / "models" / "quality" / "quality_checks.sql"):
        if " " in text and "%s" not in text:
            yield text
    for path in _STORED:
        for text in _literals(path):
            if text in STORED_TEXTS:
                yield text
    yield from ("Elite", "High", "Medium", "Low", "elite", "high", "medium", "low")


STORED_TEXTS = {
    *("added", "changed", "removed", "deployments", "deployed changes", "incidents", "merged changes"),
    "the scope's first day or services have changed",
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
