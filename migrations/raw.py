"""The raw tables: raw.<type>_<entity> for each entity that a declared source type stores. All have one shape.

A table is made when it is missing, with the protection of every tenant table, and never dropped: a type whose folder is gone
keeps its records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pulse import source_types

# One row per upstream record: its trimmed payload as it came.
SHAPE = Path(__file__).resolve().parent / "raw_table.sql"

Connection = psycopg.Connection[Any]


def files() -> list[Path]:
    """The files that decide which tables there are and what they look like."""
    return [Path(__file__), SHAPE, *source_types.declaration_files()]


def make_missing(connection: Connection) -> None:
    """Make the tables and indexes that are missing; what is there is not locked."""
    there = {
        name for (name,) in connection.execute("select relname from pg_class where relnamespace = 'raw'::regnamespace")
    }
    for integration_type, declaration in source_types.declarations().items():
        for entity in declaration.entities:
            if (table := f"{integration_type}_{entity}") not in there:
                connection.execute(_statements(table))
            if entity in declaration.pushed and _is_still_closed(connection, table):
                connection.execute(
                    "select core.open_to_ingest(%s::regclass, 'select, insert, update')", [f"raw.{table}"]
                )
        for index, definition in declaration.indexes.items():
            if index not in there:
                connection.execute(f"create index {index} on raw.{definition}".encode())


def _is_still_closed(connection: Connection, table: str) -> bool:
    """Whether tools cannot yet send records into a table, in a database that is recent enough to open it."""
    query = (
        "select from pg_proc where oid = to_regprocedure('core.open_to_ingest(regclass, text)') and not exists"
        " (select from pg_policies where schemaname = 'raw' and tablename = %s and policyname = 'ingest')"
    )
    return connection.execute(query, [table]).fetchone() is not None


def _statements(table: str) -> sql.Composed:
    names = {"table": table, "loaded": f"{table}_loaded", "scope": f"{table}_scope"}
    shape = sql.SQL(SHAPE.read_text(encoding="utf-8"))
    return shape.format(**{place: sql.Identifier(name) for place, name in names.items()})
