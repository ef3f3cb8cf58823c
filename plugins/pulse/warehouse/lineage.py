"""What the tables of the clients' database are made of, as the models' files and PostgreSQL's catalogue say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from pulse.warehouse.models import Model

_COMMENT = re.compile(r"--[^\n]*")
_TEXT = re.compile(r"'[^']*'")
# What stands where a query names what it reads from.
_READ = re.compile(
    r"(?:\b(?:from|join|using)\s+(?:lateral\s+)?\(?\s*|,\s*(?=\S+\s+(?!as\b)[a-z]))((?:core\.|raw\.)?[a-z]\w*)\b(?!\.)"
)
_CALLED = re.compile(r"\b(?:core\.)?([a-z]\w*)\(")
# The names that a query gives to its own parts.
_PART = re.compile(
    r"(?:\bwith(?:\s+recursive)?|,)\s+([a-z]\w*)\s*(?:\([^()]*\))?\s+as\s+(?:(?:not\s+)?materialized\s+)?\("
)


@dataclass(frozen=True)
class Column:
    """A column of a table or view: its name, its type and what it means."""

    name: str
    type: str
    comment: str | None


@dataclass(frozen=True)
class Catalogue:
    """The tables, views and functions of core, raw and report: `views` says what each view depends on, `functions` the text
    of each function of core by its name."""

    tables: frozenset[str]
    views: Mapping[str, frozenset[str]]
    functions: Mapping[str, str]

    @classmethod
    def read(cls, conn: psycopg.Connection[Any]) -> Catalogue:
        """The catalogue of the database that a connection is open to."""
        relations = conn.execute(_RELATIONS).fetchall()
        views: dict[str, set[str]] = {name: set() for name, is_view in relations if is_view}
        for view, used in conn.execute(_DEPENDS).fetchall():
            views[view].add(used)
        return cls(
            frozenset(name for name, is_view in relations if not is_view),
            {name: frozenset(used) for name, used in views.items()},
            dict(conn.execute(_FUNCTIONS).fetchall()),
        )

    def tables_behind(self, names: Iterable[str]) -> set[str]:
        """The tables that these relations and functions (`f()`) consist of or read, however many views lie between."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = set(names)
        while waiting:
            name = waiting.pop()
            seen.add(name)
            if name in self.tables:
                found.add(name)
            elif name.endswith("()"):
                waiting |= self.named_in(self.functions.get(name.removesuffix("()"), "")) - seen
            else:
                waiting |= self.views.get(name, frozenset()) - seen
        return found

    def named_in(self, query: str) -> set[str]:
        """The relations that a query reads and the functions (`f()`) that it calls. Names of its own parts do not count."""
        text = _TEXT.sub("''", _COMMENT.sub("", query).lower())
        parts = set(_PART.findall(text))
        named = {self._relation(name) for name in _READ.findall(text) if name not in parts}
        return {name for name in named if name} | {
            f"{name}()" for name in _CALLED.findall(text) if name in self.functions
        }

    def _relation(self, name: str) -> str | None:
        known = (name,) if "." in name else (f"core.{name}", f"raw.{name}")
        return next((one for one in known if one in self.tables or one in self.views), None)


@dataclass(frozen=True)
class Sources:
    """What the models of a stage read."""

    catalogue: Catalogue
    models: tuple[Model, ...]

    @cached_property
    def _by_name(self) -> dict[str, Model]:
        return {name: model for model in self.models for name in (model.makes if model.kind == "temporary" else ())}

    @cached_property
    def _changed(self) -> dict[str, str]:
        return {model.changed: f"core.{model.target}" for model in self.models}

    def tables_read(self, query: str) -> set[str]:
        """The tables that a query of the stage reads, also through the temporary tables that other models make."""
        tables: set[str] = set()
        seen: set[str] = set()
        waiting = [query]
        while waiting:
            text = waiting.pop()
            tables |= self.catalogue.tables_behind(self.catalogue.named_in(text))
            for name in set(_READ.findall(_COMMENT.sub("", text).lower())) - seen:
                seen.add(name)
                if name in self._changed:
                    tables.add(self._changed[name])
                elif name in self._by_name:
                    model = self._by_name[name]
                    waiting.append(f"{model.touched}\n{model.wanted}")
        return tables


def columns_of(conn: psycopg.Connection[Any], names: Iterable[str]) -> dict[str, tuple[Column, ...]]:
    """The columns of tables and views (schema.name), with their comments."""
    found: dict[str, list[Column]] = {}
    for name, column, kind, comment in conn.execute(_COLUMNS, [list(names)]).fetchall():
        found.setdefault(name, []).append(Column(column, kind, comment))
    return {name: tuple(columns) for name, columns in found.items()}


_RELATIONS = """
    select n.nspname || '.' || c.relname, c.relkind = 'v'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('core', 'raw', 'report') and c.relkind in ('r', 'v')
"""
_FUNCTIONS = """
    select p.proname::text, string_agg(p.prosrc, E'\\n' order by p.oid)
    from pg_proc p where p.pronamespace = 'core'::regnamespace group by 1
"""
# What PostgreSQL has noted of each view's definition.
_DEPENDS = """
    select distinct n.nspname || '.' || v.relname, coalesce(m.nspname || '.' || used.relname, called.proname || '()')
    from pg_rewrite r
    join pg_class v on v.oid = r.ev_class and v.relkind = 'v'
    join pg_namespace n on n.oid = v.relnamespace and n.nspname in ('core', 'raw', 'report')
    join pg_depend d on (d.classid, d.objid) = ('pg_rewrite'::regclass, r.oid)
    left join pg_class used on d.refclassid = 'pg_class'::regclass and used.oid = d.refobjid and used.oid <> v.oid
        and used.relkind in ('r', 'v')
    left join pg_namespace m on m.oid = used.relnamespace
    left join pg_proc called on d.refclassid = 'pg_proc'::regclass and called.oid = d.refobjid
        and called.pronamespace = 'core'::regnamespace
    where used.oid is not null or called.oid is not null
"""
_COLUMNS = """
    select n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname || '.' || c.relname = any (%s::text[])
    order by 1, a.attnum
"""
