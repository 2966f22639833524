"""Firings know which of their messages went wrong.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "JSON: its messages that went wrong, [state, reason] by the name of the delivery."
    op.add_column("firings", sa.Column("failed", sa.Text, comment=comment))


def downgrade() -> None:
    op.drop_column("firings", "failed")
