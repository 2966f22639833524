"""What an audit needs to know of the events of incidents.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    facts = "What an audit needs to know of it, JSON; null when its other columns say all."
    op.add_column("incident_events", sa.Column("facts", sa.Text, comment=facts))


def downgrade() -> None:
    op.drop_column("incident_events", "facts")
