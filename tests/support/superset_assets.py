"""What superset/assets becomes when it is built against the migrated database."""

from __future__ import annotations

from typing import Any

from pulse.superset.assets import ViewColumn, load

ASSETS = load()
Views = dict[str, list[ViewColumn]]
Configs = dict[str, dict[str, Any]]


def part(configs: Configs, folder: str) -> Configs:
    """The assets of one kind."""
    return {name: config for name, config in configs.items() if name.startswith(f"{folder}/")}


def charts_of(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes of a dashboard's charts by UUID."""
    nodes = [node for node in dashboard["position"].values() if isinstance(node, dict) and node["type"] == "CHART"]
    return {node["meta"]["uuid"]: node for node in nodes}


def strings(value: Any) -> list[str]:
    """Every text in a nested value, including keys."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (str(key), *strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []
