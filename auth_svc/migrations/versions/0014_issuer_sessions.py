"""What issuers call the sessions that they have of people, and the logout tokens that were used."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("issuer", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("sessions", sa.Column("issuer_session", sa.String(64), nullable=False, server_default=sa.text("''")))
    op.add_column("identity_providers", sa.Column("sign_out_at_issuer", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "oidc_logouts",
        sa.Column("provider_id", sa.String(63), sa.ForeignKey("identity_providers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("oidc_logouts_expires", "oidc_logouts", ["expires_at"])


def downgrade() -> None:
    op.drop_table("oidc_logouts")
    op.drop_column("identity_providers", "sign_out_at_issuer")
    op.drop_column("sessions", "issuer_session")
    op.drop_column("sessions", "issuer")
