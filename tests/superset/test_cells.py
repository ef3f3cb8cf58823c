"""Every cell of every table, in a world that is full of gaps: where nothing is wrong or known, it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pulse.superset.assets import ViewColumn, load
from pulse.superset.assets.charts import chart_params
from pulse.superset.assets.datasets import dataset_config
from tests.support.database import TestDatabase
from tests.support.world import World, at, steady

ASSETS = load()
TABLES = {name: chart for name, chart in ASSETS.charts.items() if chart["viz_type"] == "table"}
NOW = at("2026-02-20 12:00")
NUMBERS = {"smallint", "integer", "bigint", "numeric", "double precision", "real"}


@pytest.fixture
def gaps(db: TestDatabase) -> World:
    """A company with an incident of no service, a change that waits, a plan without a date, a task that failed without a word."""
    world = World(db, minimum_sample=5)
    shop = steady(world)
    world.change(shop, "waits", at("2026-02-19 09:00"))
    world.change(shop, "made", at("2026-02-19 10:00"), author_login="copilot-swe-agent[bot]", author_is_bot=True)
    world.insert(
        "core.github_pull_requests",
        **{
            "integration_id": world.github,
            "id": 1,
            "repository_id": shop,
            "number": 1,
            "title": "Open",
            "state": "open",
        },
        **{"url": "https://github.com/acme/x/pull/1", "base_branch": "main", "author_login": "ada"},
        **{"created_at": NOW - timedelta(days=3), "ready_at": NOW - timedelta(days=3), "updated_at": NOW},
    )
    world.deploy(shop, "shop-9", at("2026-02-12 09:00"))
    world.incident(at("2026-02-10 10:20"), at("2026-02-10 12:00"))
    world.incident(at("2026-02-15 10:20"), component="nobody's")
    world.insert("core.jira_statuses", integration_id=world.jira, id="3", name="Doing", category="indeterminate")
    for identity, kind, parent in ((1, "Epic", None), (2, "Story", "OPS-1")):
        world.insert(
            "core.jira_issues",
            **{
                "integration_id": world.jira,
                "id": identity,
                "project_id": 1,
                "key": f"OPS-{identity}",
                "summary": "Item",
            },
            **{"url": f"https://jira.example/{identity}", "issue_type": kind, "status": "Doing", "parent_key": parent},
            **{"status_category": "indeterminate", "created_at": NOW, "updated_at": NOW},
        )
    world.insert(
        "core.jira_issue_changes",
        **{"integration_id": world.jira, "issue_id": 2, "history_id": 1, "item_index": 0, "field": "status"},
        **{"from_id": "1", "to_id": "3", "created_at": NOW - timedelta(days=2)},
    )
    world.compute(NOW)
    # A late record changes a week that was published.
    world.change(shop, "late", at("2026-02-05 09:30"))
    world.deploy(shop, "late", at("2026-02-05 10:30"))
    world.compute(NOW + timedelta(days=1))
    world.insert(
        "core.etl_runs",
        **{"integration_id": world.github, "dag_run_id": "r", "task_id": "load", "state": "failed"},
        **{"started_at": datetime.now(UTC), "finished_at": datetime.now(UTC)},
    )
    return world


def test_no_cell_of_a_table_is_empty(gaps: World) -> None:
    """Words: never nothing. Numbers: with a format, for thousands and decimals; an unknown one is a dash."""
    gaps.db.wait_replica()
    staff = gaps.db.connect("pulse_staff", replica=True)
    for name, chart in TABLES.items():
        view = chart["dataset"]
        rows = staff.execute(
            "select column_name, upper(data_type) from information_schema.columns"
            " where table_schema = 'report' and table_name = %s",
            [view],
        )
        config = dataset_config(view, ASSETS.datasets[view], [ViewColumn(*row) for row in rows], ASSETS.defaults)
        found = {
            column["column_name"]: column.get("expression") or column["column_name"] for column in config["columns"]
        }
        params = chart_params(name, chart, ASSETS.defaults)
        columns = params["all_columns"]
        told = ", ".join(f"{found[column]} as {column}" for column in columns)
        kinds = ", ".join(f"pg_typeof({column})::text" for column in columns)
        filters = " and ".join(f"{column} = {value!r}" for column, _, value in _equals(chart)) or "true"
        cells = staff.execute(
            f"select {kinds}, * from (select {told} from report.{view} where {filters}) x"  # type: ignore[arg-type]
        ).fetchall()
        assert cells, f"{name}: this world has no row for it"
        for row in cells:
            for column, kind, value in zip(columns, row, row[len(columns) :], strict=False):
                if kind in NUMBERS:
                    assert "d3NumberFormat" in params.get("column_config", {}).get(column, {}), f"{name}.{column}"
                else:
                    assert value not in (None, ""), f"{name}.{column} says nothing: {row}"


def _equals(chart: dict[str, list[list[str]]]) -> list[list[str]]:
    return [condition for condition in chart.get("filters", []) if condition[1] == "==" and condition[2] is not True]
