"""Layers of rotations take their shifts from calendars.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rotation_calendars",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rotation", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False, comment="When it is read again."),
        sa.Column("read", sa.BigInteger, nullable=True, comment="When it was read last; null: never."),
        sa.Column("error", sa.Text, nullable=False, comment="Why it cannot be read now; empty: it can."),
        sa.PrimaryKeyConstraint("tenant", "rotation", "url"),
    )
    op.create_index("ix_rotation_calendars_due", "rotation_calendars", ["due"])


def downgrade() -> None:
    op.drop_index("ix_rotation_calendars_due", table_name="rotation_calendars")
    op.drop_table("rotation_calendars")
