"""The commits of deployed changes by index; those of changes that wait behind them."""

from migrations.run_sql import run_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0017_change_commits.up.sql")


def downgrade() -> None:
    run_sql("0017_change_commits.down.sql")
