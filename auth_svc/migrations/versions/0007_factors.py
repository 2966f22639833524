"""Second factors: authenticator apps, passkeys, recovery codes, who has to have one, and by what a session was opened."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenants", sa.Column("require_second_factor", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("sessions", sa.Column("proof", sa.Text, nullable=False, server_default=sa.text("'PASSWORD'")))
    op.add_column("sessions", sa.Column("proven_at", sa.BigInteger))
    op.create_table(
        "factors",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("confirmed", sa.SmallInteger, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("credential", sa.Text),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("transports", sa.Text, nullable=False),
        sa.Column("synced", sa.SmallInteger, nullable=False),
    )
    op.create_index("factors_user", "factors", ["user_id", "id"])
    op.create_index("factors_credential", "factors", ["credential"], unique=True)
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )


def downgrade() -> None:
    op.drop_table("recovery_codes")
    op.drop_table("factors")
    op.drop_column("sessions", "proven_at")
    op.drop_column("sessions", "proof")
    op.drop_column("tenants", "require_second_factor")
