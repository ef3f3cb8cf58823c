"""Flow metrics worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.database import TestDatabase
from tests.work.board import CLOSED, DONE, OPEN, PROGRESS, REVIEW, Board, at

TIMES = ("started_at", "done_at", "cycle_time_hours", "lead_time_hours", "reopened_count")


@pytest.fixture
def board(db: TestDatabase) -> Board:
    return Board(db)


def times_in_status(board: Board, issue: int) -> dict[str, tuple[object, ...]]:
    found = board.rows(
        "select status, hours, visits, entered_at from core.work_status_times where work_item_id = %s",
        f"jira:{board.jira}:{issue}",
    )
    return {row[0]: row[1:] for row in found}


def sprint(board: Board, identity: int, *columns: str) -> tuple[object, ...]:
    return board.rows(f"select {', '.join(columns)} from report.work_sprints where sprint_id = %s", identity)[0]


def test_an_item_is_started_with_its_first_progress_and_done_with_its_first_done(board: Board) -> None:
    issue = board.issue(
        "2026-03-02 08:00",
        ("2026-03-03 08:00", OPEN, PROGRESS),
        ("2026-03-03 20:00", PROGRESS, REVIEW),
        ("2026-03-04 08:00", REVIEW, DONE),
        ("2026-03-06 08:00", DONE, CLOSED),
    )
    board.compute()
    assert board.item(issue, *TIMES) == (at("2026-03-03 08:00"), at("2026-03-04 08:00"), 24, 48, 0)
    assert board.item(issue, "is_in_progress", "was_reopened", "lead_time_text") == (False, False, "2.0 days")


def test_a_reopened_item_is_done_after_its_last_reopening(board: Board) -> None:
    issue = board.issue(
        "2026-03-02 08:00",
        ("2026-03-02 09:00", OPEN, PROGRESS),
        ("2026-03-02 12:00", PROGRESS, DONE),
        ("2026-03-03 12:00", DONE, PROGRESS),
        ("2026-03-03 15:00", PROGRESS, DONE),
        ("2026-03-04 09:00", DONE, OPEN),
        ("2026-03-04 10:00", OPEN, CLOSED),
        ("2026-03-05 10:00", CLOSED, DONE),
    )
    still_open = board.issue("2026-03-02 08:00", ("2026-03-02 12:00", OPEN, DONE), ("2026-03-03 12:00", DONE, OPEN))
    board.compute()
    assert board.item(issue, *TIMES) == (at("2026-03-02 09:00"), at("2026-03-04 10:00"), 49, 50, 2)
    assert board.item(still_open, *TIMES) == (at("2026-03-02 12:00"), None, None, None, 1)
    month = board.metric("reopened_share", "month", "2026-03-04")
    assert (month["numerator"], month["denominator"], month["metric_value"]) == (1, 1, 1.0)


def test_an_item_that_skipped_progress_starts_when_it_is_done(board: Board) -> None:
    skipped = board.issue("2026-03-02 08:00", ("2026-03-02 12:00", OPEN, DONE))
    created_in_progress = board.issue("2026-03-02 08:00", ("2026-03-02 12:00", PROGRESS, DONE))
    board.compute()
    assert board.item(skipped, *TIMES) == (at("2026-03-02 12:00"), at("2026-03-02 12:00"), None, 4, 0)
    assert board.item(created_in_progress, *TIMES)[:3] == (at("2026-03-02 08:00"), at("2026-03-02 12:00"), 4)


def test_without_a_changelog_the_resolution_date_counts(board: Board) -> None:
    done = {"status": "Done", "status_category": "done"}
    resolved = board.issue("2026-03-02 08:00", resolution_at=at("2026-03-03 08:00"), **done)
    unknown = board.issue("2026-03-02 08:00", **done)
    impossible = board.issue("2026-03-02 08:00", resolution_at=at("2026-03-01 08:00"), **done)
    board.compute()
    assert board.item(resolved, *TIMES) == (at("2026-03-03 08:00"), at("2026-03-03 08:00"), None, 24, 0)
    assert board.item(unknown, *TIMES)[:4] == (None, None, None, None)
    assert board.item(impossible, "lead_time_hours") == (None,)
    assert board.metric("lead_time", "week", "2026-03-03")["sample_size"] == 1
    assert board.value("work_in_progress", "week", "2026-03-04") == 0


def test_the_time_in_its_statuses_adds_up_to_the_lead_time(board: Board) -> None:
    issue = board.issue(
        "2026-03-02 08:00",
        ("2026-03-02 10:00", OPEN, PROGRESS),
        ("2026-03-02 13:00", PROGRESS, REVIEW),
        ("2026-03-02 14:00", REVIEW, PROGRESS),
        ("2026-03-02 18:00", PROGRESS, DONE),
        ("2026-03-03 18:00", DONE, OPEN),
        ("2026-03-03 19:00", OPEN, DONE),
    )
    open_one = board.issue(
        "2026-03-02 08:00", ("2026-03-02 10:00", OPEN, PROGRESS), ("2026-03-02 11:00", PROGRESS, OPEN)
    )
    board.compute()
    spent = times_in_status(board, issue)
    assert spent == {
        "Open": (3, 2, None),
        "In Progress": (7, 2, None),
        "In Review": (1, 1, None),
        "Done": (24, 2, at("2026-03-03 19:00")),
    }
    assert board.item(issue, "lead_time_hours") == (35,)
    assert times_in_status(board, open_one) == {
        "Open": (2, 2, at("2026-03-02 11:00")),
        "In Progress": (1, 1, None),
    }
    board.move(open_one, "2026-03-02 12:00", OPEN, REVIEW)
    board.compute()
    assert times_in_status(board, open_one)["In Review"] == (None, 1, at("2026-03-02 12:00"))


def test_time_in_status_is_the_median_of_items_done_in_90_days(board: Board) -> None:
    board.issue("2025-12-01 00:00", ("2025-12-02 00:00", OPEN, PROGRESS), ("2025-12-31 00:00", PROGRESS, DONE))
    for day, hours in ((1, 2), (2, 4), (3, 9)):
        board.issue(
            f"2026-01-0{day} 00:00",
            (f"2026-01-0{day} 01:00", OPEN, PROGRESS),
            (f"2026-01-0{day} {1 + hours:02}:00", PROGRESS, DONE),
            project="WEB",
        )
    board.compute()  # 90 days that end on 31 March begin on 1 January
    query = (
        "select status, median_hours, p90_hours, total_hours, time_share, sample_size from report.work_time_in_status"
    )
    client = board.rows(f"{query} where scope_type = 'client' order by status_order")
    assert client == [("Open", 1, 1, 3, pytest.approx(3 / 18), 3), ("In Progress", 4, 8, 15, pytest.approx(15 / 18), 3)]
    assert board.rows(f"{query} where scope_id = 'WEB' order by status_order") == client
    board.compute("2026-04-02 12:00")  # now from 3 January on
    assert board.rows(f"{query} where scope_type = 'client' and status = 'In Progress'")[0][1] == 9
    board.compute("2026-05-02 12:00")
    assert board.rows(query) == []


def test_work_in_progress_at_the_end_of_periods(board: Board) -> None:
    board.issue("2026-03-02 08:00", ("2026-03-03 08:00", OPEN, PROGRESS), ("2026-03-11 08:00", PROGRESS, DONE))
    board.issue("2026-03-02 08:00", ("2026-03-08 23:59", OPEN, PROGRESS), project="WEB")
    board.issue("2026-03-02 08:00", ("2026-03-09 00:00", OPEN, PROGRESS), ("2026-03-30 08:00", PROGRESS, DONE))
    board.issue("2026-03-02 08:00")
    board.compute()
    weeks = ("2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30")
    assert [board.value("work_in_progress", "week", day) for day in weeks] == [2, 2, 2, 2, 1]
    assert [board.value("work_in_progress", "week", day, "WEB") for day in weeks] == [1, 1, 1, 1, 1]
    assert board.value("work_in_progress", "month", "2026-03-01") == 1
    assert board.metric("work_in_progress", "week", "2026-03-30")["is_partial"] is True
    assert board.metric("work_in_progress", "week", "2026-03-09")["is_partial"] is False
    assert board.metric("work_in_progress", "month", "2026-03-01")["is_partial"] is True
    assert [board.value("throughput", "week", day) for day in weeks] == [0, 1, 0, 0, 1]
    assert board.value("throughput", "rolling_30d", "2026-03-31") == 2
    in_progress = "select count(*) from report.work_items where is_in_progress"
    assert board.rows(in_progress) == [(1,)]


def test_days_and_hours_across_a_change_of_the_clocks(db: TestDatabase) -> None:
    """In Berlin, 29 March 2026 has 23 hours. Hours are elapsed hours; days are the client's."""
    board = Board(db, "Europe/Berlin")
    issue = board.issue("2026-03-28 22:30", ("2026-03-28 23:30", OPEN, PROGRESS), ("2026-03-29 22:30", PROGRESS, DONE))
    board.compute()
    days = ("created_on", "started_on", "done_on")
    assert board.item(issue, *days) == (date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30))
    assert board.item(issue, "cycle_time_hours", "lead_time_hours") == (23, 24)
    assert board.value("throughput", "week", "2026-03-30") == 1
    assert board.value("work_in_progress", "week", "2026-03-29") == 1


