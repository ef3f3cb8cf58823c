"""Reference data that is the same for every client: include/sql/seeds/<table>.csv is what core.<table> holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import ForeignKeyViolation

from migrations.errors import MigrateError

FOLDER = Path(__file__).resolve().parent.parent / "include" / "sql" / "seeds"

Connection = psycopg.Connection[Any]

KEY = """
    select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = %s::regclass and i.indisprimary
"""
STAGE = "create temporary table {stage} (like {table} including defaults) on commit drop"
# The first line must name columns of the table; a column that it leaves out gets its default.
COPY = "copy {stage} ({columns}) from stdin (format csv, header match)"
DELETE = "delete from {table} t where not exists (select from {stage} s where ({s_key}) = ({t_key}))"
WRITE = """
    merge into {table} t using {stage} s on ({s_key}) = ({t_key})
    when matched and t.* is distinct from s.* then update set ({columns}) = row ({s_columns})
    when not matched then insert ({columns}) values ({s_columns})
"""


def files() -> list[Path]:
    """The files that decide what the tables hold."""
    return [Path(__file__), *_csv_files()]


def load(connection: Connection) -> None:
    """Make every table equal to its file; only rows that differ are written. Raises MigrateError, naming the file."""
    for path in _csv_files():
        try:
            _load_file(connection, path)
        except ForeignKeyViolation as error:
            raise MigrateError(
                f"{path.name}: a row was removed that is still in use ({error.diag.message_detail})"
            ) from error
        except psycopg.Error as error:
            raise MigrateError(f"{path.name}: {error}") from error


def _load_file(connection: Connection, path: Path) -> None:
    """Make core.<name of the file> equal to the file."""
    content = path.read_text(encoding="utf-8")
    columns = content.partition("\n")[0].split(",")
    key = [column for (column,) in connection.execute(KEY, [f"core.{path.stem}"])]
    parts: dict[str, sql.Composable] = {
        "table": sql.Identifier("core", path.stem),
        "stage": sql.Identifier(f"seed_{path.stem}"),
        "columns": _list(columns),
        "s_columns": _list(columns, "s"),
        "s_key": _list(key, "s"),
        "t_key": _list(key, "t"),
    }
    connection.execute(sql.SQL(STAGE).format(**parts))
    with connection.cursor().copy(sql.SQL(COPY).format(**parts)) as copy:
        copy.write(content)
    connection.execute(sql.SQL(DELETE).format(**parts))
    connection.execute(sql.SQL(WRITE).format(**parts))


def _list(columns: list[str], of: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in columns)


def _csv_files() -> list[Path]:
    return sorted(FOLDER.glob("*.csv"))
