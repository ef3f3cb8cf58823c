"""Takes over databases made by the seventeen migrations that were squashed into 0001 to 0007. Delete it when none is left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg

from migrations.errors import MigrateError

VERSIONS = Path(__file__).resolve().parent / "versions"

OLD_REVISIONS = re.compile(r"00(0\d|1[0-7])")
OLD_HEAD = "0017"
OLD_HEAD_COMMIT = "fc77a38"
# Both made the same schema, apart from the wording of comments.
SQUASHED = "0007_roles"

COMMENT = re.compile(r"^comment on .*?';$", re.MULTILINE | re.DOTALL)


def take_over(connection: psycopg.Connection[Any], revision: str) -> str:
    """The revision of the database, which is SQUASHED from now on when it was OLD_HEAD. Raises MigrateError for older ones."""
    if revision == OLD_HEAD:
        connection.execute("update public.alembic_version set version_num = %s", [SQUASHED])
        for path in sorted(VERSIONS.glob("*.sql")):
            if path.stem <= SQUASHED:
                connection.execute("\n".join(COMMENT.findall(path.read_text(encoding="utf-8"))).encode())
        return SQUASHED
    if OLD_REVISIONS.fullmatch(revision):
        raise MigrateError(
            f"the database was last started by a version that is too old (revision {revision}). Start the version of"
            f" commit {OLD_HEAD_COMMIT} on it once, then this one"
        )
    return revision
