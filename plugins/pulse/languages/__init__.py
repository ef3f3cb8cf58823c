"""The languages of what a client's people see and get by mail, and their one catalogue: <language>.po in this folder.

The English text is the key. Python and templates look it up here; `migrate` writes the same catalogue into core.translations, for
the sentences that are made in SQL (core.say).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de")
FOLDER = Path(__file__).resolve().parent
# As the views write it (core.day_text).
_DAY = {ENGLISH: "d MMM y", "de": "d. MMM y"}


# How a client may want numbers written, and the separators: of thousands, and of decimals.
_SEPARATORS = {"1,234.5": ",.", "1.234,5": ".,", "1 234,5": "\u00a0,", "1'234.5": "'."}


class CatalogueError(ValueError):
    """A catalogue is not what it should be; the text names the file."""


def files() -> list[Path]:
    """The catalogues, one for each language but English."""
    return [FOLDER / f"{language}.po" for language in LANGUAGES if language != ENGLISH]


@cache
def catalogue(language: str) -> dict[str, str]:
    """Each English text and the same in a language; empty for English. Raises CatalogueError."""
    if language == ENGLISH:
        return {}
    path = FOLDER / f"{language}.po"
    with path.open("rb") as file:
        found = read_po(file, locale=language, abort_invalid=True)
    texts = {str(message.id): str(message.string) for message in found if message.id}
    empty = [source for source, text in texts.items() if not text]
    if empty:
        raise CatalogueError(f"{path.name}: nothing is said for {empty[0]!r}")
    return texts


def say(language: str, source: str, **values: Any) -> str:
    """An English text in a language, with its {placeholders} filled in; in English where there is no translation."""
    text = catalogue(language).get(source, source)
    return text.format(**values) if values else text


def mark(source: str) -> str:
    """Mark a text that is said elsewhere: the test of the catalogue finds it by this call."""
    return source


def best(wanted: str | None) -> str:
    """The language that a browser's header Accept-Language likes best of those that there are."""
    choices = [part.partition(";")[0].strip().replace("-", "_") for part in (wanted or "").split(",") if part.strip()]
    found = Locale.negotiate(choices, LANGUAGES) if choices else None
    return found.language if found else ENGLISH


def day(language: str, value: date | None) -> str:
    """A date as the views write it: 3 Nov 2026."""
    return format_date(value, _DAY[language], locale=language) if value else "—"


def month(language: str, value: date) -> str:
    """A month: Nov 2026."""
    return format_skeleton("yMMM", value, locale=language)


def moment(language: str, value: datetime) -> str:
    """A day and time."""
    return f"{day(language, value)}, {value:%H:%M}"


def separators_of(number_format: object) -> str:
    """The separators of thousands and of decimals in a number format; empty: those of the reader's language."""
    return _SEPARATORS.get(str(number_format), "")


def number(language: str, value: float) -> str:
    """A number with one decimal, as the language writes it."""
    return format_decimal(value, "0.0", locale=language)
