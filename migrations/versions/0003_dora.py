"""The DORA model: facts, links and published numbers."""

from migrations.run_sql import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0003_dora.up.sql")


def downgrade() -> None:
    run_sql("0003_dora.down.sql")
