"""Templates know which of their variables have to be given a value.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "Those of the variables that have to be given a value; null in rows of before 2026-12."
    with op.batch_alter_table("template_versions") as versions:
        versions.add_column(sa.Column("required", sa.Text, comment=comment))


def downgrade() -> None:
    with op.batch_alter_table("template_versions") as versions:
        versions.drop_column("required")
