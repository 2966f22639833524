"""Who is told of security alerts; those that are there already are told to nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("security_alerts", sa.Column("told", sa.SmallInteger, nullable=False, server_default=sa.text("2")))
    op.create_index(
        "security_alerts_untold",
        "security_alerts",
        ["tenant", "told"],
        postgresql_where=sa.text("told < 2"),
        sqlite_where=sa.text("told < 2"),
    )
    op.create_table(
        "alert_policies",
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("deliveries", sa.Text, nullable=False),
        sa.Column("digest_hour", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_digests",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )
    op.create_index("alert_digests_due", "alert_digests", ["due_at"])


def downgrade() -> None:
    op.drop_table("alert_digests")
    op.drop_table("alert_policies")
    op.drop_index("security_alerts_untold", "security_alerts")
    op.drop_column("security_alerts", "told")
