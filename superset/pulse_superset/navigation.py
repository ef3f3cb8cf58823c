"""The links between the dashboards in the header: executives have no list of dashboards."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from pulse_superset.landing import DASHBOARDS


@cache
def links() -> tuple[dict[str, Any], ...]:
    """An entry of Superset's main menu for each dashboard but those for `staff`: where people start first, then by `place`."""
    files = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(DASHBOARDS.glob("*.yaml"))}
    specs = {name: spec for name, spec in files.items() if not spec.get("staff")}
    order = sorted(specs, key=lambda name: (not specs[name].get("landing"), specs[name].get("place", 99), name))
    return tuple(entry(specs[name]["title"], f"/superset/dashboard/{name.replace('_', '-')}/") for name in order)


def entry(title: str, url: str) -> dict[str, Any]:
    """An entry of Superset's main menu."""
    return {"name": title, "label": title, "icon": "", "url": url}
