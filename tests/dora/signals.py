"""What is a signal, in plain Python: the reference of include/sql/models/metrics/metric_signals.sql, by docs/metrics.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import fmean, median

HISTORY = 12  # weeks that judge the others, and that a level has before it is the usual one
JUDGED = 8  # latest weeks, which are judged by those before
CHANCE = 0.0015  # of Fisher's exact test
COUNTED = {"per_day": 7, "items": 1}  # by what a week's value becomes its count
RULES = (
    ("3 weeks in a row at or beyond a limit", 3, 3, 2.5),
    ("4 weeks in a row in the outer part of the range", 4, 4, 1.6),
    ("7 of 8 weeks on one side of the range", 8, 7, 0.75),
)


@dataclass(frozen=True)
class Week:
    """A complete week: a value with the number of events and the P75 behind it, or some of all."""

    value: float = 0.0
    events: int = 0
    p75: float = 0.0
    failures: int = 0
    deployments: int = 0

    def level(self, unit: str) -> float:
        if unit in COUNTED:
            return math.sqrt(self.value * COUNTED[unit] + 0.375)
        return math.log(max(self.value, 0.01))

    def noise(self, unit: str) -> float:
        """The least variance, from the number of events alone."""
        if unit in COUNTED:
            return 0.25
        return 1.571 / self.events * (math.log(max(self.p75, 0.01) / max(self.value, 0.01)) / 0.674) ** 2


@dataclass(frozen=True)
class Shift:
    """`first` is the first week of the new level, `found` the week in which it was confirmed; counted from 0."""

    first: int
    found: int
    side: int
    rule: str
    centre: float
    sigma: float


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def limits(weeks: list[Week], unit: str) -> tuple[float, float]:
    """Centre and sigma of weeks."""
    y = [week.level(unit) for week in weeks]
    moved = median([abs(b - a) for a, b in pairwise(y)]) if len(y) > 1 else 0.0
    spread = (quantile(y, 0.75) - quantile(y, 0.25)) / 1.349
    noise = math.sqrt(fmean(week.noise(unit) for week in weeks))
    return median(y), max(moved / 0.954, spread, noise, 0.05)


def shifts(weeks: list[Week], unit: str) -> list[Shift]:
    """Every shift, in order."""
    found: list[Shift] = []
    first = 0
    while True:
        judge = _shift_of_a_rate if unit == "ratio" else _shift_of_a_value
        hit = next((s for i in range(first + HISTORY, len(weeks)) if (s := judge(weeks, unit, first, i))), None)
        if hit is None:
            return found
        found.append(hit)
        first = hit.first


def _shift_of_a_value(weeks: list[Week], unit: str, first: int, i: int) -> Shift | None:
    end = max(first + HISTORY, i + 1 - JUDGED)
    centre, sigma = limits(weeks[first:end], unit)
    y = [week.level(unit) for week in weeks]
    side = 1 if y[i] > centre else -1
    for rule, window, least, beyond in RULES:
        start = i + 1 - window
        outside = [j for j in range(start, i + 1) if side * (y[j] - centre) > beyond * sigma]
        if start >= end and i in outside and len(outside) >= least:
            return Shift(outside[0], i, side, rule, centre, sigma)
    return None


def _shift_of_a_rate(weeks: list[Week], _unit: str, first: int, i: int) -> Shift | None:
    for window in (4, 8):
        start = i + 1 - window
        if start - first < HISTORY:
            continue
        failed, drawn = (sum(getattr(w, c) for w in weeks[start : i + 1]) for c in ("failures", "deployments"))
        all_failed, total = (sum(getattr(w, c) for w in weeks[first : i + 1]) for c in ("failures", "deployments"))
        side = 1 if failed * total > all_failed * drawn else -1
        if 0 < all_failed < total and float(tail(failed, drawn, all_failed, total, side)) < CHANCE:
            before = (all_failed - failed) / (total - drawn)
            return Shift(start, i, side, f"{window} weeks, by an exact test", before, math.nan)
    return None


def tail(failed: int, drawn: int, all_failed: int, total: int, side: int) -> Fraction:
    """How likely as many (side 1), or as few, of all failures are among the drawn deployments: exact."""
    cases = (
        range(failed, min(all_failed, drawn) + 1) if side > 0 else range(max(0, drawn - total + all_failed), failed + 1)
    )
    ways = sum(math.comb(all_failed, x) * math.comb(total - all_failed, drawn - x) for x in cases)
    return Fraction(ways, math.comb(total, drawn))


def verdict(weeks: list[Week], unit: str) -> tuple[str, int]:
    """`higher`, `lower`, `usual` or `not_enough_history`, and how many weeks the current level has."""
    found = shifts(weeks, unit)
    history = len(weeks) - (found[-1].first if found else 0)
    if not found:
        return ("usual" if history >= HISTORY else "not_enough_history"), history
    last = found[-1]
    if unit == "ratio":
        recent = weeks[-4:]
        rate = sum(w.failures for w in recent) / sum(w.deployments for w in recent)
        stands = last.side * (rate - last.centre) > 0
    else:
        stands = last.side * (median([w.level(unit) for w in weeks[-3:]]) - last.centre) >= last.sigma
    return (("higher" if last.side > 0 else "lower") if stands and history < HISTORY else "usual"), history
