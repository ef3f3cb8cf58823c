"""The forecast's arithmetic by hand, and how often it comes true in generated worlds."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pulse.warehouse.simulation import Simulation, weeks_before

MONDAY = date(2026, 3, 2)


def test_the_past_is_cut_into_whole_weeks_that_end_yesterday() -> None:
    done = [MONDAY - timedelta(days=n) for n in (0, 1, 1, 7, 8, 21, 22)]
    assert weeks_before(MONDAY, done, MONDAY - timedelta(days=27)).tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0, 2],
    ]
    assert weeks_before(MONDAY, done, MONDAY - timedelta(days=6)).shape == (0, 7)
    assert weeks_before(MONDAY, done, date(2020, 1, 1)).shape == (12, 7)


def test_weeks_that_are_all_alike_leave_nothing_to_chance() -> None:
    """Two items each Monday and one each Thursday: three a week."""
    simulation = Simulation(np.array([[2, 0, 0, 1, 0, 0, 0]] * 6), "any")
    assert simulation.days_until(1) == [0, 0, 0]
    assert simulation.days_until(3) == [3, 3, 3]
    assert simulation.days_until(4) == [7, 7, 7]
    assert simulation.days_until(30) == [66, 66, 66]
    assert simulation.days_until(313) == [None, None, None], "beyond 104 weeks"
    assert [simulation.items_within(days) for days in (0, 1, 3, 4, 7, 8, 70)] == [
        [n] * 3 for n in (0, 2, 2, 3, 3, 5, 30)
    ]


def test_a_seed_gives_the_same_trials_and_surer_dates_are_later() -> None:
    past = np.array([[0, 1, 0, 2, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0], [3, 1, 0, 1, 0, 0, 0], [1, 1, 1, 0, 1, 0, 0]])
    one, two, other = (Simulation(past, seed) for seed in ("a", "a", "b"))
    assert one.days_until(20) == two.days_until(20)
    assert one._by_week.tolist() != other._by_week.tolist()
    p50, p85, p95 = (day or 0 for day in one.days_until(20))
    assert p50 < p85 < p95
    few, fewer, fewest = one.items_within(60)
    assert few > fewer > fewest


def test_no_item_is_ever_done_when_none_was() -> None:
    simulation = Simulation(np.zeros((5, 7), dtype=np.int64), "any")
    assert simulation.days_until(1) == [None] * 3
    assert simulation.items_within(50) == [0] * 3


@pytest.mark.parametrize("mean", [3.0, 9.0])
def test_the_85_percent_come_true_in_80_to_90_of_100_cases(mean: float) -> None:
    """200 worlds: teams whose weeks vary more than by chance alone, with quiet weeks; three forecasts of each."""
    random = np.random.default_rng(20261130)
    dates = counts = cases = 0
    weekdays = np.array([0.16, 0.2, 0.22, 0.22, 0.2, 0.0, 0.0])
    for world in range(200):
        pace = mean * random.lognormal(0, 0.4)
        weeks = random.poisson(pace * random.gamma(4, 1 / 4, 130) * (random.random(130) > 0.06))
        daily = np.concatenate([random.multinomial(n, weekdays) for n in weeks])
        for night in (30, 44, 58):
            now = 7 * night + int(random.integers(7))
            simulation = Simulation(daily[now - 84 : now].reshape(12, 7), f"{world}/{night}")
            items, days = int(random.integers(5, 60)), int(random.integers(10, 100))
            p85 = simulation.days_until(items)[1]
            dates += p85 is None or daily[now : now + p85 + 1].sum() >= items
            counts += daily[now : now + days].sum() >= simulation.items_within(days)[1]
            cases += 1
    assert 0.8 <= dates / cases <= 0.9, dates / cases
    assert 0.8 <= counts / cases <= 0.9, counts / cases
