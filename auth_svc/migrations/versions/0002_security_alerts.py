"""Security alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "security_alerts",
        sa.Column("id", sa.String(32), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "kind", "severity", "subject", "place", "latest", "detail")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("count", "first_at", "last_at", "updated_at")),
        sa.Column("filed", sa.SmallInteger, nullable=False),
    )
    op.create_index("security_alerts_tenant", "security_alerts", ["tenant", "first_at", "id"])
    op.create_index("security_alerts_updated", "security_alerts", ["tenant", "updated_at", "id"])
    op.create_index("security_alerts_filed", "security_alerts", ["filed", "first_at"])
    op.create_index("security_alerts_last", "security_alerts", ["last_at"])
    op.create_table(
        "alert_batches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("alert_batches_created", "alert_batches", ["created_at"])


def downgrade() -> None:
    op.drop_table("alert_batches")
    op.drop_table("security_alerts")
