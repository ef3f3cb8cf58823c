"""Mistakes in a Variable, as lines that an admin can act upon."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from pulse.clients.masking import is_hidden
from pulse.clients.schema import Place, Schema

# Mistakes that the schema explains better than pydantic: it also knows the bounds.
_NOT_ALLOWED = (
    "bool_type",
    "bool_parsing",
    "dict_type",
    "greater_than_equal",
    "int_from_float",
    "int_parsing",
    "int_type",
    "less_than_equal",
    "list_type",
    "model_attributes_type",
    "model_type",
    "string_type",
)
# How pydantic begins a message, and how it has to begin after the name of a field.
_BEGINNINGS = {"Value error, ": "", "Input should be": "must be", "String should": "must", "List should": "must"}
# Mistakes that are not about the value.
_NO_VALUE = ("missing", "json_invalid", "union_tag_not_found")
_SHOWN = 60
QUOTE = '"'
# The beginnings of tokens, a login in an address, and what is as long and mixed as a token.
_SECRET = re.compile(
    r"gh[a-z]_|github_pat_|ATATT|glpat|xox[a-z]-|eyJ|-----BEGIN|scrypt:|://[^/]*@|(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[\w+/=-]{20,}"
)
# More names than this are not listed in a message.
_MANY = 12


@dataclass(frozen=True)
class Mistake:
    """One mistake in a declaration: the field's path, what is wrong or allowed, the value that was given, an example.

    `value` is empty where it says nothing, or might be a secret.
    """

    field: str
    rule: str
    value: str = ""
    example: str = ""

    def __str__(self) -> str:
        example = f" (example: {self.example})" if self.example else ""
        told = not self.value or f"'{self.value.strip(QUOTE)}'" in self.rule
        end = "" if f"{self.rule}{example}".endswith("?") else "."
        return f"{self.field}: {self.rule}{example}" + ("" if told else f"{end} Given: {self.value}")


def mistakes_of(error: ValidationError, schema: Schema) -> list[Mistake]:
    """Every mistake once, in the order of the fields. `schema` is the JSON Schema of the model that refused the value."""
    found = [_mistake(item, schema) for item in error.errors(include_url=False)]
    return list(dict.fromkeys(found))


def explain(error: ValidationError, schema: Schema) -> list[str]:
    """One line per mistake. Never repeats a secret value."""
    return [str(mistake) for mistake in mistakes_of(error, schema)]


def _mistake(item: Any, schema: Schema) -> Mistake:
    parts = [part for part in item["loc"] if part != "[key]"]
    path, places = _follow(parts, schema)
    if item["type"] == "extra_forbidden" or (len(places) <= len(parts) and places[-1].names()):
        return Mistake(path or "the JSON", _unknown(str(parts[-1]), places[-1]), "", _example(places))
    value = "" if item["type"] in _NO_VALUE else _shown(item.get("input"), str(parts[-1]) if parts else "")
    return Mistake(path or "the JSON", _message(item, places[-1]), value, _example(places))


def _shown(value: Any, name: str) -> str:
    """A value as JSON; empty for a long or nested one, and for what may be a secret."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if (
        not isinstance(value, str)
        or len(value) > _SHOWN
        or is_hidden(name)
        or name == "scrypt"
        or _SECRET.search(value)
    ):
        return ""
    return json.dumps(value, ensure_ascii=False)


def _follow(parts: Sequence[str | int], schema: Schema) -> tuple[str, list[Place]]:
    """The path as an admin would write it, and the places on the way, from the whole to the last one known."""
    path, places = "", [Place(schema)]
    for part in parts:
        here = places[-1]
        if here.is_of_several_types():
            break
        if isinstance(part, int):
            path += f"[{part}]"
        elif not here.is_variant(part):
            path += part if not path else f'["{part}"]' if "." in part else f".{part}"
        following = here.step(part)
        if following is None:
            break
        places.append(following)
    return path, places


def _message(item: Any, place: Place) -> str:
    kind, context, allowed = item["type"], item.get("ctx", {}), place.allowed()
    if kind == "missing":
        return "is required"
    if kind == "json_invalid":
        return f"is not valid: {context['error']}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        names = ", ".join(f"'{name}'" for name in place.node["discriminator"]["mapping"])
        return f"{context['discriminator']} must be one of {names}"
    if kind in _NOT_ALLOWED and allowed:
        return f"must be {allowed}"
    message = str(item["msg"])
    for beginning, ours in _BEGINNINGS.items():
        if message.startswith(beginning):
            return ours + message.removeprefix(beginning)
    return message


def _unknown(name: str, place: Place) -> str:
    names = place.names()
    if near := get_close_matches(name, names, n=1):
        return f"unknown field: did you mean '{near[0]}'?"
    if len(names) <= _MANY:
        return f"unknown field: use {', '.join(names)}"
    return "unknown field: docs/client-variable.md lists those that there are"


def _example(places: list[Place]) -> str:
    for place in reversed(places):
        if examples := place.node.get("examples"):
            return json.dumps(examples[0], ensure_ascii=False)
    return ""
