"""Epics, categories, waiting time, what to expect, and forecasts with their record, worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.work.board import DONE, OPEN, PROGRESS, REVIEW, Board, at


@pytest.fixture
def board(db: TestDatabase) -> Board:
    return Board(db)


def day(number: int, hour: int = 9) -> str:
    """A time in March 2026, or so many days before."""
    return (at("2026-03-01 00:00") + timedelta(days=number - 1, hours=hour)).strftime("%Y-%m-%d %H:%M")


def finished(board: Board, number: int, days: int = 1, **columns: Any) -> int:
    """An item that is done on a day of March after so many days of work."""
    return board.issue(
        day(number - days - 1), (day(number - days), OPEN, PROGRESS), (day(number), PROGRESS, DONE), **columns
    )


def plans(board: Board, *columns: str, night: str | None = None) -> dict[str, tuple[Any, ...]]:
    """The forecasts of a night (of the latest) by the name of the plan."""
    rows = board.rows(
        f"select scope_name, {', '.join(columns)} from core.forecasts"
        " where made_on = coalesce(%s::date, (select max(made_on) from core.forecasts))",
        night,
    )
    return {row[0]: row[1:] for row in rows}


def test_an_item_is_in_the_epic_of_its_parent_and_in_the_first_category_that_matches(board: Board) -> None:
    epic = board.issue(day(1), kind="Epic", summary="Growth in Asia")
    story = board.issue(day(2), parent_key=f"OPS-{epic}")
    task = board.issue(day(2), kind="Sub-task", parent_key=f"OPS-{story}")
    bug = board.issue(day(2), kind="bug", labels=["Tech-Debt"])
    debt = board.issue(day(2), kind="Task", labels=["Tech-Debt"], parent_key="OPS-404")
    incident = board.issue(day(2), kind="Incident")
    board.compute()
    columns = ("epic_key", "epic_name", "category", "is_unplanned")
    assert board.item(story, *columns) == (f"OPS-{epic}", "Growth in Asia", "New features", False)
    assert board.item(task, *columns) == (f"OPS-{epic}", "Growth in Asia", "New features", False)
    assert board.item(bug, *columns) == (None, None, "Bugs", True)
    assert board.item(debt, *columns) == (None, None, "Upkeep", False)
    assert board.item(incident, *columns) == (None, None, "Incidents", True)
    assert board.item(epic, *columns) == (None, None, "Other work", False)
    board.update("core.jira_issues", epic, summary="Growth in Peru")
    board.compute()
    assert board.item(story, "epic_name") == board.item(task, "epic_name") == ("Growth in Peru",)
    rules = [{"name": "Growth", "epics": ["in peru$"]}, {"name": "Rest", "issue_types": ["story", "BUG"]}]
    board.db.set_setting(board.client_id, "work.categories", rules)
    board.compute()
    assert [board.item(issue, "category")[0] for issue in (story, task, bug, debt)] == [
        "Growth",
        "Growth",
        "Rest",
        "Other work",
    ]


def test_waiting_time_is_between_start_and_end_and_needs_the_setting(board: Board) -> None:
    issue = board.issue(
        "2026-03-02 00:00",
        ("2026-03-03 00:00", OPEN, PROGRESS),
        ("2026-03-03 10:00", PROGRESS, REVIEW),
        ("2026-03-04 00:00", REVIEW, PROGRESS),
        ("2026-03-04 04:00", PROGRESS, DONE),
    )
    never_waited, skipped = finished(board, 5), board.issue(day(4), (day(5), OPEN, DONE))
    board.compute()
    assert board.item(issue, "waiting_hours", "cycle_time_hours") == (None, 28)
    board.db.set_setting(board.client_id, "work.waiting_statuses", ["in review", "OPEN"])
    board.compute()
    assert board.item(issue, "waiting_hours") == (14,), "the day in Open was before the start"
    assert board.item(never_waited, "waiting_hours") == (0,)
    assert board.item(skipped, "waiting_hours") == (None,)


def test_what_to_expect_are_the_percentiles_of_90_days(board: Board) -> None:
    for days in range(1, 12):
        finished(board, 20, days)
    finished(board, -70, 50)
    finished(board, 20, 3, project="WEB")
    board.db.set_setting(board.client_id, "dora.minimum_sample", 2)
    board.compute()
    found = board.rows(
        "select scope_id, p50_hours / 24, p85_hours / 24, sample_size, needed from core.work_percentiles"
    )
    # Of 1 to 11 days, 85 % of the way from the first to the eleventh is 9.5. With the 3 of WEB, it is 9.35 of twelve.
    assert {row[0]: row[1:] for row in found} == {
        "OPS": (6, 9.5, 11, 2),
        "": (5.5, pytest.approx(9.35), 12, 2),
        "WEB": (None, None, 1, 2),
    }


def test_a_steady_plan_is_done_on_the_day_that_its_pace_says(board: Board) -> None:
    """An epic that finishes one item each Monday; four are left on Tuesday 31 March."""
    epic = board.issue(day(-80), kind="Epic", summary="Move the shop")
    for week in range(8):
        finished(board, 30 - 7 * week, 5, parent_key=f"OPS-{epic}", fix_versions=["5.0"] if week < 3 else [])
    for _ in range(4):
        board.issue(day(1), parent_key=f"OPS-{epic}", fix_versions=["5.0"])
    board.compute()
    found = plans(board, "done_items", "remaining_items", "past_weeks", "p50_on", "p85_on", "p95_on", "null_reason")
    # The first of the eight began on Wednesday 4 February: seven whole weeks since, each with one item on its Monday.
    monday = date(2026, 4, 27)
    name = f"OPS-{epic} Move the shop"
    assert found[name] == (8, 4, 7, monday, monday, monday, None)
    assert found["5.0"] == (3, 4, 2, None, None, None, "few_weeks")
    by_due = plans(board, "due_on", "p50_items", "p95_items", "url")
    assert by_due[name] == (date(2026, 6, 30), 4, 4, f"https://jira.example/{epic}"), (
        "31 March is nearly the quarter's end"
    )
    weeks = plans(board, "past_weeks", "past_items", "remaining_items", "p50_on", "null_reason")
    assert weeks["OPS"] == (12, 8, None, None, None), "a project's weeks begin with its first item"


def test_the_record_says_which_forecasts_came_true(board: Board) -> None:
    epic = board.issue(day(-80), kind="Epic", summary="Move the shop")
    items = [finished(board, 30 - 7 * week, 5, parent_key=f"OPS-{epic}") for week in range(8)]
    late = [board.issue(day(1), parent_key=f"OPS-{epic}") for _ in range(2)]
    board.compute()
    name = f"OPS-{epic} Move the shop"
    assert plans(board, "p85_on", "came_true")[name] == (date(2026, 4, 13), None)
    assert len(items) == 8
    made_later = board.rows("select count(*), bool_and(made_on < '2026-03-31') from core.forecasts where is_made_later")
    assert made_later[0][0] > 0
    assert made_later[0][1]

    board.move(late[0], "2026-04-06 10:00", OPEN, DONE)
    board.compute("2026-04-13 12:00")
    assert plans(board, "came_true", night="2026-03-31")[name] == (None,), "its date is today"
    board.move(late[1], "2026-04-13 20:00", OPEN, DONE)
    board.compute("2026-04-14 12:00")
    judged = plans(board, "reached_on", "came_true", night="2026-03-31")
    assert judged[name] == (date(2026, 4, 13), True)
    assert name not in plans(board, "came_true"), "a plan that is done has no forecast"


def test_a_sprint_that_is_too_full_is_late(board: Board) -> None:
    """Ten items in a sprint of two weeks; the project does two a week."""
    sprint = board.sprint(1, "active", "2026-03-23 08:00")
    for week in range(10):
        finished(board, 30 - 7 * week, 2)
        finished(board, 27 - 7 * week, 2)
    for _ in range(10):
        board.issue(day(20), sprints=(sprint,))
    board.compute()
    row = plans(board, "due_on", "remaining_items", "p50_on", "p85_items", "scope_type")["Sprint 1"]
    assert row == (date(2026, 4, 6), 10, None, 2, "sprint"), "how many by its end, and no date for all"
    board.move(board.next_id, "2026-04-06 20:00", OPEN, DONE)
    board.compute("2026-04-07 12:00")
    assert "Sprint 1" not in plans(board, "due_on")
    assert plans(board, "reached_on", "came_true", night="2026-03-31")["Sprint 1"] == (None, False), "one of two"


def test_a_run_that_has_nothing_new_makes_no_forecast_again(board: Board) -> None:
    for number in range(20):
        finished(board, 30 - number * 3)
    board.compute()
    before = board.rows("select xmin::text, made_on, scope_id from core.forecasts order by 2, 3")
    assert len(before) > 5
    board.compute()
    board.compute(full=True)
    assert board.rows("select xmin::text, made_on, scope_id from core.forecasts order by 2, 3") == before
