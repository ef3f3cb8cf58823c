"""Where people start: the dashboard whose file in superset/assets says `landing: true`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

DASHBOARDS = Path(__file__).resolve().parents[1] / "assets" / "dashboards"


@cache
def landing_path() -> str:
    """The path of the dashboard's page. Raises RuntimeError when no dashboard is marked."""
    for file in sorted(DASHBOARDS.glob("*.yaml")):
        if yaml.safe_load(file.read_text(encoding="utf-8")).get("landing"):
            return f"/superset/dashboard/{file.stem.replace('_', '-')}/"
    raise RuntimeError(f"no dashboard in {DASHBOARDS} says `landing: true`")
