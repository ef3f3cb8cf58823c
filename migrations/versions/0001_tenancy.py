"""Clients, users, sessions, settings, integrations, runs and checkpoints."""

from migrations.run_sql import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0001_tenancy.up.sql")


def downgrade() -> None:
    run_sql("0001_tenancy.down.sql")
