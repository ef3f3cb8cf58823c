"""Rows for any client in any table, generated from the catalogue, so that a new table is tested at once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.support.database import TestDatabase

TENANT_RELATIONS = """
    select format('%%I.%%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = any (%s::"char"[]) and n.nspname in ('raw', 'core', 'report')
      and exists (select from pg_attribute a
                  where a.attrelid = c.oid and a.attname = 'client_id' and not a.attisdropped)
    order by 1
"""

COLUMNS = """
    select a.attname, format_type(a.atttypid, null),
           coalesce((select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
                     where k.conrelid = a.attrelid and k.contype = 'c' and k.conkey = array[a.attnum]), '')
    from pg_attribute a
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped
      and a.attidentity = '' and a.attgenerated = ''
"""

VALUES: dict[str, Any] = {
    "integer": 1,
    "bigint": 1,
    "numeric": 0.5,
    "double precision": 0.5,
    "boolean": True,
    "timestamp with time zone": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "integer[]": [1],
    "xid8": "1",
}


def secret_of(client_id: int) -> str:
    """A word that occurs only in this client's rows."""
    return f"secret-of-{client_id}-only"


@dataclass(frozen=True)
class RowMaker:
    """Makes a row of one table for any client."""

    table: str
    columns: list[tuple[str, str, str]]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any], table: str) -> RowMaker:
        return cls(table, connection.execute(COLUMNS, [table]).fetchall())

    def insert(self, connection: psycopg.Connection[Any], client_id: int, clause: str = "") -> None:
        """Insert the row, followed by `clause` (such as ON CONFLICT …)."""
        statement = sql.SQL("insert into {} ({}) values ({}) {}").format(
            sql.SQL(self.table),
            sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in self.columns),
            sql.SQL(", ").join(sql.Placeholder() for _ in self.columns),
            sql.SQL(clause),
        )
        connection.execute(statement, [_value(column, client_id) for column in self.columns])


def _value(column: tuple[str, str, str], client_id: int) -> Any:
    name, kind, check = column
    if name == "client_id":
        return client_id
    if kind in ("text", "text[]"):
        allowed = re.search(r"ARRAY\['([^']+)'", check)
        text = allowed[1] if allowed else f"{name}-{secret_of(client_id)}"
        return text if kind == "text" else [text]
    if kind == "jsonb":
        return json.dumps({"secret": secret_of(client_id)})
    return [VALUES[kind.removesuffix("[]")]] if kind.endswith("[]") else VALUES[kind]


def tenant_relations(db: TestDatabase, kinds: str = "rpm") -> list[str]:
    """Tables (r, p, m) or views (v) that have a client_id."""
    return [row[0] for row in db.connect("pulse_owner").execute(TENANT_RELATIONS, [list(kinds)])]


def fill_every_table(db: TestDatabase, client_ids: tuple[int, ...]) -> list[RowMaker]:
    """Insert one row per client into every tenant table, bypassing foreign keys; returns the makers."""
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute("set session_replication_role = replica")
        makers = [RowMaker.of(superuser, table) for table in tenant_relations(db)]
        for maker in makers:
            for client_id in client_ids:
                maker.insert(superuser, client_id, "on conflict do nothing")
        superuser.execute("analyze")
    return makers
