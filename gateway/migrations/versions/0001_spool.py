"""The spool."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True, comment="Their order."),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False, comment="Empty when the call needs none."),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("calls")
