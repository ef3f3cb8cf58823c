"""The DORA model: what moved, facts with their durations, publications and their history, quality checks, benchmarks."""

from migrations.run_sql import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0007_dora_model.up.sql")


def downgrade() -> None:
    run_sql("0007_dora_model.down.sql")
    run_sql("0005_report.up.sql")
