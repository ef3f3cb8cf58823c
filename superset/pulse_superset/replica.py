"""Reading the replica as somebody's own database login: the database decides what is in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extras import RealDictCursor

from pulse import environ
from pulse.languages import ENGLISH
from pulse.tenancy import role_password
from pulse_superset.accounts import DatabaseAway
from pulse_superset.connections import CONNECT_TIMEOUT_SECONDS


@contextmanager
def reading(login: str, purpose: str, language: str = ENGLISH, separators: str = "") -> Iterator[Any]:
    """A cursor of rows as dictionaries, in one read-only transaction that sees one moment. Raises DatabaseAway.

    `purpose` is what PostgreSQL's lists of sessions show, `language` that of the texts in the
    views, `separators` those of their numbers (of thousands, and of decimals; empty: the language's).
    """
    try:
        connection = psycopg2.connect(
            host=environ.REPLICA_HOST.get(),
            port=environ.REPLICA_PORT.get(),
            dbname=environ.DATABASE.get(),
            user=login,
            password=role_password(environ.READER_SECRET.get(), login),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=f"pulse superset {purpose}",
        )
    except psycopg2.OperationalError as error:
        raise DatabaseAway(f"replica: {error}") from error
    try:
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("set local pulse.language = %s; set local pulse.separators = %s", (language, separators))
            yield cursor
    except psycopg2.OperationalError as error:
        raise DatabaseAway(f"replica: {error}") from error
    finally:
        connection.close()