def test_percentiles_interpolate_and_shares_divide(board: Board) -> None:
    for hours, kind in ((1, "Bug"), (2, "Story"), (3, "Sub-defect"), (4, "Debugging")):
        board.issue(
            "2026-03-02 08:00",
            ("2026-03-02 09:00", OPEN, PROGRESS),
            (f"2026-03-02 {9 + hours:02}:00", PROGRESS, DONE),
            kind=kind,
        )
    board.compute()
    cycle = board.metric("cycle_time", "week", "2026-03-02")
    assert (cycle["metric_value"], cycle["p75"], cycle["p90"]) == (2.5, None, None), "a P75 needs 8 items, a P90 20"
    (stored,) = board.rows(
        "select p75, p90 from core.dora_metrics where (metric_type, grain, scope_type) = ('cycle_time', 'week', 'client')"
        " and sample_size > 0"
    )
    assert stored == (3.25, pytest.approx(3.7))
    assert board.metric("lead_time", "week", "2026-03-02")["p50"] == 3.5
    bugs = board.metric("bug_share", "month", "2026-03-02", "OPS")
    assert (bugs["numerator"], bugs["denominator"], bugs["metric_value"]) == (2, 4, 0.5)
    assert board.rows(
        "select display_value, display_unit, display_text from report.work_metrics"
        " where metric_type = 'bug_share' and grain = 'week' and scope_type = 'client' and sample_size > 0"
    ) == [(50.0, "%", "50.0 %")]


