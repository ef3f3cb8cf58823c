"""Roles, grants and row-level security."""

from migrations.run_sql import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0004_roles_policies.up.sql")


def downgrade() -> None:
    run_sql("0004_roles_policies.down.sql")
