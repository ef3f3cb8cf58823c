"""What every model of the Variable has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator

from pulse.texts import has_trick

# Secrets and images may have several lines.
_LINES_ALLOWED = ("token", "password", "password_hash", "logo")


class _Texts(BaseModel):
    """Refuses texts that are more than one line."""

    @field_validator("*")
    @classmethod
    def _one_honest_line(cls, value: Any, info: ValidationInfo) -> Any:
        for text in _texts(value):
            if info.field_name not in _LINES_ALLOWED and has_trick(text):
                raise ValueError("contains a line break or an invisible character: write it in one line")
        return value


class Declared(_Texts):
    """Part of what an admin declares: an unknown field is an error, and texts lose the blanks around them."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Exact(_Texts):
    """Part of a setting: nothing is converted, so what is stored is exactly what was given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def repeated(names: Iterable[str]) -> str | None:
    """The alphabetically first name that occurs more than once; None if all differ."""
    return min((name for name, times in Counter(names).items() if times > 1), default=None)


def _texts(value: Any) -> list[str]:
    """The texts of a field; those of models inside it are checked there."""
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    items = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else [value]
    return [item for item in items if isinstance(item, str)]
