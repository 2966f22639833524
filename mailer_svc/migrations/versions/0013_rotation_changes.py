"""Changes of rotations can be watched.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rotation_changes",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rotation", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False, comment="Number of the transaction that changed it, or its overrides."),
        sa.PrimaryKeyConstraint("tenant", "rotation"),
    )
    op.create_index("ix_rotation_changes_change", "rotation_changes", ["change"])


def downgrade() -> None:
    op.drop_index("ix_rotation_changes_change", table_name="rotation_changes")
    op.drop_table("rotation_changes")
