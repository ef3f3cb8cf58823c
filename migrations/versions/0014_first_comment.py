"""The first review is the first review or comment of another person: pull requests are read once more for their comments."""

from migrations.run_sql import run_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0014_first_comment.up.sql")


def downgrade() -> None:
    run_sql("0014_first_comment.down.sql")
