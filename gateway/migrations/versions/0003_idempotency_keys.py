"""Answers to requests with an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.LargeBinary, primary_key=True, comment="Digest of tenant, caller, method and key."),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False, comment="Digest of the payload."),
        sa.Column("answer", sa.LargeBinary, comment="Sealed; null when it was too large to be kept."),
        sa.Column("created_at", sa.BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
