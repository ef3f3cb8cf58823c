"""What the sources said: raw payloads and typed GitHub and Jira tables."""

from migrations.run_sql import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0002_sources.up.sql")


def downgrade() -> None:
    run_sql("0002_sources.down.sql")
