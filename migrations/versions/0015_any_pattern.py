"""One pattern of an admin's list of them."""

from migrations.run_sql import run_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0015_any_pattern.up.sql")


def downgrade() -> None:
    run_sql("0015_any_pattern.down.sql")
