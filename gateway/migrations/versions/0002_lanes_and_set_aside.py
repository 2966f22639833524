"""Lanes, and calls that are set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "calls",
        sa.Column(
            "lane", sa.Text, nullable=False, server_default=sa.text("''"), comment="Calls of one keep their order; a tenant, or @address."
        ),
    )
    op.execute("UPDATE calls SET lane = CASE WHEN tenant = '' THEN '@' ELSE tenant END")
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
    op.drop_index("calls_by_lane", "calls")
    op.drop_column("calls", "lane")
