"""What is chance and what is a signal in the numbers of work, and where it is said."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.dora.signals import Week, limits, shifts, verdict
from tests.support.database import TestDatabase
from tests.work.board import DONE, OPEN, PROGRESS, Board

MONDAY = date(2025, 11, 3)
BEFORE = (3, 4, 3, 2, 4, 3, 3, 4, 2, 3, 4, 3, 3, 2, 4, 3)
SINCE = (12, 11, 13, 12, 12)
WEEKS = (
    "select metric_value, sample_size, p75, centre, lower, upper, shifted_on from report.work_metrics"
    " where metric_type = %s and grain = 'week' and scope_type = 'client' and not is_partial and metric_value is not null"
    " order by period_at"
)
TOLD = "select topic, verdict, verdict_text from report.work_summary where verdict is not null order by sort_order"


def worked(board: Board, weeks: tuple[int, ...]) -> None:
    """So many items done in each week, each after one to three days."""
    for week, items in enumerate(weeks):
        for n in range(items):
            day = MONDAY + timedelta(weeks=week, days=n % 3)
            done = f"{day + timedelta(days=1 + (n + week) % 3)} 09:00"
            board.issue(f"{day} 08:00", (f"{day} 09:00", OPEN, PROGRESS), (done, PROGRESS, DONE))


@pytest.fixture
def board(db: TestDatabase) -> Board:
    weeks = (*BEFORE, *SINCE)
    made = Board(db, now=f"{MONDAY + timedelta(weeks=len(weeks), days=1)} 12:00")
    worked(made, weeks)
    made.compute()
    return made


@pytest.mark.parametrize(("metric", "unit"), [("throughput", "items"), ("cycle_time", "hours")])
def test_the_weeks_are_judged_as_the_reference_does(board: Board, metric: str, unit: str) -> None:
    rows = board.rows(WEEKS, metric)
    weeks = [Week(value=row[0], events=row[1], p75=row[2] or row[0]) for row in rows]
    (stored,) = board.rows(
        "select verdict, history_weeks from report.metric_signals where metric_type = %s and is_current", metric
    )
    better = {"throughput": "higher"}.get(metric, "lower")
    expected, history = verdict(weeks, unit)
    said = expected if expected in ("usual", "not_enough_history") else "better" if expected == better else "worse"
    assert stored == (said, history)
    found = shifts(weeks, unit)
    assert [n for n, row in enumerate(rows) if row[6]] == [shift.first for shift in found]
    if metric == "throughput":
        assert (said, found[0].first) == ("better", len(BEFORE))
        centre, sigma = found[0].centre, found[0].sigma
        assert rows[0][3:6] == (
            pytest.approx(centre**2 - 0.375),
            pytest.approx(max(max(centre - 3 * sigma, 0) ** 2 - 0.375, 0)),
            pytest.approx((centre + 3 * sigma) ** 2 - 0.375),
        )
        centre, sigma = limits(weeks[len(BEFORE) :], unit)
        assert rows[-1][5] == pytest.approx((centre + 3 * sigma) ** 2 - 0.375)


def test_the_page_of_work_says_it_and_no_other(board: Board) -> None:
    told = {topic: (said, text) for topic, said, text in board.rows(TOLD)}
    assert told["throughput"] == ("better", "better since 23 Feb 2026; before: 0 to 11 per week")
    assert told["cycle_time"][0] == "usual"
    assert told["cycle_time"][1].startswith("within its usual range (")
    assert "in_progress" not in told, "the weeks of a stock depend on one another"
    assert board.rows("select count(*) from core.metric_signals where metric_type = 'work_in_progress'") == [(0,)]
    assert board.rows("select distinct scope_type, scope_name from report.metric_signals") == [
        ("client", "All projects")
    ]
    for view in ("kpi_current", "metric_sentences", "metric_parts"):
        where = " where metric_type not in ('all', 'sources')" if view == "metric_sentences" else ""
        assert board.rows(f"select count(*) from report.{view}{where}") == [(0,)], view
    assert board.rows("select count(*) from core.metric_comparisons") == [(0,)]
    assert board.rows(
        "select count(*) from report.work_metrics where scope_type = 'project' and centre is not null"
    ) == [(0,)]


def test_signals_of_an_increment_are_those_of_a_full_run(board: Board) -> None:
    stored = "select * from core.metric_signals order by metric_type, level_from"
    board.issue("2026-03-09 08:00", ("2026-03-09 09:00", OPEN, PROGRESS), ("2026-03-12 08:00", PROGRESS, DONE))
    board.compute()
    later = board.now + timedelta(days=7)
    board.compute(f"{later:%Y-%m-%d %H:%M}")
    incremental = board.rows(stored)
    board.write("delete from core.metric_signals")
    board.compute(full=True)
    assert board.rows(stored) == incremental


def test_too_few_weeks_give_no_verdict(db: TestDatabase) -> None:
    board = Board(db, now=f"{MONDAY + timedelta(weeks=5)} 12:00")
    worked(board, BEFORE[:5])
    board.compute()
    told = board.rows(TOLD)
    assert told
    assert {row[1:] for row in told} == {("not_enough_history", "not enough history for a verdict: 5 of 12 weeks")}
