"""The spool: calls that wait, and those that were set aside.

The first revision bears the number of the last one before it, so that a database that was migrated step by step is up to date.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
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
        sa.Column(
            "lane", sa.Text, nullable=False, server_default=sa.text("''"), comment="Calls of one keep their order; a tenant, or @address."
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("calls_by_lane", "calls", ["lane", "number"])
    op.create_table(
        "set_aside",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="As it was in calls."),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("set_aside_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, comment="The class of the error."),
        sa.Column("message", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("set_aside")
    op.drop_table("calls")
