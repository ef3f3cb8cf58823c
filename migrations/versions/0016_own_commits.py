"""What a pull request reverts by its commit; its own commits are queued for the DORA stage."""

from migrations.run_sql import run_sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0016_own_commits.up.sql")


def downgrade() -> None:
    run_sql("0016_own_commits.down.sql")
