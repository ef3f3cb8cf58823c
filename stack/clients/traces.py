"""Where a client still is: a search through every table of every database, and through the files beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]
# Not searched: what PostgreSQL keeps for itself (the tables are searched through it; WAL and backups are not), and programs.
LEFT_OUT = ("postgres", "venv", "test", "backups")
_CHUNK = 1 << 20

_TABLES = """
    select case n.nspname when 'public' then '' else n.nspname || '.' end || quote_ident(c.relname),
           coalesce(array_agg(a.attname) filter (where a.atttypid = 'bytea'::regtype), '{}')
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    group by c.oid, n.nspname, c.relname order by 1
"""


@dataclass(frozen=True)
class Marks:
    """The texts by which a client is recognised, each as a whole word."""

    words: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """A regular expression that PostgreSQL and Python read alike."""
        return "(^|[^A-Za-z0-9_])(" + "|".join(re.escape(word) for word in self.words) + ")($|[^A-Za-z0-9_])"

    def in_bytes(self) -> re.Pattern[bytes]:
        """The same for files."""
        return re.compile(self.pattern.encode())


@dataclass
class Found:
    """How many rows and files hold a mark, by place."""

    places: dict[str, int] = field(default_factory=dict)

    def add(self, place: str, count: int) -> None:
        """Count a place, if there is anything."""
        if count:
            self.places[place] = self.places.get(place, 0) + count


def marks_of(slugs: Iterable[str], client_id: int, *more: str) -> Marks:
    """What names a client: its DAG, tag, Variable and rule, and the texts that are given (Connections, people, others)."""
    names = ("pulse__{}", "pulse_client_{}", "client:{}", "pulse://{}/published")
    own = [name.format(slug) for slug in slugs for name in names]
    return Marks(tuple(dict.fromkeys([*own, f"pulse: client_{client_id}", *more])))


def search_database(name: str, connection: Connection, marks: Marks, found: Found) -> None:
    """Count the rows of every table that hold a mark. `connection`: one that sees all rows."""
    for table, binary in connection.execute(_TABLES).fetchall():
        tests: list[sql.Composable] = [sql.SQL("t::text ~ %(p)s")]
        tests += [sql.SQL("encode(t.{}, 'escape') ~ %(p)s").format(sql.Identifier(column)) for column in binary]
        query = sql.SQL("select count(*) from {} t where {}").format(sql.SQL(table), sql.SQL(" or ").join(tests))
        row = connection.execute(query, {"p": marks.pattern}).fetchone()
        found.add(f"{name}: {table}", int(row[0]) if row else 0)


def search_files(state: Path, marks: Marks, found: Found) -> None:
    """Count the files below the state folder whose name or content holds a mark."""
    for path in files(state):
        if holds(path, marks):
            found.add(f"file {path.relative_to(state)}", 1)


def files(state: Path) -> Iterator[Path]:
    """The files that are searched."""
    for top in sorted(state.iterdir()):
        if top.name in LEFT_OUT or top.is_symlink():
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not path.is_symlink():
                yield path


def holds(path: Path, marks: Marks) -> bool:
    """Whether a file's path or content holds a mark."""
    pattern = marks.in_bytes()
    if pattern.search(str(path).replace("=", " ").encode()):
        return True
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if pattern.search(tail + chunk):
                    return True
                tail = chunk[-500:]
    except OSError:
        return False
    return False
