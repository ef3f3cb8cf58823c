"""Days without a number are not published; fewer keys and one index less on what the dora stage writes."""

from migrations.run_sql import run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0010_dora_numbers.up.sql")


def downgrade() -> None:
    run_sql("0010_dora_numbers.down.sql")
