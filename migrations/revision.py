"""What a revision module needs: its ids from the file names, its SQL from the file next to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import op

from migrations.errors import MigrateError

Revision = tuple[str, str | None, Callable[[], None], Callable[[], None]]


def revision(module: str) -> Revision:
    """`revision`, `down_revision`, `upgrade` and `downgrade` of the module versions/NNNN_name.py.

    Its id is its name; it follows the file before it in the folder, and runs NNNN_name.sql.
    """
    path = Path(module)
    names = sorted(file.stem for file in path.parent.glob("[0-9]*.py"))
    before = [name for name in names if name < path.stem]

    def upgrade() -> None:
        run_sql(path.with_suffix(".sql"))

    return path.stem, before[-1] if before else None, upgrade, downgrade


def run_sql(path: Path) -> None:
    """Run a file in the migration's transaction.

    It goes past SQLAlchemy to the driver's own cursor, without parameters: a `%` stays a `%`, and one file may hold many
    statements.
    """
    connection: Any = op.get_bind().connection.driver_connection
    connection.execute(path.read_bytes())


def downgrade() -> None:
    """Refuse. Raises MigrateError."""
    raise MigrateError("migrations only go forward: to go back, restore a backup that was made before")
