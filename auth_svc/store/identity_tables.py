"""The tables of identity providers; of the same form as the others."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, String, Table, Text, text

from auth_svc.store.tables import metadata

# Issuers whose word signs people in to a tenant. Lists are JSON; the secret is sealed.
identity_providers = Table(
    "identity_providers",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("display_name", "issuer", "client_id", "client_secret", "default_role")),
    *(Column(name, Text, nullable=False) for name in ("scopes", "groups_claim", "role_rules", "allowed_domains")),
    *(Column(name, SmallInteger, nullable=False) for name in ("create_users", "link_by_email", "listed", "disabled")),
    Column("session_seconds", BigInteger),
    Column("sign_out_at_issuer", SmallInteger, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("identity_providers_tenant", "tenant_id", "id"),
)

# What issuers call users. It outlives the provider: another one with the same issuer knows them again.
user_identities = Table(
    "user_identities",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("user_identities_subject", "tenant_id", "issuer", "subject", unique=True),
    Index("user_identities_user", "user_id"),
)

# Sign-ins at identity providers that are under way, by the digest of their state.
oidc_sign_ins = Table(
    "oidc_sign_ins",
    metadata,
    Column("state", String(64), primary_key=True),
    Column("provider_id", String(63), ForeignKey("identity_providers.id", ondelete="CASCADE"), nullable=False),
    Column("binding", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("oidc_sign_ins_expires", "expires_at"),
    Index("oidc_sign_ins_provider", "provider_id"),
)

# Logout tokens that were used: digests of their ids. They work once.
oidc_logouts = Table(
    "oidc_logouts",
    metadata,
    Column("provider_id", String(63), ForeignKey("identity_providers.id", ondelete="CASCADE"), primary_key=True),
    Column("token", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("oidc_logouts_expires", "expires_at"),
)
