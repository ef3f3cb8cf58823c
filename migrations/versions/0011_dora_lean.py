"""Fewer indexes and columns on what the dora stage writes; the issues that a change names stand in its row."""

from migrations.run_sql import run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0011_dora_lean.up.sql")


def downgrade() -> None:
    run_sql("0011_dora_lean.down.sql")
