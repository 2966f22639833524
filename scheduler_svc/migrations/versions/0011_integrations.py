"""Integrations, and the last payloads of each.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "integrations",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("key_hash", _ID, nullable=False, comment="SHA-256 of its key, in hexadecimal digits."),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False, comment="Id of the policy of its incidents; empty without one."),
        sa.Column("severity", sa.SmallInteger, nullable=False, comment="Of alerts that name none."),
        sa.Column("mapping", sa.Text, nullable=False, comment="Where its payloads say what, JSON; empty without a mapping."),
        sa.Column("by_group", sa.Boolean, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ux_integrations_key", "integrations", ["key_hash"], unique=True)
    op.create_table(
        "integration_payloads",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("integration", _ID, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False, comment="Bytes that came."),
        sa.Column("body", sa.Text, nullable=False, comment="The beginning of it, at most."),
        sa.Column("headers", sa.Text, nullable=False, comment="Those that belong to it, JSON."),
        sa.Column("outcome", sa.SmallInteger, nullable=False),
        sa.Column("field", sa.Text, nullable=False, comment="For which it was refused."),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False, comment="What became of its alerts, JSON."),
        sa.Column("incidents", sa.Text, nullable=False, comment="Ids of some of the incidents that it is about, JSON."),
    )
    op.create_index("ix_integration_payloads", "integration_payloads", ["tenant", "integration", "id"])


def downgrade() -> None:
    op.drop_table("integration_payloads")
    op.drop_table("integrations")
