"""The numbers of work are published like those of delivery: with what they were before, and why they have changed."""

from __future__ import annotations

import pytest

from tests.support.database import TestDatabase
from tests.work.board import DONE, OPEN, PROGRESS, Board

RESTATED = (
    "select grain, scope_type, scope_name, metric_type, old_text, new_text, reason, cause, evidence -> 0 -> 'facts' ->> 0"
    " from report.restatements order by metric_type, grain desc, scope_type, calculation_date"
)
WEEKS = (
    "select period_at::date::text, metric_value from report.work_metrics where metric_type = 'work_in_progress'"
    " and grain = 'week' and scope_type = 'client' order by 1"
)


@pytest.fixture
def board(db: TestDatabase) -> Board:
    """Two items done in the week from 2 March on, and one that is still in progress."""
    made = Board(db)
    for hour in (10, 14):
        made.issue("2026-03-02 08:00", ("2026-03-03 08:00", OPEN, PROGRESS), (f"2026-03-04 {hour}:00", PROGRESS, DONE))
    made.issue("2026-03-02 08:00", ("2026-03-16 08:00", OPEN, PROGRESS), project="WEB")
    made.compute()
    return made


def test_a_number_that_changes_after_its_period_is_restated(board: Board) -> None:
    as_published = (
        "select metric_type, grain, scope_id, calculation_date, metric_value, sample_size from {} order by 1, 2, 3, 4"
    )
    before = board.rows(as_published.format("core.dora_metrics"))
    ((then,),) = board.rows("select max(published_at) from core.dora_metrics")
    late = board.issue(
        "2026-03-02 08:00", ("2026-03-03 08:00", OPEN, PROGRESS), ("2026-03-05 08:00", PROGRESS, DONE), kind="Bug"
    )
    board.compute()
    cause = ("data", "work items: 1 added", f"jira:{board.jira}:{late}")
    told = board.rows(RESTATED)
    assert [row for row in told if row[3] == "throughput"] == [
        ("week", "client", "All projects", "throughput", "2", "3", *cause),
        ("week", "project", "OPS", "throughput", "2", "3", *cause),
    ], "the month has not ended"
    assert {(row[1], row[3], row[4], row[5]) for row in told if row[3] in ("bug_share", "cycle_time")} == {
        ("client", "bug_share", "0.0 %", "33.3 %"),
        ("project", "bug_share", "0.0 %", "33.3 %"),
        ("client", "cycle_time", "28.0 h", "30.0 h"),
        ("project", "cycle_time", "28.0 h", "30.0 h"),
    }
    assert "work_in_progress" not in {row[3] for row in told}, "nothing was in progress when that week ended"
    as_reported = as_published.format("report.metrics_as_reported where valid_from <= %s and valid_to > %s")
    assert board.rows(as_reported, then, then) == before
    assert board.rows(
        "select metric_value from core.dora_metric_history where metric_type = 'throughput' and grain = 'week'"
    ) == [(2,), (2,)]
    assert board.rows("select reason, restated > 0 from report.publications order by publication_id") == [
        ("first", False),
        ("data", True),
    ]


def test_what_a_closed_month_was_corrected_to_is_said(board: Board) -> None:
    board.compute("2026-04-02 12:00")
    assert board.rows(RESTATED) == [], "a passing day corrects nothing"
    reopened = board.issue("2026-03-02 08:00", ("2026-03-05 08:00", OPEN, DONE))
    board.compute("2026-04-03 12:00")
    board.move(reopened, "2026-04-03 13:00", DONE, OPEN)
    board.compute("2026-04-03 14:00")
    said = board.rows(
        "select what, correction, cause from report.corrections where what like 'Throughput%%' order by 2"
    )
    assert said == [
        ("Throughput, March 2026", "2 → 3", "work items: 1 added"),
        ("Throughput, March 2026", "3 → 2", "work items: 1 changed"),
    ]


def test_work_in_progress_is_counted_where_an_item_was_and_is_not(board: Board) -> None:
    assert board.rows(WEEKS) == [(f"2026-03-{day:02}", n) for day, n in ((2, 0), (9, 0), (16, 1), (23, 1), (30, 1))]
    published = "select max(published_at) from core.dora_metrics where grain = 'week' and calculation_date = %s"
    before = board.rows(published, "2026-03-08")
    # It was begun a week earlier, as its changelog says now.
    board.write(
        "update core.jira_issue_changes set created_at = '2026-03-12 08:00Z' where created_at = '2026-03-16 08:00Z'"
    )
    board.update("core.jira_issues", board.next_id - 1, updated_at=board.now)
    board.compute()
    assert board.rows(WEEKS)[1] == ("2026-03-09", 1)
    assert {row[:2] + row[3:6] for row in board.rows(RESTATED)} == {
        ("week", "client", "work_in_progress", "0", "1"),
        ("week", "project", "work_in_progress", "0", "1"),
    }
    assert board.rows(published, "2026-03-08") == before
    assert board.compute(full=True) == 0


def test_numbers_of_work_are_none_of_delivery(board: Board) -> None:
    board.write(
        "insert into core.incidents (client_id, id, integration_id, source, key, title, created_at)"
        " values (%s, 'x', %s, 'jira', 'OPS-1', 'Down', now())",
        board.client_id,
        board.jira,
    )
    board.compute()
    assert board.rows("select count(*) > 0 from core.dora_metrics") == [(True,)]
    for view in (
        "kpi_current",
        "kpi_by_scope",
        "metric_series",
        "metric_sentences where metric_type not in ('all', 'sources')",
        "metric_clauses where metric_type not in ('all', 'sources')",
        "metric_confidence",
        "benchmark_comparison",
        "metric_drivers",
        "metric_targets",
        "service_scorecard",
    ):
        assert board.rows(f"select count(*) from report.{view}") == [(0,)], view
