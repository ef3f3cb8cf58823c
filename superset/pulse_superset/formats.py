"""How charts write numbers and dates in a language, by the data of Unicode's CLDR (Babel)."""

from __future__ import annotations

from typing import Any

from babel import Locale

from pulse.languages import ENGLISH


def of_charts(language: str, separators: str = "") -> dict[str, Any]:
    """Superset's `d3_format` and `d3_time_format`; none where they are what d3 speaks by itself.

    `separators`: of thousands and of decimals, if the client has its own.
    """
    locale = Locale.parse(language)
    symbols = locale.number_symbols["latn"]
    thousands, decimal = tuple(separators) or (symbols["group"], symbols["decimal"])
    numbers = {"d3_format": {"decimal": decimal, "thousands": thousands, "grouping": [3], "currency": ["", ""]}}
    return {**(numbers if (thousands, decimal) != (",", ".") else {}), **_dates(language, locale)}


def _dates(language: str, locale: Locale) -> dict[str, Any]:
    if language == ENGLISH:
        return {}
    # Babel's weeks begin on Monday, d3's on Sunday.
    days = {width: [names[(day - 1) % 7] for day in range(7)] for width, names in locale.days["format"].items()}
    months = {width: [names[month] for month in range(1, 13)] for width, names in locale.months["format"].items()}
    return {
        "d3_time_format": {
            "dateTime": "%A, %e. %B %Y, %X",
            "date": "%d.%m.%Y",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            "days": days["wide"],
            "shortDays": days["abbreviated"],
            "months": months["wide"],
            "shortMonths": months["abbreviated"],
        },
    }