def test_incident_load_is_incidents_per_item_created(board: Board) -> None:
    issues = [board.issue("2026-03-02 08:00") for _ in range(3)]
    with_incident = board.issue("2026-03-09 08:00", kind="Incident")
    board.write(
        "insert into core.incidents (client_id, id, integration_id, source, key, title, created_at)"
        " values (%s, %s, %s, 'jira', 'OPS-1', 'Down', %s) on conflict do nothing",
        board.client_id,
        f"jira:{board.jira}:{with_incident}",
        board.jira,
        at("2026-03-09 08:00"),
    )
    board.compute()
    assert [board.item(one, "is_incident") for one in (issues[0], with_incident)] == [(False,), (True,)]
    assert board.value("incident_load", "month", "2026-03-02") == 0.25
    assert [board.value("incident_load", "week", day) for day in ("2026-03-02", "2026-03-09")] == [0, 1]
    assert board.metric("incident_load", "week", "2026-03-16")["null_reason"] == "no_data"
    board.update("core.jira_issues", with_incident, issue_type="Story")
    board.write("delete from core.incidents")
    board.compute()
    assert board.value("incident_load", "month", "2026-03-02") == 0


def test_too_few_items_give_no_median_and_no_share(db: TestDatabase) -> None:
    board = Board(db, minimum_sample=3)
    done = (("2026-03-02 09:00", OPEN, PROGRESS), ("2026-03-02 11:00", PROGRESS, DONE))
    for _ in range(2):
        board.issue("2026-03-02 08:00", *done)
    board.compute()
    for name in ("cycle_time", "lead_time", "reopened_share", "bug_share", "incident_load"):
        week = board.metric(name, "week", "2026-03-02")
        assert (week["metric_value"], week["null_reason"], week["sample_size"]) == (None, "below_minimum_sample", 2)
        assert (week["p50"], week["p75"], week["p90"]) == (None, None, None)
        assert board.metric(name, "week", "2026-03-09")["null_reason"] == "no_data"
    assert board.value("throughput", "week", "2026-03-02") == 2
    assert board.value("throughput", "week", "2026-03-09") == 0
    reasons = board.rows("select distinct median_hours, null_reason from report.work_time_in_status")
    assert reasons == [(None, "below_minimum_sample")]
    board.issue("2026-03-02 08:00", *done)
    board.compute()
    assert board.value("cycle_time", "week", "2026-03-02") == 2
    assert board.rows("select distinct null_reason from report.work_time_in_status") == [(None,)]


