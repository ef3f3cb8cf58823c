"""When a custom source's change was first reviewed and approved."""

from migrations.run_sql import run_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0013_custom_reviews.up.sql")


def downgrade() -> None:
    run_sql("0013_custom_reviews.down.sql")
