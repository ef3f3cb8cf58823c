"""./pulse schema: writes migrations/schema.sql, what the migrations come to, from a server of its own."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from migrations.views import read_views
from stack import postgres_roles
from stack.paths import ROOT
from stack.postgres import DATABASE, Cluster, Ports, free_port, running
from stack.postgres_account import run_as

SCHEMA_FILE = ROOT / "migrations" / "schema.sql"

HEADER = """\
-- The tables and functions that the migrations come to, as pg_dump shows them, sorted by table. Generated: edit a migration
-- and run ./pulse schema. The views are in include/sql/report and include/sql/core, one file each.
"""
# pg_dump writes a comment of three lines before each object.
OBJECT = re.compile(r"^--\n-- Name: .*\n--\n", re.MULTILINE)
# The table that a statement is about: CREATE TABLE core.x, CREATE INDEX … ON core.x, COMMENT ON COLUMN core.x.y, …
TABLE = re.compile(r"\b(?:TABLE|ONLY|ON|COLUMN) ((?:core|raw)\.\w+)")


def write_schema() -> None:
    """Write migrations/schema.sql."""
    with migrated_primary(secrets.token_hex(16), DATABASE) as cluster:
        SCHEMA_FILE.write_text(schema_text(cluster, DATABASE), encoding="utf-8")


def schema_text(cluster: Cluster, database: str) -> str:
    """What migrations/schema.sql says when it was made from a database: no view, no owner, no version, no name of a machine."""
    dump = run_as(
        cluster.account,
        [
            str(cluster.binaries / "pg_dump"),
            "--schema-only",
            "--no-owner",
            "--restrict-key=none",
            *(f"--schema={schema}" for schema in ("core", "raw", "report")),
            *(f"--exclude-table={view.full_name}" for view in read_views()),
            "--dbname",
            cluster.primary.conninfo("postgres", database),
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


@contextlib.contextmanager
def migrated_primary(secret: str, database: str) -> Iterator[Cluster]:
    """A primary in a temporary folder, without fsync, that runs for the time of a `with` block; `database` is migrated."""
    state = Path(tempfile.mkdtemp(prefix="pulse-temporary-"))
    state.chmod(0o755)
    cluster = Cluster(state, secret, Ports(free_port(), free_port(), free_port()), durable=False)
    try:
        cluster.prepare(cluster.primary)
        with running(cluster.primary, state / "primary.log"):
            postgres_roles.bootstrap_primary(cluster, database)
            postgres_roles.migrate(cluster, database)
            postgres_roles.secure_roles(cluster, database)
            yield cluster
        cluster.remove()
    finally:
        shutil.rmtree(state, ignore_errors=True)
