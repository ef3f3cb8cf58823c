"""A page of a resource, read from the replica as the reader's own database login: the database decides what is in it."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from pulse_superset.analytics.resources import Resource
from pulse_superset.replica import reading

USUAL, MOST = 100, 1000
RESERVED = ("cursor", "format", "limit", "since", "until")
MAX_VALUES = 50

_COLUMNS = """
    select a.attname, format_type(a.atttypid, null), coalesce(col_description(a.attrelid, a.attnum), '')
    from pg_attribute a
    where a.attrelid = ('report.' || quote_ident(%s))::regclass and a.attnum > 0 and not a.attisdropped
    order by a.attnum
"""


class BadRequest(ValueError):
    """A parameter cannot be used; the text names it and says what can."""


@dataclass(frozen=True)
class Column:
    """A column of a view: its name, its type in PostgreSQL's words, and what it means."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Page:
    """Rows, and the cursor of the next page; None at the end."""

    rows: list[dict[str, Any]]
    cursor: str | None


_known: dict[str, list[Column]] = {}
_lock = threading.Lock()


def columns(login: str, resource: Resource) -> list[Column]:
    """The columns of a resource, in their order. Raises DatabaseAway."""
    with _lock:
        found = _known.get(resource.view)
    if found is None:
        with reading(login, "api") as cursor:
            cursor.execute(_COLUMNS, (resource.view,))
            found = [Column(row["attname"], row["format_type"], row["coalesce"]) for row in cursor.fetchall()]
        with _lock:
            _known[resource.view] = found
    return found


def page(login: str, resource: Resource, given: dict[str, list[str]]) -> Page:
    """A page as the parameters ask for it: name → values. Raises BadRequest and DatabaseAway."""
    types = {column.name: column.type for column in columns(login, resource)}
    _refuse_unknown(resource, types, given)
    limit = _limit(given)
    conditions: list[sql.Composable] = []
    values: list[Any] = []
    for name, wanted in given.items():
        if name not in RESERVED:
            conditions.append(sql.SQL("{} = any (%s::text[]::{}[])").format(sql.Identifier(name), sql.SQL(types[name])))
            values.append(wanted)
    for name, operator in (("since", ">="), ("until", "<")):
        if name in given:
            assert resource.time is not None
            type_ = sql.SQL(types[resource.time])
            conditions.append(sql.SQL("{} {} %s::{}").format(sql.Identifier(resource.time), sql.SQL(operator), type_))
            values.append(given[name][0])
    if "cursor" in given:
        condition, after = _after(resource, types, given["cursor"][0])
        conditions.append(condition)
        values += after
    statement = sql.SQL("select * from {}{} order by {} limit {}").format(
        sql.Identifier("report", resource.view),
        sql.SQL(" where {}").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL(""),
        sql.SQL(", ").join(sql.SQL("{} desc").format(_sorted(name, types[name])) for name in _order(resource)),
        sql.Literal(limit + 1),
    )
    with reading(login, "api") as cursor:
        try:
            cursor.execute(statement, values)
        except psycopg2.DataError as error:
            told = str(error).splitlines()[0]
            raise BadRequest(f"a value does not fit its column: {told}") from None
        rows = [dict(row) for row in cursor.fetchall()]
    more = len(rows) > limit
    return Page(rows[:limit], _cursor(resource, rows[limit - 1]) if more else None)


def _order(resource: Resource) -> tuple[str, ...]:
    """Staff read several clients' rows; within a client, the key has no ties."""
    return (*resource.key, "client_id")


def _sorted(name: str, type_: str) -> sql.Composable:
    """A column as rows are sorted by it: texts byte by byte, and a missing one as an empty one."""
    column = sql.Identifier(name)
    return sql.SQL("coalesce({}, '') collate \"C\"").format(column) if type_ == "text" else column


def _refuse_unknown(resource: Resource, types: dict[str, str], given: dict[str, list[str]]) -> None:
    for name, values in given.items():
        if name in ("since", "until") and resource.time is None:
            raise BadRequest(f"{name}: {resource.name} has no time to go by")
        if name not in RESERVED and (name not in types or types[name].endswith("[]") or types[name] == "jsonb"):
            raise BadRequest(f"{name}: {resource.name} has no such field to filter by; see the document of the API")
        if len(values) > (1 if name in RESERVED else MAX_VALUES):
            raise BadRequest(f"{name}: given too often")
        if any("\0" in value for value in values):
            raise BadRequest(f"{name}: has a character that cannot be stored")


def _limit(given: dict[str, list[str]]) -> int:
    text = given.get("limit", [str(USUAL)])[0]
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST):
        raise BadRequest(f"limit: must be a whole number from 1 to {MOST}")
    return int(text)


def _cursor(resource: Resource, row: dict[str, Any]) -> str:
    values = [None if row[name] is None else str(row[name]) for name in _order(resource)]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _after(resource: Resource, types: dict[str, str], cursor: str) -> tuple[sql.Composable, list[str]]:
    """The condition for the rows behind a cursor. It holds values of a row of the reader's own, and is checked like any value."""
    names = _order(resource)
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if not (isinstance(values, list) and len(values) == len(names) and all(isinstance(v, str | None) for v in values)):
        raise BadRequest("cursor: is not one that the API gave; begin without one")
    # The first part alone says less, and lets an index find where to begin.
    first = sql.SQL("{} <= %s::{} and ").format(_sorted(names[0], types[names[0]]), sql.SQL(types[names[0]]))
    return first + sql.SQL("({}) < ({})").format(
        sql.SQL(", ").join(_sorted(name, types[name]) for name in names),
        sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(types[name])) for name in names),
    ), [value or "" for value in (values[0], *values)]
