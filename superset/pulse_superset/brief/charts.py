"""The brief's charts as SVG: a line of weeks with its limits, and a bar of shares. Pages and PDF show the same ones.

Colours are attributes for the PDF; the page's style sheet replaces them by class, so that they follow light and dark.
"""

from __future__ import annotations

import math
from html import escape
from typing import Any

SHORTEST_HOURS = 1 / 60  # a logarithm needs a smallest value
WIDTH, HEIGHT, MARGIN = 240.0, 52.0, 5.0
LINE, BAND, MARK = "#1F3A8A", "#E4E8F2", "#9A3412"


def weeks(rows: list[dict[str, Any]], alternative: str, *, hours: bool = False) -> str:
    """A metric's weeks: the line, the range of chance behind it, a ring for the last one.

    The range has a step where a signal began a new level. A single week outside of it says nothing, so it has no mark. A week
    without a value leaves a gap. Hours have a logarithmic scale, the one in which they are judged. Empty without two values.
    """
    if sum(row["value"] is not None for row in rows) < 2:
        return ""
    scaled = [{name: _scaled(row[name], hours) for name in ("value", "lower", "centre", "upper")} for row in rows]
    found: list[float] = [value for row in scaled for value in row.values() if value is not None]
    low, high = min(found), max(found)
    spread = (high - low) or 1.0
    step = (WIDTH - 2 * MARGIN) / (len(rows) - 1)

    def x(index: int) -> float:
        return MARGIN + index * step

    def y(value: float) -> float:
        return HEIGHT - MARGIN - (value - low) / spread * (HEIGHT - 2 * MARGIN)

    last = max(index for index, row in enumerate(scaled) if row["value"] is not None)
    ring = (
        f'<circle class="last" fill="#FFFFFF" stroke="{LINE}" stroke-width="2" cx="{x(last):.1f}"'
        f' cy="{y(scaled[last]["value"]):.1f}" r="3.2"/>'
    )
    return _svg(WIDTH, HEIGHT, alternative, "".join([_bands(scaled, x, y), *_lines(scaled, x, y), ring]))


def _scaled(value: float | None, hours: bool) -> Any:
    return math.log(max(value, SHORTEST_HOURS)) if hours and value is not None else value


def _bands(rows: list[dict[str, Any]], x: Any, y: Any) -> str:
    """The limits: one rectangle for each run of weeks with the same ones, and its centre line."""
    made, start = [], 0
    for index in range(1, len(rows) + 1):
        limits = tuple(rows[start][name] for name in ("lower", "centre", "upper"))
        if index < len(rows) and tuple(rows[index][name] for name in ("lower", "centre", "upper")) == limits:
            continue
        if None not in limits:
            lower, centre, upper = limits
            left, right = max(x(start) - 3, 0), min(x(index - 1) + 3, WIDTH)
            made.append(
                f'<rect class="band" fill="{BAND}" x="{left:.1f}" y="{y(upper):.1f}" width="{right - left:.1f}"'
                f' height="{max(y(lower) - y(upper), 1):.1f}"/>'
                f'<path class="centre" stroke="#8A93A6" stroke-dasharray="3 3" d="M{left:.1f} {y(centre):.1f}H{right:.1f}"/>'
            )
        start = index
    return "".join(made)


def _lines(rows: list[dict[str, Any]], x: Any, y: Any) -> list[str]:
    made, points = [], []
    for index, row in enumerate([*rows, {"value": None}]):
        if row["value"] is not None:
            points.append(f"{x(index):.1f} {y(row['value']):.1f}")
        elif points:
            # A single week between two gaps is a dot.
            path, wide = ("M" + "L".join(points), 2) if len(points) > 1 else (f"M{points[0]}L{points[0]}", 5)
            made.append(
                f'<path class="line" fill="none" stroke="{LINE}" stroke-width="{wide}" stroke-linecap="round"'
                f' stroke-linejoin="round" d="{path}"/>'
            )
            points = []
    return made


def bar(share: float, *, emphasis: bool) -> str:
    """A horizontal bar for a share, beside which the share is written; so it has no text of its own."""
    wide = max(min(share, 1.0), 0.0) * 160
    kind, color = ("mark", MARK) if emphasis else ("fill", LINE)
    inner = (
        f'<rect class="band" fill="{BAND}" width="160" height="10" rx="2"/>'
        f'<rect class="{kind}" fill="{color}" width="{wide:.1f}" height="10" rx="2"/>'
    )
    return _svg(160, 10, "", inner)


def _svg(width: float, height: float, alternative: str, inner: str) -> str:
    label = f'role="img" aria-label="{escape(alternative)}"' if alternative else 'aria-hidden="true" focusable="false"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        f" {label}>{inner}</svg>"
    )
