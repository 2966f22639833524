"""Tenants that are deleted: the order, what every service has removed, and what was removed here."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant_deletions",
        sa.Column("tenant_id", sa.String(26), primary_key=True),
        sa.Column("deleted_by", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.BigInteger, nullable=False),
        sa.Column("purge_at", sa.BigInteger, nullable=False),
        sa.Column("began_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("export_sha256", sa.String(64), nullable=False),
        sa.Column("prior_state", sa.Text, nullable=False),
        sa.Column("prior_reason", sa.Text, nullable=False),
    )
    op.create_table(
        "tenant_purge_reports",
        sa.Column("tenant_id", sa.String(26), primary_key=True),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("service", "place", "kind")),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tenant_purges",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "kind")),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("tenant_purges")
    op.drop_table("tenant_purge_reports")
    op.drop_table("tenant_deletions")
