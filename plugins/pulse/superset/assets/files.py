"""The YAML files of superset/assets, read and checked for misspelt keys and names. Their form: superset/assets/README.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pulse import environ

Config = dict[str, Any]

KEYS = {
    "datasets": {"description", "time", "for", "columns", "metrics"},
    "charts": {"title", "description", "dataset", "viz_type", "time", "x", "filters", "order", "benchmark", "params"},
    "dashboards": {"title", "description", "landing", "place", "staff", "css", "filters", "tabs"},
}
NEEDED = {
    "datasets": {"description"},
    "charts": {"title", "dataset", "viz_type", "params"},
    "dashboards": {"title", "tabs"},
}


class AssetError(Exception):
    """A file of superset/assets cannot be built; the message names the file and what to change."""


@dataclass(frozen=True)
class Assets:
    """What the files say, by the name of the file without its ending; and what all assets of a kind share."""

    databases: dict[str, Config]
    datasets: dict[str, Config]
    charts: dict[str, Config]
    dashboards: dict[str, Config]
    styles: dict[str, str]
    filters: dict[str, Config]
    defaults: Config


def assets_folder() -> Path:
    """superset/assets of this checkout."""
    return environ.ROOT.get() / "superset" / "assets"


def load(folder: Path | None = None) -> Assets:
    """Read every file, in the order of their names. Raises AssetError for a key or a name that nothing has."""
    folder = folder or assets_folder()
    parts = {part: _read_folder(folder / part) for part in ("databases", "datasets", "charts", "dashboards")}
    styles = {path.name: path.read_text(encoding="utf-8") for path in sorted((folder / "dashboards").glob("*.css"))}
    assets = Assets(
        **parts, styles=styles, filters=_read(folder / "filters.yaml"), defaults=_read(folder / "defaults.yaml")
    )
    for part, wanted in KEYS.items():
        for name, config in parts[part].items():
            _check_keys(f"{part}/{name}.yaml", config, wanted, NEEDED[part])
    _check_names(assets)
    return assets


def lookup(where: str, kind: str, name: str, known: Iterable[str]) -> str:
    """The name, when there is one of that kind. Raises AssetError with the file that asks for it."""
    names = sorted(known)
    if name not in names:
        raise AssetError(f"{where}: there is no {kind} {name!r}; there are: {', '.join(names)}")
    return name


def styles_of(dashboard: Config) -> list[str]:
    """The names of a dashboard's styles: `css` is one, or a list."""
    css = dashboard.get("css", [])
    return css if isinstance(css, list) else [css]


def dashboard_slug(name: str) -> str:
    """The last part of a dashboard's address: the file's name with dashes."""
    return name.replace("_", "-")


def _read(path: Path) -> Config:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise AssetError(f"{path.name}: expected keys and values")
    return content


def _read_folder(folder: Path) -> dict[str, Config]:
    return {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}


def _check_keys(where: str, config: Config, known: set[str], needed: set[str]) -> None:
    if unknown := sorted(set(config) - known):
        raise AssetError(f"{where}: unknown key {', '.join(unknown)}; known are: {', '.join(sorted(known))}")
    if missing := sorted(needed - set(config)):
        raise AssetError(f"{where}: {', '.join(missing)} is missing")


def _check_names(assets: Assets) -> None:
    for name, chart in assets.charts.items():
        lookup(f"charts/{name}.yaml", "dataset", chart["dataset"], assets.datasets)
    for name, dashboard in assets.dashboards.items():
        where = f"dashboards/{name}.yaml"
        for wanted in dashboard.get("filters", []):
            lookup(where, "filter", wanted, assets.filters)
        for style in styles_of(dashboard):
            lookup(where, "style", style, assets.styles)
    landing = [name for name, dashboard in assets.dashboards.items() if dashboard.get("landing")]
    if len(landing) != 1:
        raise AssetError(f"exactly one dashboard needs `landing: true`, where people start; now: {', '.join(landing)}")
