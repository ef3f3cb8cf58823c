"""The patterns that a client declares, tried in PostgreSQL, which is what uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from pydantic import BaseModel

from pulse.clients.setting_types import PatternText
from pulse.clients.settings import Settings

# What no real name is, and what shows whether a pattern takes for ever.
SAMPLE = "a" * 3000 + "!"
MILLISECONDS = 1000


def refusals(conn: psycopg.Connection[Any], settings: Settings) -> list[str]:
    """For each pattern that PostgreSQL cannot use, or not in time: the setting's name, the pattern and the reason.

    `conn` is inside a transaction, which goes on afterwards.
    """
    found = []
    for name, pattern in declared(settings):
        try:
            with conn.transaction():
                conn.execute(f"set local statement_timeout = {MILLISECONDS}")
                # Alone, and as a part of several, as the models use them.
                conn.execute(
                    "select %(s)s ~* %(p)s, %(s)s ~ %(j)s", {"s": SAMPLE, "p": pattern, "j": f"(?:{pattern})|(?:x)"}
                )
        except psycopg.errors.QueryCanceled:
            found.append(f"{name}: PostgreSQL needs too long for the pattern '{pattern}': write a simpler one")
        except psycopg.DataError as error:
            reason = str(error.diag.message_primary or "").removeprefix("invalid regular expression: ")
            found.append(f"{name}: PostgreSQL does not understand the pattern '{pattern}' ({reason}): correct it")
    conn.execute("set local statement_timeout to default")
    return found


def declared(model: BaseModel) -> Iterator[tuple[str, str]]:
    """Every pattern that an admin wrote, with the name of its setting."""
    for field in model.model_fields_set & set(type(model).model_fields):
        name = type(model).model_fields[field].alias or field
        for pattern in _patterns(getattr(model, field)):
            yield name, pattern


def _patterns(value: Any) -> Iterator[str]:
    if isinstance(value, PatternText):
        yield value
    elif isinstance(value, BaseModel):
        yield from (pattern for field in type(value).model_fields for pattern in _patterns(getattr(value, field)))
    elif isinstance(value, list):
        yield from (pattern for item in value for pattern in _patterns(item))