def test_a_service_is_found_by_component_or_label(board: Board) -> None:
    custom = board.db.add_integration(board.client_id, "http_json")
    by_label = board.issue("2026-03-02 08:00", labels=["SHOP"])
    by_component = board.issue("2026-03-02 08:00", components=["Pay"], labels=["other"])
    none = board.issue("2026-03-02 08:00", labels=["search"])
    board.compute()
    assert board.item(by_label, "service_name") == (None,)
    for name in ("shop", "pay"):
        board.write(
            "insert into core.custom_deployments (client_id, integration_id, id, service, environment, result,"
            " created_at, finished_at) values (%s, %s, %s, %s, 'production', 'success', %s, %s)",
            board.client_id,
            custom,
            name,
            name,
            at("2026-03-03 08:00"),
            at("2026-03-03 09:00"),
        )
    board.compute()  # no issue was written, but the services have changed
    names = [board.item(one, "service_name") for one in (by_label, by_component, none)]
    assert names == [("shop",), ("pay",), (None,)]


def test_a_sprint_counts_what_was_planned_added_removed_and_completed(board: Board) -> None:
    """'38, 40' names every sprint an issue was in: those carried over stay in the closed one."""
    board.sprint(38, "closed", "2026-03-02 08:00", "2026-03-16 08:00")
    board.sprint(40, "active", "2026-03-16 09:00")
    board.sprint(41, "future", None)

    def issue(*moves: tuple[str, str, str], points: float | None = None, sprints: tuple[int, ...] = (38,)) -> int:
        return board.issue("2026-02-20 08:00", *moves, points=points, sprints=sprints)

    planned = issue(("2026-03-10 08:00", OPEN, DONE), points=5)
    board.change(planned, "2026-03-01 08:00", "Sprint", "", "38")
    board.change(planned, "2026-03-05 08:00", "Story Points", "3", "5")
    carried = issue(points=2, sprints=(38, 40))
    board.change(carried, "2026-03-01 08:00", "Sprint", None, "38")
    board.change(carried, "2026-03-16 08:00", "Sprint", "38", "38, 40")
    added = issue(("2026-03-15 08:00", OPEN, DONE), points=1)
    board.change(added, "2026-03-04 08:00", "Sprint", "", "38")
    created_in_it = board.issue("2026-03-06 08:00", points=8, sprints=(38, 40))
    board.change(created_in_it, "2026-03-16 08:00", "Sprint", "38", "38, 40")
    removed = issue(points=13, sprints=(41,))
    board.change(removed, "2026-03-01 08:00", "Sprint", "", "38")
    board.change(removed, "2026-03-09 08:00", "Sprint", "38", "41")
    done_before = issue(("2026-02-27 08:00", OPEN, DONE), points=1)
    board.change(done_before, "2026-03-01 08:00", "Sprint", "", "38")
    done_after = issue(("2026-03-17 08:00", OPEN, DONE), points=1)
    board.change(done_after, "2026-03-01 08:00", "Sprint", "", "38")
    left_before = issue(sprints=())
    board.change(left_before, "2026-02-27 08:00", "Sprint", "", "38")
    board.change(left_before, "2026-03-01 08:00", "Sprint", "38", "")
    came_after = issue()
    board.change(came_after, "2026-03-17 08:00", "Sprint", "", "38")
    board.compute()

    counts = ("planned_items", "added_items", "removed_items", "completed_items", "completed_planned_items")
    points = ("planned_points", "added_points", "removed_points", "completed_points")
    assert sprint(board, 38, *counts) == (4, 2, 1, 2, 1)
    assert sprint(board, 38, *points) == (19, 9, 13, 6)
    assert sprint(board, 38, "completion_ratio", "null_reason") == (0.25, None)
    assert sprint(board, 40, *counts, "completion_ratio") == (2, 0, 0, 0, 0, 0.0)
    assert sprint(board, 41, *counts, "null_reason") == (*[None] * 5, "not_started")
    assert board.rows(
        "select work_item_id from report.work_sprint_items where sprint_id = 38 and is_completed order by 1"
    ) == [(f"jira:{board.jira}:{one}",) for one in (planned, added)]

    # Sprint 40 is closed and 41 starts; that writes nothing into the issues.
    board.move(carried, "2026-03-20 08:00", OPEN, DONE)
    board.update("core.jira_sprints", 40, state="closed", completed_at=at("2026-03-30 09:00"))
    board.update("core.jira_sprints", 41, state="active", started_at=at("2026-03-30 10:00"))
    board.compute()
    assert sprint(board, 40, *counts, "completion_ratio") == (2, 0, 0, 1, 1, 0.5)
    assert sprint(board, 41, *counts) == (1, 0, 0, 0, 0)
    board.update("core.jira_sprints", 41, started_at=at("2026-03-09 07:00"))
    board.compute()
    assert sprint(board, 41, *counts, "null_reason") == (0, 1, 0, 0, 0, "nothing_planned")
    board.update("core.jira_sprints", 41, deleted_at=at("2026-03-30 09:00"))
    board.compute()
    assert board.rows("select count(*) from report.work_sprints") == [(2,)]
    assert board.compute(full=True) == 0


