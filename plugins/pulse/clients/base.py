"""What every model of the Variable has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Declared(BaseModel):
    """Part of what an admin declares: an unknown field is an error, and texts lose the blanks around them."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Exact(BaseModel):
    """Part of a setting: nothing is converted, so what is stored is exactly what was given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def repeated(names: Iterable[str]) -> str | None:
    """The alphabetically first name that occurs more than once; None if all differ."""
    return min((name for name, times in Counter(names).items() if times > 1), default=None)
