"""A record that normalise cannot type becomes a reject with a reason; everything else is typed and published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import StepResult, run_stage
from tests.support.world import World, run

GOOD = {
    "fullDatabaseId": 7,
    "number": 13,
    "title": "Change",
    "headRefName": "work",
    "state": "OPEN",
    "url": "https://github.com/acme/shop/pull/13",
    "baseRefName": "main",
    "createdAt": "2026-02-02T09:00:00Z",
    "updatedAt": "2026-02-02T09:00:00Z",
    "commits": [{"oid": "a1", "committedDate": "2026-02-02T08:00:00Z"}],
    "reviews": [],
}


def store(world: World, table: str, record_id: str, scope: str, payload: dict[str, Any]) -> None:
    """A raw record, as an extraction would have stored it."""
    integration = world.jira if table.startswith("jira") else world.github
    run(
        world,
        f"insert into raw.{table} (client_id, integration_id, record_id, scope_key, payload, payload_hash)"
        " values (%s, %s, %s, %s, %s, '')",
        world.client_id,
        integration,
        record_id,
        scope,
        json.dumps(payload),
    )


def raw_rows(world: World, query: str) -> list[tuple[Any, ...]]:
    """Rows as the ETL sees them."""
    with client_transaction(world.conn, world.client_id):
        return list(world.conn.execute(query.encode()).fetchall())


def normalise(world: World) -> list[StepResult]:
    return run_stage(world.conn, world.client_id, "normalise")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("number", 2**31, "number: "),
        ("number", "3.0", "number: "),
        ("state", "locked", "pull_requests_state_check"),
        ("createdAt", "2026-W05", "created_at, ready_at: "),
        ("url", "https://x/" + "长" * 3000, "url"),
        ("additions", [1], "additions: "),
        ("isDraft", "perhaps", "is_draft"),
        ("mergedAt", "soon", "merged_at"),
        ("commits", {"nodes": []}, "cannot"),
        ("reviews", "none", "cannot"),
        ("fullDatabaseId", None, '"id"'),
        ("fullDatabaseId", 10**30, "id"),
    ],
    ids=lambda value: str(value)[:20] if value != "" else "",
)
def test_one_odd_field_rejects_its_record_alone(world: World, field: str, value: Any, reason: str) -> None:
    shop = str(world.repository())
    for number in range(1, 20):
        url = f"https://github.com/acme/shop/pull/{number}"
        store(world, "github_pull_requests", f"PR_{number}", shop, GOOD | {"fullDatabaseId": number, "url": url})
    store(world, "github_pull_requests", "PR_odd", shop, GOOD | {"fullDatabaseId": 100, field: value})
    steps = normalise(world)
    assert sum(step.rejected for step in steps) == 1
    assert world.rows("select count(*) from core.github_pull_requests") == [(19,)]
    ((record, why, stored),) = raw_rows(world, "select record_id, reason, is_stored_form from raw.rejects")
    assert (record, stored) == ("PR_odd", True)
    assert why.startswith("staging/github/pull_request")
    assert reason in why
    assert raw_rows(world, "select count(*) from raw.github_pull_requests") == [(19,)]
    assert sum(step.rejected for step in normalise(world)) == 0


def test_many_odd_records_of_several_tables_are_found(world: World) -> None:
    shop = str(world.repository())
    for number in range(1, 120):
        odd = {"number": "x"} if number % 10 == 0 else {}
        store(world, "github_pull_requests", f"PR_{number}", shop, GOOD | {"fullDatabaseId": number} | odd)
    store(world, "github_deployments", "D_1", shop, {"databaseId": 1, "state": "ACTIVE", "createdAt": "never"})
    store(
        world, "github_releases", "R_1", shop, {"databaseId": 2, "tagName": "v1", "url": "u", "createdAt": "2026-02-01"}
    )
    store(
        world, "jira_issues", "1", "1", {"id": "1", "key": "OPS-1", "fields": {"project": {"id": "1"}, "created": "?"}}
    )
    assert sum(step.rejected for step in normalise(world)) == 13
    assert world.rows("select count(*) from core.github_pull_requests") == [(108,)]
    assert world.rows("select count(*) from core.github_releases") == [(1,)]


def test_what_a_record_gave_before_stays(world: World) -> None:
    shop = str(world.repository())
    store(world, "github_pull_requests", "PR_7", shop, GOOD)
    normalise(world)
    run(
        world,
        "update raw.github_pull_requests set loaded_xid = pg_current_xact_id(),"
        ' payload = payload || \'{"createdAt": "?"}\'',
    )
    normalise(world)
    assert world.rows("select title from core.github_pull_requests") == [("Change",)]
    assert raw_rows(world, "select count(*) from raw.rejects where replayed_at is null") == [(1,)]


def test_two_records_of_one_key_do_not_stop_the_others(world: World) -> None:
    """Each can be typed alone; the later one goes."""
    shop = str(world.repository())
    for number in range(1, 8):
        store(world, "github_pull_requests", f"PR_{number}", shop, GOOD | {"fullDatabaseId": max(number, 2)})
    assert sum(step.rejected for step in normalise(world)) == 1
    assert world.rows("select count(*) from core.github_pull_requests") == [(6,)]


def store_history(world: World, *commits: tuple[str, list[str | None]]) -> None:
    """A repository with these commits (sha, parents), the first of which is the head of its default branch."""
    shop = str(world.repository())
    head = {"databaseId": int(shop), "defaultBranchRef": {"name": "main", "target": {"oid": commits[0][0]}}}
    store(world, "github_repositories", shop, shop, {**head, "nameWithOwner": "acme/shop", "url": "u", "id": "R"})
    for sha, parents in commits:
        record = {"oid": sha, "parents": parents, "committedDate": "2026-02-02T08:00:00Z"}
        store(world, "github_commits", f"{shop}:{sha}", shop, record)


def test_a_commit_without_the_name_of_a_parent_is_set_aside(world: World) -> None:
    """The walk over the merges would not end."""
    store_history(world, ("c", ["b", None]), ("b", ["a"]), ("a", []))
    assert sum(step.rejected for step in normalise(world)) == 1
    assert world.rows("select sha from core.github_commits order by 1") == [("a",), ("b",)]


def test_a_history_in_a_circle_ends(world: World) -> None:
    store_history(world, ("c", ["b", "x"]), ("b", ["a"]), ("a", ["c"]), ("x", ["y"]), ("y", ["x", "c"]))
    assert sum(step.rejected for step in normalise(world)) == 0
    assert world.rows("select count(*), count(position) from core.github_commits") == [(5, 5)]
