"""A dashboard: its tabs, rows and charts as Superset's tree of nodes, and its filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pulse.superset.assets.files import AssetError, Assets, Config, dashboard_slug, lookup, styles_of
from pulse.superset.assets.filters import filter_config
from pulse.superset.assets.ids import Ids

GRID_WIDTH = 12
HEIGHT = 44  # of a row; one unit is 8 pixels


def dashboard_config(name: str, assets: Assets, columns: Mapping[str, set[str]], ids: Ids) -> Config:
    """Superset's form of a dashboard, without its UUID.

    `columns`: those of each dataset. Raises AssetError for a layout that cannot be built.
    """
    spec = assets.dashboards[name]
    layout = _Layout(f"dashboards/{name}.yaml", assets, ids)
    layout.add_tabs(spec["tabs"])
    filters = [filter_config(wanted, assets, layout.charts, columns, ids) for wanted in spec.get("filters", [])]
    return {
        "dashboard_title": spec["title"],
        "description": spec.get("description"),
        "css": "\n".join(assets.styles[style] for style in styles_of(spec)),
        "slug": dashboard_slug(name),
        **assets.defaults["dashboard"],
        "position": layout.position(spec["title"]),
        "metadata": {**assets.defaults["metadata"], "native_filter_configuration": filters},
    }


class _Layout:
    """Superset's tree of nodes, from root to charts; each node names its children and all that it is in."""

    def __init__(self, where: str, assets: Assets, ids: Ids) -> None:
        self.charts: dict[str, int] = {}  # the charts shown, and their numbers in the bundle
        self._where = where
        self._assets = assets
        self._ids = ids
        self._numbers = {chart: number for number, chart in enumerate(assets.charts, start=1)}
        self._nodes: dict[str, Config] = {"ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": []}}

    def position(self, title: str) -> Config:
        """The tree, and the extra nodes that Superset needs."""
        return {
            "DASHBOARD_VERSION_KEY": "v2",
            "GRID_ID": {"id": "GRID_ID", "type": "GRID", "children": []},
            "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": title}},
            **self._nodes,
        }

    def add_tabs(self, tabs: Iterable[Config]) -> None:
        """All tabs with their rows. Raises AssetError."""
        self._add("ROOT_ID", "TABS", "main", {})
        for tab in tabs:
            meta = {"text": tab["title"], "defaultText": "Tab title", "placeholder": "Tab title"}
            tab_id = self._add("TABS-main", "TAB", tab["title"], meta)
            for row in tab["rows"]:
                if isinstance(row, dict):
                    meta = {
                        "text": row["heading"],
                        "headerSize": "MEDIUM_HEADER",
                        "background": "BACKGROUND_TRANSPARENT",
                    }
                    self._add(tab_id, "HEADER", row["heading"], meta)
                else:
                    self._add_row(tab_id, row, tab.get("height", HEIGHT))

    def _add_row(self, tab_id: str, row: list[str | Config], height: int) -> None:
        cells = [cell if isinstance(cell, dict) else {"chart": cell} for cell in row]
        widths = self._widths(cells)
        row_id = self._add(tab_id, "ROW", cells[0]["chart"], {"background": "BACKGROUND_TRANSPARENT"})
        for cell, width in zip(cells, widths, strict=True):
            chart = lookup(self._where, "chart", cell["chart"], self._assets.charts)
            self.charts[chart] = self._numbers[chart]
            meta = {
                "chartId": self._numbers[chart],
                "uuid": self._ids.of("chart", chart),
                "sliceName": self._assets.charts[chart]["title"],
                "width": width,
                "height": cell.get("height", height),
            }
            self._add(row_id, "CHART", chart, meta)

    def _widths(self, cells: list[Config]) -> list[int]:
        """The widths of a row's charts: those without one share what the others leave. Raises AssetError."""
        given = [cell["width"] for cell in cells if "width" in cell]
        share = (GRID_WIDTH - sum(given)) // max(len(cells) - len(given), 1)
        widths = [cell.get("width", share) for cell in cells]
        if share < 0 or min(widths) < 1:
            row = ", ".join(cell["chart"] for cell in cells)
            raise AssetError(f"{self._where}: the row of {row} is wider than {GRID_WIDTH}")
        return widths

    def _add(self, parent_id: str, kind: str, name: str, meta: dict[str, Any]) -> str:
        """A node below another; its id. Raises AssetError when the dashboard already has one of this kind and name."""
        node_id = f"{kind}-{dashboard_slug(name.lower().replace(' ', '-'))}"
        if node_id in self._nodes:
            raise AssetError(f"{self._where}: {name!r} is there twice")
        parent = self._nodes[parent_id]
        parent["children"].append(node_id)
        parents = [*parent.get("parents", []), parent_id]
        self._nodes[node_id] = {"id": node_id, "type": kind, "children": [], "parents": parents, "meta": meta}
        return node_id
