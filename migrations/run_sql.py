"""How a migration runs its SQL file."""

from pathlib import Path

from alembic import op

SQL = Path(__file__).resolve().parent / "sql"


def run_sql(name: str) -> None:
    """Run migrations/sql/`name` in the migration's transaction.

    Past SQLAlchemy, on the driver's own cursor without parameters: a `%` stays a `%`, and one file may hold many
    statements.
    """
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        cursor.execute((SQL / name).read_text(encoding="utf-8"))
