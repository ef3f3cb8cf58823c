"""./pulse schema: writes migrations/schema.sql, what the migrations come to."""

from __future__ import annotations

import re
import secrets
from collections import defaultdict

from migrations.views import read_views
from stack.paths import ROOT
from stack.postgres.account import run_as
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, temporary_cluster

SCHEMA_FILE = ROOT / "migrations" / "schema.sql"

HEADER = """\
-- The tables and functions that the migrations come to, as pg_dump shows them, sorted by table. Generated: edit a migration
-- and run ./pulse schema. The views are in include/sql/report and include/sql/core, one file each.
"""
# pg_dump writes a comment of three lines before each object.
OBJECT = re.compile(r"^--\n-- Name: .*\n--\n", re.MULTILINE)
# The table that a statement is about: CREATE TABLE core.x, CREATE INDEX … ON core.x, COMMENT ON COLUMN core.x.y, …
TABLE = re.compile(r"\b(?:TABLE|ONLY|ON|COLUMN) ((?:audit|core|raw)\.\w+)")


def schema_text(cluster: Cluster, database: str) -> str:
    """What migrations/schema.sql says when it was made from a database: no view, no owner, no version, no name of a machine."""
    dump = run_as(
        cluster.account,
        [
            str(cluster.binaries / "pg_dump"),
            "--schema-only",
            "--no-owner",
            "--restrict-key=none",
            *(f"--schema={schema}" for schema in ("audit", "core", "raw", "report")),
            *(f"--exclude-table={view.full_name}" for view in read_views()),
            "--dbname",
            cluster.primary.url("postgres", database),
        ],
    )
    sections: dict[str, list[str]] = defaultdict(list)
    for entry in OBJECT.split(dump.partition("\n-- PostgreSQL database dump complete")[0])[1:]:
        statement = re.sub(r"\n    (?=ADD CONSTRAINT)", " ", entry.strip().removesuffix("--").strip())
        table = TABLE.search(statement.partition("\n")[0])
        if table:
            sections[table.group(1)].append(statement.replace("\n\n", "\n"))
        else:
            sections[""].append(statement)
    return "\n\n".join([HEADER.strip(), *(_section(name, sections[name]) for name in sorted(sections))]) + "\n"


def _section(table: str, statements: list[str]) -> str:
    """A table with all that belongs to it, or (without a name) schemas and functions."""
    if not table:
        return "\n\n".join(statements)
    return "\n".join([f"-- {table} {'-' * (116 - len(table))}", *statements])


if __name__ == "__main__":
    with temporary_cluster(secrets.token_hex(16), light=True) as made:
        SCHEMA_FILE.write_text(schema_text(made, TEMPLATE), encoding="utf-8")
    print(f"{SCHEMA_FILE.relative_to(ROOT)} is written.")
