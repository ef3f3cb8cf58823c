"""How charts write numbers and dates in a language, by the data of Unicode's CLDR (Babel)."""

from __future__ import annotations

from typing import Any

from babel import Locale

from pulse.languages import ENGLISH


def of_charts(language: str) -> dict[str, Any]:
    """Superset's `d3_format` and `d3_time_format`; none for English, which d3 speaks by itself."""
    if language == ENGLISH:
        return {}
    locale = Locale.parse(language)
    symbols = locale.number_symbols["latn"]
    # Babel's weeks begin on Monday, d3's on Sunday.
    days = {width: [names[(day - 1) % 7] for day in range(7)] for width, names in locale.days["format"].items()}
    months = {width: [names[month] for month in range(1, 13)] for width, names in locale.months["format"].items()}
    return {
        "d3_format": {
            "decimal": symbols["decimal"],
            "thousands": symbols["group"],
            "grouping": [3],
            "currency": ["", ""],
        },
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
