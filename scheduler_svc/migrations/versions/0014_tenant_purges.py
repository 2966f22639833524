"""What was removed of tenants that are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant_purges",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "kind")),
        sa.Column("removed", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("tenant_purges")
