"""Fires a minute: what tenants have used, and an index of the alarms that wait for the next minute."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_OVER_QUOTA = sa.text("state = 2 AND pause_reason = 'FIRE_QUOTA'")


def upgrade() -> None:
    op.create_table(
        "quota_periods",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="The quota."),
        sa.Column("period", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "period"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_alarms_over_quota",
        "alarms",
        ["tenant", "next_fire_at", "id", "shard"],
        sqlite_where=_OVER_QUOTA,
        postgresql_where=_OVER_QUOTA,
    )


def downgrade() -> None:
    op.drop_index("ix_alarms_over_quota", "alarms")
    op.drop_table("quota_periods")
