"""What GitHub's GraphQL answers mean: errors that belong to a part, lists whose shape is right.

GitHub answers with data and errors together. An error with a path is about that path: the data is null there, or above, up
to the first place that may be null. Everything else of the answer counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pulse.sources.http import JsonResponse

REASON_CHARACTERS = 300
_ALIAS = re.compile(r"[rn]\d+")  # of one of several subjects of a query

Path = tuple[str | int, ...]


class BadShape(ValueError):
    """An answer does not have the parts that every answer of its kind has."""


@dataclass(frozen=True)
class Refusal:
    """A part of an answer that is null, and the reason that GitHub gives.

    `place`: where the null is. `below`: what the reason is about, below that place; empty if it is the place itself.
    """

    place: Path
    below: Path
    kind: str
    reason: str

    @property
    def is_gone(self) -> bool:
        """Whether GitHub says that it does not exist."""
        return self.kind == "NOT_FOUND" and not self.below


class Answer(NamedTuple):
    """The data of a query, the HTTP answer, and the parts that are null for a reason.

    `instead`: why only what identifies a row was asked for, with what had come before; None if all was asked for.
    """

    data: dict[str, Any]
    response: JsonResponse
    refused: list[Refusal]
    instead: str | None = None


def errors_of(body: Any) -> list[dict[str, Any]]:
    """The errors in an answer."""
    found = body.get("errors") if isinstance(body, dict) else None
    return [error for error in found if isinstance(error, dict)] if isinstance(found, list) else []


def divided(
    data: dict[str, Any] | None, errors: Iterable[dict[str, Any]]
) -> tuple[list[Refusal], list[dict[str, Any]]]:
    """The errors that are about one of several subjects, and those that are about the whole answer."""
    parts, whole = [], []
    for error in errors:
        path: Path = tuple(error.get("path") or ()) if isinstance(error.get("path"), list) else ()
        place = _null_on(data, path)
        if place is not None and _is_part(place):
            reason = " ".join(str(error.get("message") or "no reason given").split())[:REASON_CHARACTERS]
            parts.append(Refusal(place, path[len(place) :], str(error.get("type") or ""), reason))
        else:
            whole.append(error)
    return parts, whole


def subject_of(error: dict[str, Any]) -> Path:
    """What an error about the whole is about: its path."""
    path = error.get("path")
    return tuple(path) if isinstance(path, list) else ()


def connection_in(holder: Any, name: str) -> dict[str, Any]:
    """A connection with its nodes and its pageInfo. Raises BadShape."""
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("nodes"), list):
        raise BadShape(f"GitHub's answer has no list of {name}")
    page = found.get("pageInfo")
    page = page if isinstance(page, dict) else {}
    more = page.get("hasNextPage")
    if not isinstance(more, bool) or (more and not isinstance(page.get("endCursor"), str)):
        raise BadShape(f"GitHub's answer does not say whether there are more {name}")
    return found


def _null_on(data: Any, path: Sequence[str | int]) -> Path | None:
    """The place on a path from which on the data is null."""
    value = data
    for depth, step in enumerate(path):
        if value is None:
            return tuple(path[:depth])
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return tuple(path) if value is None else None


def _is_part(place: Path) -> bool:
    return any(isinstance(step, int) for step in place) or bool(place and _ALIAS.fullmatch(str(place[0])))
