"""The views of include/sql/report and include/sql/core: one file each, dropped and made again as their files say.

A file is a comment and a query. The comment's first paragraph becomes the view's comment; what follows is for readers of the
file. Everything else is the same for all views and added here: the view reads as its caller (security_invoker), so that the
policies of the tables decide, and pulse_staff and pulse_reader may read it; pulse_staff alone, where its name begins with
operations_. A view of core is a name for typed rows: pulse_etl
reads and writes through it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from migrations.errors import MigrateError

INCLUDE = Path(__file__).resolve().parent.parent / "include" / "sql"
COLUMN_COMMENTS = INCLUDE / "seeds" / "column_comments.yaml"
SCHEMAS = ("core", "report")
FOR_STAFF = "operations_"

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class View:
    """One view: `description` is its comment, `query` what it shows."""

    schema: str
    name: str
    description: str
    query: str

    @classmethod
    def read(cls, path: Path) -> View:
        """The view of a file. Raises MigrateError when the file does not begin with a comment."""
        text = path.read_text(encoding="utf-8")
        header = re.match(r"(?:--.*\n)*", text)
        comment = [line[2:].strip() for line in header.group().splitlines()] if header else []
        description = " ".join(comment[: comment.index("")] if "" in comment else comment)
        if not description:
            raise MigrateError(f"{path.name}: a view's file begins with a comment that says what a row of it is")
        return cls(path.parent.name, path.stem, description, text[header.end() if header else 0 :].strip().rstrip(";"))

    @property
    def full_name(self) -> str:
        """With its schema."""
        return f"{self.schema}.{self.name}"

    def definition(self) -> sql.Composed:
        """The statements that make it."""
        return sql.SQL(
            "create view {name} with (security_invoker = true) as {query};\n"
            "comment on view {name} is {description};\n"
            "grant select on {name} to {readers};\n"
        ).format(
            name=sql.Identifier(self.schema, self.name),
            readers=sql.SQL("pulse_staff" if self.name.startswith(FOR_STAFF) else "pulse_staff, pulse_reader"),
            query=sql.SQL(self.query),
            description=self.description,
        ) + sql.SQL(
            "grant select, insert, update, delete on {} to pulse_etl;\n" if self.schema == "core" else ""
        ).format(sql.Identifier(self.schema, self.name))


def files() -> list[Path]:
    """The files that decide how the views come out."""
    return [Path(__file__), COLUMN_COMMENTS, *_view_files()]


def read_views() -> list[View]:
    """All views; each comes after those that it reads."""
    found = {view.full_name: view for view in map(View.read, _view_files())}
    reads = {name: set(re.findall(r"\b\w+\.\w+\b", view.query)) & found.keys() for name, view in found.items()}
    return [found[name] for name in TopologicalSorter(reads).static_order()]


def drop_views(connection: Connection) -> None:
    """Drop every view of the schemas, including views whose file is gone."""
    rows = connection.execute(
        "select relnamespace::regnamespace::text, relname from pg_class"
        " where relkind = 'v' and relnamespace::regnamespace::text = any (%s)",
        [list(SCHEMAS)],
    ).fetchall()
    if rows:
        connection.execute(sql.SQL("drop view {}").format(sql.SQL(", ").join(sql.Identifier(*row) for row in rows)))


def create_views(connection: Connection) -> None:
    """Make every view, with its grants and comments. Raises MigrateError for a column that nothing is said about."""
    connection.execute(sql.SQL("").join(view.definition() for view in read_views()))
    columns = connection.execute(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relkind = 'v' and c.relnamespace = 'report'::regnamespace and a.attnum > 0"
    ).fetchall()
    comments = ColumnComments.read()
    connection.execute(
        sql.SQL("").join(
            sql.SQL("comment on column {} is {};\n").format(
                sql.Identifier("report", view, column), comments.of(view, column)
            )
            for view, column in columns
        )
    )


@dataclass(frozen=True)
class ColumnComments:
    """What columns mean: in every view, and where a view's column means something else."""

    columns: dict[str, str]
    views: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> ColumnComments:
        """As the file says."""
        return cls(**yaml.safe_load(COLUMN_COMMENTS.read_text(encoding="utf-8")))

    def of(self, view: str, column: str) -> str:
        """A column's comment. Raises MigrateError if there is none."""
        found = self.views.get(view, {}).get(column) or self.columns.get(column)
        if found is None:
            raise MigrateError(f"say what report.{view}.{column} means, in {COLUMN_COMMENTS.name}")
        return found


def _view_files() -> list[Path]:
    return [path for schema in SCHEMAS for path in sorted((INCLUDE / schema).glob("*.sql"))]
