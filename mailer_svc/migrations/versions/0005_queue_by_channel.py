"""Each channel has a queue of its own.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUEUED = sa.text("due IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_queue",
        "deliveries",
        ["channel", "lane", "due"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
        if_not_exists=True,
    )
    op.drop_index("ix_deliveries_due", "deliveries", if_exists=True)


def downgrade() -> None:
    op.create_index("ix_deliveries_due", "deliveries", ["lane", "due"], sqlite_where=_QUEUED, postgresql_where=_QUEUED, if_not_exists=True)
    op.drop_index("ix_deliveries_queue", "deliveries", if_exists=True)
