"""superset/assets as the bundle that Superset imports.

The YAML files are the source and name each other by UUID only. Superset wants a bundle-local number beside each chart's
UUID and some parts as JSON text: those are put in here.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pulse import environ

FOLDERS = ("databases", "datasets", "charts", "dashboards")
HASH_KEY = "pulse_assets"


@dataclass(frozen=True)
class Bundle:
    """What to import: the zip, its hash, and the names needed to find the parts again."""

    content: bytes
    digest: str
    dashboards: tuple[str, ...]
    datasets: tuple[str, ...]


def assets_folder() -> Path:
    """superset/assets of this checkout."""
    return environ.ROOT.get() / "superset" / "assets"


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """Every YAML file by its path relative to the folder, in path order."""
    files = sorted(path for part in FOLDERS for path in (folder / part).rglob("*.yaml"))
    return {str(path.relative_to(folder)): yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}


def build_bundle(folder: Path | None = None) -> Bundle:
    """Read the YAML files and make the bundle; the same files give the same bytes."""
    folder = folder or assets_folder()
    configs = load(folder)
    charts = [config for name, config in configs.items() if name.startswith("charts/")]
    numbers = {str(chart["uuid"]): number for number, chart in enumerate(charts, start=1)}
    for chart in charts:
        _complete_chart(chart)
    dashboards = [config for name, config in configs.items() if name.startswith("dashboards/")]
    for name, config in configs.items():
        if name.startswith("dashboards/"):
            _number_charts(config, numbers)
            style = (folder / name).with_suffix(".css")
            config["css"] = style.read_text(encoding="utf-8") if style.exists() else ""
    digest = hashlib.sha256(json.dumps(configs, sort_keys=True, default=str).encode()).hexdigest()
    for config in dashboards:
        config["metadata"][HASH_KEY] = digest
    datasets = tuple(config["table_name"] for name, config in configs.items() if name.startswith("datasets/"))
    return Bundle(_zipped(configs), digest, tuple(str(config["slug"]) for config in dashboards), datasets)


def _complete_chart(chart: dict[str, Any]) -> None:
    """Chart's stored query as JSON text: it lets scripts ask for a chart's data by its id."""
    chart["params"] = {"viz_type": chart["viz_type"], **chart["params"]}
    context = {
        "datasource": {"id": 0, "type": "table"},  # replaced by Superset at import
        "force": False,
        "form_data": chart["params"],
        "result_format": "json",
        "result_type": "full",
        "queries": chart["query_context"]["queries"],
    }
    chart["query_context"] = json.dumps(context, sort_keys=True)


def _number_charts(dashboard: dict[str, Any], numbers: dict[str, int]) -> None:
    for node in dashboard["position"].values():
        if isinstance(node, dict) and node.get("type") == "CHART":
            node["meta"]["chartId"] = numbers[node["meta"]["uuid"]]
    for native_filter in dashboard["metadata"].get("native_filter_configuration", []):
        scope = native_filter["scope"]
        scope["excluded"] = [numbers[uuid] for uuid in scope.get("excluded", [])]


def _zipped(configs: dict[str, dict[str, Any]]) -> bytes:
    metadata = {"version": "1.0.0", "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, config in {"metadata.yaml": metadata, **configs}.items():
            # A fixed time, so that the bytes depend on the files only.
            entry = zipfile.ZipInfo(f"pulse/{name}", date_time=(2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return buffer.getvalue()
