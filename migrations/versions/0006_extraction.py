"""More of what the sources say; the census; budgets and warnings of a run."""

from migrations.run_sql import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0006_extraction.up.sql")


def downgrade() -> None:
    run_sql("0006_extraction.down.sql")
