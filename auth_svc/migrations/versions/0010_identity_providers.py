"""Identity providers, sign-ins under way, links of users to issuers, and whose word began a session."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BY_PROVIDER = sa.text("provider <> ''")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("password_off", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("sessions", sa.Column("provider", sa.String(63), nullable=False, server_default=sa.text("''")))
    op.create_index("sessions_provider", "sessions", ["provider"], postgresql_where=_BY_PROVIDER, sqlite_where=_BY_PROVIDER)
    _providers()
    _identities()


def _providers() -> None:
    op.create_table(
        "identity_providers",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("display_name", "issuer", "client_id", "client_secret", "default_role")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("scopes", "groups_claim", "role_rules", "allowed_domains")),
        *(sa.Column(name, sa.SmallInteger, nullable=False) for name in ("create_users", "link_by_email", "listed", "disabled")),
        sa.Column("session_seconds", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("identity_providers_tenant", "identity_providers", ["tenant_id", "id"])
    op.create_table(
        "oidc_sign_ins",
        sa.Column("state", sa.String(64), primary_key=True),
        sa.Column("provider_id", sa.String(63), sa.ForeignKey("identity_providers.id", ondelete="CASCADE"), nullable=False),
        sa.Column("binding", sa.String(64), nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("return_to", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("oidc_sign_ins_expires", "oidc_sign_ins", ["expires_at"])
    op.create_index("oidc_sign_ins_provider", "oidc_sign_ins", ["provider_id"])


def _identities() -> None:
    op.create_table(
        "user_identities",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_index("user_identities_subject", "user_identities", ["tenant_id", "issuer", "subject"], unique=True)
    op.create_index("user_identities_user", "user_identities", ["user_id"])


def downgrade() -> None:
    op.drop_table("user_identities")
    op.drop_table("oidc_sign_ins")
    op.drop_table("identity_providers")
    op.drop_index("sessions_provider", "sessions")
    op.drop_column("sessions", "provider")
    op.drop_column("tenants", "password_off")
