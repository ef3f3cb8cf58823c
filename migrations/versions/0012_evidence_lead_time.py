"""What is behind the lead time is a view of its own: the deployed changes, by when they were deployed."""

from migrations.run_sql import run_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0012_evidence_lead_time.up.sql")


def downgrade() -> None:
    run_sql("0012_evidence_lead_time.down.sql")
