"""Payloads of a custom source → raw rows: flattened, mapped as declared, converted, or rejected with the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pulse.clients.streams import ANY_OTHER, REQUIRED, RESULTS, Stream
from pulse.sources.bounds import RECORD_FIELDS
from pulse.sources.http_json.paging import value_at
from pulse.warehouse.loader import Page, RawRow, Reject

ENTITY = "http_json_records"
UNREADABLE = "the upstream's answer about this record cannot be read, even alone"
DESCRIPTION_CHARACTERS = 2000
VALUE_CHARACTERS = 100
# Larger numbers are milliseconds (as seconds they would be after the year 5138).
_MILLISECONDS = 1e11
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
# While this field is null, the record has not ended yet and is skipped.
_ENDS = {"deployments": "finished_at", "changes": "merged_at"}
_ORDER = {
    "deployments": ("created_at", "finished_at"),
    "incidents": ("created_at", "resolved_at"),
    "changes": ("opened_at", "merged_at"),
}
_ABSENT = object()


class Skipped(Exception):
    """A record that the declaration leaves out, or that has not ended yet."""


@dataclass
class MappedPage:
    """The contents of a page: rows and rejects, the ids that the upstream lists, and how many records were skipped.

    `complete` is False if a record has no readable id, because then nobody can say what is missing.
    """

    page: Page = field(default_factory=lambda: Page(ENTITY))
    listed: set[str] = field(default_factory=set)
    skipped: int = 0
    complete: bool = True


def map_records(stream: Stream, items: Iterable[Any], lost: Iterable[str] = ()) -> MappedPage:
    """The records of a page: each becomes a row or a reject, or is skipped. `lost`: the texts of those that cannot be read."""
    result = MappedPage()
    for text in lost:
        result.page.rejects.append(Reject(None, stream.name, json.dumps({"answer": text}), UNREADABLE))
        result.complete = False
    for item in items:
        identity: str | None = None
        try:
            flat = flatten(item)
            identity = _identity(stream, flat)
            result.page.rows.append(row(stream, identity, flat))
        except Skipped:
            result.skipped += 1
        except ValueError as error:
            result.page.rejects.append(Reject(identity, stream.name, json.dumps(item), str(error)))
        if identity is None:
            result.complete = False
        else:
            result.listed.add(identity)
    return result


def flatten(item: Any) -> dict[str, Any]:
    """An object with the fields of nested objects under dotted names; lists stay as they are.

    One record at a time: in a table of several, pandas turns a 1 into 1.0 if its column has a gap, and null into NaN.
    """
    if not isinstance(item, dict):
        raise ValueError(f"expected an object, got {_shortened(item)}")
    if _fields(item) > RECORD_FIELDS:
        raise ValueError(f"the record has more than {RECORD_FIELDS} fields")
    if not any(isinstance(value, dict) for value in item.values()):
        return dict(item)
    flat: dict[str, Any] = pd.json_normalize(item, sep=".").to_dict("records")[0]
    return flat


def _fields(item: dict[str, Any]) -> int:
    return len(item) + sum(_fields(value) for value in item.values() if isinstance(value, dict))


def row(stream: Stream, identity: str, flat: dict[str, Any]) -> RawRow:
    """The raw row of a flattened record. Raises ValueError that names field and value, or Skipped."""
    end = _ENDS.get(stream.entity)
    if end is not None and _value(flat, stream.fields[end]) is None:
        raise Skipped
    record: dict[str, Any] = dict(stream.constants)
    for target, path in stream.fields.items():
        value = _typed(stream, target, path, flat)
        if value is not None:
            record[target] = value
        elif target in REQUIRED[stream.entity]:
            raise ValueError(f"{target}: {path} is {_described(flat, path)}, but it is required")
    _check_order(stream, record)
    return RawRow(identity, stream.name, {"stream": stream.name, "entity": stream.entity, "record": record})


def _identity(stream: Stream, flat: dict[str, Any]) -> str:
    path = stream.fields["id"]
    identity = _text("id", path, _value(flat, path))
    if identity is None:
        raise ValueError(f"id: {path} is {_described(flat, path)}, but it is required")
    return f"{stream.name}:{identity}"


def _typed(stream: Stream, target: str, path: str, flat: dict[str, Any]) -> str | None:
    value = _value(flat, path)
    value = None if value is _ABSENT else value
    if target.endswith("_at"):
        return _time(target, path, value)
    text = _text(target, path, value)
    if text is not None and target in stream.values:
        ours = stream.values[target]
        text = ours.get(text, ours.get(ANY_OTHER, text))
        if text is None:
            raise Skipped
    if target == "result" and text is not None and text not in RESULTS:
        raise ValueError(
            f"result: {path} is {_shortened(text)}, which is neither success nor failure: map it in 'values'"
        )
    if target == "url" and text is not None and not text.lower().startswith(("https://", "http://")):
        raise ValueError(f"url: {path} is {_shortened(text)}, which is not an http address")
    return text[:DESCRIPTION_CHARACTERS] if text is not None and target == "description" else text


def _value(flat: dict[str, Any], path: str) -> Any:
    """The value under a dotted name, in which numbers index lists; _ABSENT if the record has no such field."""
    if path in flat:
        return flat[path]
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        start = ".".join(parts[:length])
        if start in flat:
            if flat[start] is None:  # the object that would hold the field is null
                return None
            return value_at(flat[start], ".".join(parts[length:]), _ABSENT)
    return _ABSENT


def _text(target: str, path: str, value: Any) -> str | None:
    """A text or number as text; None if there is none. Raises ValueError for anything else."""
    if value is None or value is _ABSENT:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{target}: {path} is {_shortened(value)}, which is not text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{target}: {path} is {_shortened(value)}, which is not a number")
    return str(value).strip() or None


def _time(target: str, path: str, value: Any) -> str | None:
    """A time as ISO text in UTC, from ISO (UTC if it has no offset) or from seconds or milliseconds since 1970."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    moment = _moment(value)
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(
            f"{target}: {path} is {_shortened(value)}, which is not a time (ISO 8601, or seconds or milliseconds since 1970)"
        )
    return moment.isoformat()


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
        text = str(value).strip()
        if text.isascii() and text.replace(".", "", 1).isdigit():
            return _moment(float(text))
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _check_order(stream: Stream, record: dict[str, Any]) -> None:
    first, last = _ORDER[stream.entity]
    if last in record and datetime.fromisoformat(record[last]) < datetime.fromisoformat(record[first]):
        raise ValueError(f"{last}: {record[last]} is before {first}, {record[first]}")


def _described(flat: dict[str, Any], path: str) -> str:
    value = _value(flat, path)
    return "missing" if value is _ABSENT else "empty" if value == "" else "null" if value is None else _shortened(value)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}…"
