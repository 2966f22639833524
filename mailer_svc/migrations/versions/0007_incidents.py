"""Notifications know which incident they are about.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ABOUT = sa.text("incident <> ''")


def upgrade() -> None:
    comment = "Id of the incident that it is about; empty: none."
    op.add_column("notifications", sa.Column("incident", sa.Text, nullable=False, server_default=sa.text("''"), comment=comment))
    op.create_index("ix_notifications_incident", "notifications", ["tenant", "incident"], sqlite_where=_ABOUT, postgresql_where=_ABOUT)


def downgrade() -> None:
    op.drop_index("ix_notifications_incident", table_name="notifications")
    op.drop_column("notifications", "incident")
