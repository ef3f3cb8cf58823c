"""No record stops normalise: finds the records that a staging model cannot type, and sets them aside as rejects.

A model fails as a whole, so the records are found by trying parts of them: the model runs on a copy of some rows of its raw
table, in a savepoint that is rolled back. The record then leaves its raw table for raw.rejects, with the reason; what an
earlier version of it gave stays in the typed tables until a readable one is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from pulse.warehouse.models import Model, Writer

# What one row can be the cause of: a value that cannot be cast, is missing, breaks a constraint or does not fit an index.
UNFIT = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
# From then on, a part that fails is set aside whole: its records can be replayed, and the client goes on.
MOST_TRIALS = 3000

_RAW = re.compile(r"\braw\.(?!rejects\b)(\w+)")

Key = tuple[int, str]  # integration and record id


@dataclass(frozen=True)
class Unfit:
    """A raw record that a model cannot type, and why."""

    table: str
    key: Key
    reason: str


class _Undo(Exception):
    """Rolls a trial back."""


def find_unfit(conn: psycopg.Connection[Any], writer: Writer, model: Model) -> list[Unfit]:
    """The records that make a model fail; empty when it fails whatever records there are.

    The transaction has to be as it was before the model failed, and stays so.
    """
    return _Search(conn, writer, model).unfit()


def set_aside(conn: psycopg.Connection[Any], unfit: Iterable[Unfit]) -> None:
    """Move records from their raw tables to raw.rejects, where `replay_rejects` takes them from again."""
    for one in unfit:
        conn.execute(
            sql.SQL(
                "with gone as (delete from raw.{} where (integration_id, record_id) = (%s, %s) returning *)"
                " insert into raw.rejects"
                " (client_id, integration_id, entity, record_id, scope_key, payload, reason, is_stored_form)"
                " select client_id, integration_id, %s, record_id, scope_key, payload::text, %s, true from gone"
            ).format(sql.Identifier(one.table)),
            [*one.key, one.table, one.reason],
        )


class _Search:
    """Looks for the records of one model that make it fail."""

    def __init__(self, conn: psycopg.Connection[Any], writer: Writer, model: Model) -> None:
        self.conn = conn
        self.writer = writer
        self.model = model
        self.trials = 0

    def unfit(self) -> list[Unfit]:
        """Of the first raw table without whose records the model works."""
        text = "\n".join((self.model.touched, self.model.wanted))
        for table in dict.fromkeys(_RAW.findall(text)):
            for only_new in (True, False):
                keys = self._keys(table, only_new)
                if keys and self._error(table, keys) and not self._error(table, []):
                    return self._among(table, keys)
        return []

    def _keys(self, table: str, only_new: bool) -> list[Key]:
        new = "loaded_xid >= current_setting('pulse.normalise_from')::xid8"
        query = "select integration_id, record_id from raw.{} where {} order by loaded_xid, 1, 2"
        return self.conn.execute(
            sql.SQL(query).format(sql.Identifier(table), sql.SQL(new if only_new else "true"))
        ).fetchall()

    def _among(self, table: str, keys: Sequence[Key]) -> list[Unfit]:
        """The records among these, which fail together, that have to go so that the others work."""
        error = self._error(table, keys)
        if error is None:
            return []
        if len(keys) == 1:
            return [Unfit(table, keys[0], f"{self.model.file}: {self._reason(table, keys, error)}")]
        if self.trials > MOST_TRIALS:
            reason = (
                f"{self.model.file}: this record, or another of {len(keys)} that were tried with it: {_message(error)}"
            )
            return [Unfit(table, key, reason) for key in keys]
        half = len(keys) // 2
        found = [*self._among(table, keys[:half]), *self._among(table, keys[half:])]
        if not found:  # two records that do not go together: the later one goes
            last = self._last_of_shortest(table, keys)
            found = [Unfit(table, keys[last], f"{self.model.file}: {self._reason(table, keys[: last + 1], error)}")]
        gone = {one.key for one in found}
        return [*found, *self._among(table, [key for key in keys if key not in gone])]

    def _last_of_shortest(self, table: str, keys: Sequence[Key]) -> int:
        works, fails = 0, len(keys)
        while fails - works > 1:
            middle = (works + fails) // 2
            if self._error(table, keys[:middle]):
                fails = middle
            else:
                works = middle
        return fails - 1

    def _error(self, table: str, keys: Sequence[Key]) -> psycopg.Error | None:
        """What the model says when these are the only records of the table."""
        self.trials += 1
        return self._tried(table, keys, self.writer.write)

    def _tried(self, table: str, keys: Sequence[Key], trial: Callable[[Model], object]) -> psycopg.Error | None:
        try:
            with self.conn.transaction():
                self.conn.execute(
                    sql.SQL(
                        "create temporary table tried on commit drop as select r.* from raw.{} r"
                        " join unnest(%s::bigint[], %s::text[]) k (integration_id, record_id) using (integration_id, record_id)"
                    ).format(sql.Identifier(table)),
                    [[key[0] for key in keys], [key[1] for key in keys]],
                )
                trial(_reading(self.model, table))
                raise _Undo
        except _Undo:
            return None
        except UNFIT as error:
            return error

    def _reason(self, table: str, keys: Sequence[Key], error: psycopg.Error) -> str:
        """The message, with the columns that it is about, found by computing them one by one."""
        message = _message(error)
        if error.diag.column_name or error.diag.constraint_name:
            return message
        columns = self._columns(table)
        failing = [name for name in columns if self._column_fails(table, keys, name)]
        return f"{', '.join(failing)}: {message}" if 0 < len(failing) < len(columns) else message

    def _columns(self, table: str) -> list[str]:
        found: list[str] = []

        def describe(model: Model) -> None:
            self._make_touched(model)
            cursor = self.conn.execute(f"select * from (\n{model.wanted}\n) q limit 0".encode(), prepare=False)
            found.extend(column.name for column in cursor.description or ())

        self._tried(table, [], describe)
        return found

    def _column_fails(self, table: str, keys: Sequence[Key], name: str) -> bool:
        def compute(model: Model) -> None:
            self._make_touched(model)
            column = sql.Identifier("q", name)
            query = sql.SQL("select count({}) from (\n").format(column).as_bytes(self.conn)
            self.conn.execute(query + f"{model.wanted}\n) q".encode(), prepare=False)

        return self._tried(table, keys, compute) is not None

    def _make_touched(self, model: Model) -> None:
        if model.touched:
            self.conn.execute(f"create temporary table touched on commit drop as\n{model.touched}".encode())


def _message(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).splitlines()[0]


def _reading(model: Model, table: str) -> Model:
    """The model with the copy of some rows in the place of its raw table."""
    name = re.compile(rf"\braw\.{table}\b")
    return replace(
        model,
        touched=name.sub("tried", model.touched),
        wanted=name.sub("tried", model.wanted),
        all_units=name.sub("tried", model.all_units),
    )
