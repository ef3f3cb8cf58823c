"""Fewer keys and look-ups where the dora stage writes a row a change or number."""

from migrations.run_sql import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0009_dora_speed.up.sql")


def downgrade() -> None:
    run_sql("0009_dora_speed.down.sql")
