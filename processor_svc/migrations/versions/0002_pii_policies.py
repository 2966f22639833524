"""Policies on personal data."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    name = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "pii_policies",
        sa.Column("tenant", name, primary_key=True),
        sa.Column("id", name, primary_key=True),
        *(sa.Column(column, sa.Text, nullable=False) for column in ("measure", "area", "subject", "kinds")),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    version = op.create_table(
        "pii_version",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(version, [{"id": 1, "version": 1}])


def downgrade() -> None:
    op.drop_table("pii_version")
    op.drop_table("pii_policies")
