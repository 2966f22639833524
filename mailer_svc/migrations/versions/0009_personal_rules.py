"""Recipients have personal rules, and notifications know whether their incident is urgent.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "JSON: the personal rules; empty: there are none."
    op.add_column("recipients", sa.Column("rules", sa.Text, nullable=False, server_default=sa.text("''"), comment=comment))
    comment = "Whether that incident is."
    op.add_column("notifications", sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.text("false"), comment=comment))


def downgrade() -> None:
    op.drop_column("notifications", "urgent")
    op.drop_column("recipients", "rules")
