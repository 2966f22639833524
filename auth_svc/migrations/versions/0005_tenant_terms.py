"""What the operator has settled for tenants: suspension, quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant_terms",
        sa.Column("tenant_id", sa.String(26), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("alarms", "fires_per_minute", "messages_per_day", "storage_bytes")),
    )
    book = op.create_table(
        "tenant_book",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="tenant_book_once"),
    )
    op.bulk_insert(book, [{"id": 1, "version": 1}])


def downgrade() -> None:
    op.drop_table("tenant_book")
    op.drop_table("tenant_terms")
