"""Brings a database to this version: tables and roles, raw tables, views, seeds, texts, in one transaction.

Who reads meanwhile sees the old state or the new one, on the connection that they have. Parts whose files have not
changed are left alone: then no lock is taken that a reader or writer would have to wait for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, pool

from migrations import raw, seeds, texts, views
from migrations.errors import MigrateError
from migrations.takeover import take_over
from pulse import languages, source_types

ROOT = Path(__file__).resolve().parent.parent

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Part:
    """A part of the schema that comes from files. They are applied again when one of them, or the code, has changed."""

    name: str
    files: Callable[[], list[Path]]
    apply: Callable[[Connection], None]

    def digest(self) -> str:
        """A digest of the names and the content of the files."""
        found = hashlib.sha256()
        for path in self.files():
            content = path.read_bytes()
            found.update(f"{path.parent.name}/{path.name} {len(content)}\n".encode() + content)
        return found.hexdigest()


RAW = Part("raw", raw.files, raw.make_missing)
VIEWS = Part("views", views.files, views.create_views)
SEEDS = Part("seeds", seeds.files, seeds.load)
TEXTS = Part("texts", texts.files, texts.load)


def migrate(url: str) -> None:
    """Bring the database at `url` (postgresql://, as pulse_owner) to this version. Two runs at once wait for each other.

    Raises MigrateError, or what PostgreSQL raises; nothing has changed then.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin():
        driver: Connection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.execute("select pg_advisory_xact_lock(hashtext('pulse.migrate'))")
        driver.execute("create table if not exists public.migrated_parts (part text primary key, digest text not null)")
        configuration = alembic_config()
        pending = _is_behind(driver, ScriptDirectory.from_config(configuration))
        changed = [
            part for part in (RAW, VIEWS, SEEDS, TEXTS) if pending or _stored_digest(driver, part) != part.digest()
        ]
        if VIEWS in changed:
            views.drop_views(driver)
        if pending:
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
        for part in changed:
            part.apply(driver)
            _store_digest(driver, part)


def folders() -> list[Path]:
    """The folders and files that decide what `migrate` does."""
    of_views = [views.INCLUDE / schema for schema in views.SCHEMAS]
    return [ROOT / "migrations", *source_types.declaration_files(), *of_views, seeds.FOLDER, languages.FOLDER]


def alembic_config() -> Config:
    """Alembic's configuration; `migrate` adds the connection."""
    return Config(str(ROOT / "alembic.ini"))


def _is_behind(driver: Connection, scripts: ScriptDirectory) -> bool:
    """Whether migrations are waiting. Raises MigrateError if the database has a version that cannot be migrated."""
    revision = _revision(driver)
    if revision is None:
        return True
    revision = take_over(driver, revision)
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise MigrateError(
            f"the database was last started by a newer version (revision {revision}): start that one, or restore a"
            " backup that was made before"
        )
    return revision != scripts.get_current_head()


def _revision(driver: Connection) -> str | None:
    if driver.execute("select to_regclass('public.alembic_version')").fetchone() == (None,):
        return None
    row = driver.execute("select version_num from public.alembic_version").fetchone()
    return row[0] if row else None


def _stored_digest(driver: Connection, part: Part) -> str | None:
    row = driver.execute("select digest from public.migrated_parts where part = %s", [part.name]).fetchone()
    return row[0] if row else None


def _store_digest(driver: Connection, part: Part) -> None:
    driver.execute(
        "insert into public.migrated_parts (part, digest) values (%s, %s)"
        " on conflict (part) do update set digest = excluded.digest",
        [part.name, part.digest()],
    )
