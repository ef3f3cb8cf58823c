"""What Superset already has: columns of the views, assets of an earlier import and what of them is retired."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulse.superset.api import SupersetApi, SupersetError, decoded, path_segment
from pulse.superset.assets import HASH_KEY, NAME_KEY, Assets, Ids, ViewColumn, dashboard_slug


def view_columns(api: SupersetApi, database: str, views: Iterable[str]) -> dict[str, list[ViewColumn]]:
    """The columns of these views of schema report, as Superset's database of this name has them.

    Raises SupersetError, also for a view that does not exist there (yet).
    """
    row = api.find("database/", "database_name", database)
    if row is None:
        raise SupersetError(f"Superset has no database {database}")
    path = f"database/{row['id']}/table_metadata/"
    return {
        view: [
            ViewColumn(column["name"], column["type"].replace("_", " "), column["comment"])
            for column in api.get(path, name=view, schema="report")["columns"]
        ]
        for view in views
    }


def imported_hash(api: SupersetApi, slug: str) -> str | None:
    """The hash of the assets that brought the dashboard of this slug; None when it is not there or by someone else."""
    row = api.find("dashboard/", "slug", slug)
    if row is None:
        return None
    metadata = api.get(f"dashboard/{path_segment(str(row['id']))}")["result"]["json_metadata"]
    value = decoded(metadata).get(HASH_KEY)
    return str(value) if value else None


def known_ids(api: SupersetApi, assets: Assets) -> Ids:
    """UUIDs of the dashboards and charts that are there already: an import then changes them and adds no others.

    Datasets need none: Superset finds them by their table.
    """
    slugs = {dashboard_slug(name): name for name in assets.dashboards}
    dashboards = [row for row in api.every("dashboard/") if row["slug"] in slugs]
    known = {("dashboard", slugs[row["slug"]]): str(row["uuid"]) for row in dashboards}
    return Ids(known | _known_charts(api, assets, {row["id"] for row in dashboards}))


def remove_retired(api: SupersetApi, assets: Assets) -> None:
    """Delete dashboards and charts that an earlier version of the assets made and this one no longer has.

    A chart that somebody put on a dashboard of their own stays.
    """
    slugs = {dashboard_slug(name) for name in assets.dashboards}
    for row in list(api.every("dashboard/")):
        if row["slug"] not in slugs and imported_hash(api, str(row["slug"])) is not None:
            api.delete(f"dashboard/{row['id']}")
    for row in list(api.every("chart/")):
        name = decoded(row["params"]).get(NAME_KEY)
        if name is not None and name not in assets.charts and not row["dashboards"]:
            api.delete(f"chart/{row['id']}")


def _known_charts(api: SupersetApi, assets: Assets, dashboard_ids: set[int]) -> dict[tuple[str, str], str]:
    """By the name that a chart carries; those of imports that gave none, by title and dashboard."""
    titles = {chart["title"]: name for name, chart in assets.charts.items()}
    by_title: dict[tuple[str, str], str] = {}
    by_name: dict[tuple[str, str], str] = {}
    # Of copies that somebody made, the first chart is the one from here.
    rows: list[dict[str, Any]] = sorted(api.every("chart/"), key=lambda row: -int(row["id"]))
    for row in rows:
        name = decoded(row["params"]).get(NAME_KEY)
        if name in assets.charts:
            by_name["chart", name] = str(row["uuid"])
        elif row["slice_name"] in titles and any(board["id"] in dashboard_ids for board in row["dashboards"]):
            by_title["chart", titles[row["slice_name"]]] = str(row["uuid"])
    return by_title | by_name
