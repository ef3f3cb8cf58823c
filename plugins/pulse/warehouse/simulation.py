"""Monte Carlo on item counts: what the weeks of the past say about the days ahead.

A trial strings past weeks together, drawn with replacement. Each trial first draws its own past from the real one, because a
dozen weeks are themselves only a sample: without that, the range would be too narrow for dates far away. Its own past is a
week shorter, because a sample varies less than what it was taken from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

TRIALS = 2000
WEEKS_BACK, WEEKS_AHEAD = 12, 104
FEWEST_WEEKS, FEWEST_ITEMS = 4, 5
SHARES = (0.5, 0.85, 0.95)

Counts = npt.NDArray[np.int64]


def weeks_before(day: date, done: Sequence[date], since: date) -> Counts:
    """Items done on each day of the whole weeks before `day`: one row a week, oldest first, none that began before `since`.

    A week ends the day before `day`, so that every row begins on the weekday of `day`.
    """
    weeks = max(0, min(WEEKS_BACK, (day - since).days // 7))
    first = day - timedelta(weeks=weeks)
    places = [(one - first).days for one in done if first <= one < day]
    return np.bincount(np.array(places, dtype=np.int64), minlength=7 * weeks).reshape(weeks, 7)


class Simulation:
    """Trials of the days from a day on (it is day 0), made from past weeks. The same seed gives the same trials."""

    def __init__(self, past: Counts, seed: str) -> None:
        random = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
        kept = max(1, len(past) - 1)
        own = random.integers(len(past), size=(TRIALS, kept))
        self._weeks = np.take_along_axis(own, random.integers(kept, size=(TRIALS, WEEKS_AHEAD)), axis=1)
        self._by_day = past.cumsum(axis=1)
        self._by_week = past.sum(axis=1)[self._weeks].cumsum(axis=1)

    def days_until(self, items: int) -> list[int | None]:
        """The day on which so many items are done, in 50, 85 and 95 % of the trials; None: beyond two years."""
        week = (self._by_week < items).sum(axis=1)
        trial = np.arange(TRIALS)
        last = np.minimum(week, WEEKS_AHEAD - 1)
        before = np.where(last > 0, self._by_week[trial, last - 1], 0)
        day = (before[:, None] + self._by_day[self._weeks[trial, last]] < items).sum(axis=1)
        days = np.where(week < WEEKS_AHEAD, 7 * week + day, -1)
        found = [int(np.quantile(np.where(days < 0, 7 * WEEKS_AHEAD, days), s, method="inverted_cdf")) for s in SHARES]
        return [one if one < 7 * WEEKS_AHEAD else None for one in found]

    def items_within(self, days: int) -> list[int]:
        """How many items are done in the first so many days, at least, in 50, 85 and 95 % of the trials."""
        weeks, rest = divmod(min(days, 7 * WEEKS_AHEAD), 7)
        items = self._by_week[:, weeks - 1] if weeks else np.zeros(TRIALS, dtype=np.int64)
        if rest:
            items = items + self._by_day[self._weeks[:, weeks], rest - 1]
        return [int(np.quantile(items, 1 - share, method="lower")) for share in SHARES]
