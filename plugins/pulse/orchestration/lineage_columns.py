"""From which columns each column of a report view comes: OpenLineage's parser reads the views, PostgreSQL confirms.

The parser is part of apache-airflow-providers-openlineage.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from openlineage_sql import parse

# A relation in a view's definition, and the name that the definition gives it.
_NAMED = re.compile(
    r"\b((?:core|raw|report)\.[a-z]\w*)(?:\s+(?!(?:on|where|left|right|join|cross|group|order)\b)([a-z]\w*))?"
)
_VIEWS = """
    select 'report.' || c.relname, pg_get_viewdef(c.oid)
    from pg_class c where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' order by 1
"""
# The columns of tables and of other report views that PostgreSQL has noted for each view.
_USED = """
    select 'report.' || v.relname, n.nspname || '.' || used.relname, a.attname::text
    from pg_rewrite r
    join pg_class v on v.oid = r.ev_class and v.relkind = 'v' and v.relnamespace = 'report'::regnamespace
    join pg_depend d on (d.classid, d.objid) = ('pg_rewrite'::regclass, r.oid) and d.refclassid = 'pg_class'::regclass
    join pg_class used on used.oid = d.refobjid and used.oid <> v.oid
    join pg_namespace n on n.oid = used.relnamespace
    join pg_attribute a on (a.attrelid, a.attnum) = (used.oid, d.refobjsubid)
    where used.relkind = 'r' or n.nspname = 'report'
"""


def column_origins(conn: psycopg.Connection[Any]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """By view and column: the tables' (or report views') columns that it is made of, as far as both sides say so.

    `conn` may have any role that sees the catalogue. What the parser cannot assign is left out.
    """
    used = set(conn.execute(_USED).fetchall())
    conn.execute("set local search_path = pg_catalog")  # so that every relation is written with its schema
    return {view: _origins(view, definition, used) for view, definition in conn.execute(_VIEWS).fetchall()}


def _origins(view: str, definition: str, used: set[tuple[Any, ...]]) -> dict[str, list[tuple[str, str]]]:
    named: dict[str, set[str]] = {}
    for relation, alias in _NAMED.findall(definition):
        for name in (alias, relation, relation.partition(".")[2]):
            named.setdefault(name, set()).add(relation)
    read = parse([f"create view {view} as {definition}"], dialect="postgres")
    found: dict[str, list[tuple[str, str]]] = {}
    for column in read.column_lineage if read else ():
        origins = set()
        for origin in column.lineage:
            name = origin.origin.qualified_name if origin.origin else ""
            meant = [one for one in named.get(name, ()) if (view, one, origin.name) in used]
            if len(meant) == 1:  # two parts of a view may give one name to two relations
                origins.add((meant[0], origin.name))
        if origins:
            found[column.descendant.name] = sorted(origins)
    return found
