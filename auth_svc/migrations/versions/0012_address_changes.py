"""Changes of addresses, until they are confirmed and while they can be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_changes",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("address_before", sa.Text, nullable=False),
        sa.Column("address_after", sa.Text, nullable=False),
        sa.Column("session_id", sa.String(26), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger),
        sa.Column("void", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    )
    op.create_index("address_changes_user", "address_changes", ["user_id", "created_at"])
    op.create_index("address_changes_created", "address_changes", ["created_at"])


def downgrade() -> None:
    op.drop_table("address_changes")
