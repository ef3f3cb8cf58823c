"""Flow metrics of Jira: work items, time in status, sprints, published numbers."""

from migrations.run_sql import run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0008_work.up.sql")


def downgrade() -> None:
    run_sql("0008_work.down.sql")