def test_a_removed_issue_disappears_everywhere(board: Board) -> None:
    board.sprint(38, "active", "2026-03-02 08:00")
    first = board.issue("2026-02-02 08:00", ("2026-03-03 08:00", OPEN, PROGRESS), sprints=(38,))
    board.issue("2026-03-02 08:00", ("2026-03-05 08:00", OPEN, PROGRESS), project="WEB")
    board.compute()
    assert board.value("work_in_progress", "week", "2026-03-09") == 2
    board.update("core.jira_issues", first, deleted_at=at("2026-03-30 08:00"))
    board.compute()
    assert board.value("work_in_progress", "week", "2026-03-09") == 1
    assert sprint(board, 38, "planned_items") == (0,)
    assert board.rows("select min(period_at)::date from report.work_metrics where grain = 'month'") == [
        (date(2026, 3, 1),)
    ]
    assert board.rows("select count(*) from report.work_metrics where scope_id = 'OPS'") == [(0,)]
    assert board.rows("select count(*) from core.work_status_times where work_item_id like %s", f"%:{first}") == [(0,)]
    for table in ("core.jira_issue_changes", "core.jira_issues"):
        board.write(f"delete from {table}")
    board.compute()
    assert {name: len(rows) for name, rows in board.snapshot().items() if rows} == {"work_sprints": 1}
