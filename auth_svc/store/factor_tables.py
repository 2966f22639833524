"""Tables of second factors; for the words see `auth_svc.store.tables`."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, String, Table, Text

from auth_svc.store.tables import metadata

# An app's secret is sealed. An app is no factor until it is confirmed.
factors = Table(
    "factors",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("confirmed", SmallInteger, nullable=False),
    Column("secret", Text, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("credential", Text),
    Column("public_key", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", Text, nullable=False),
    Column("synced", SmallInteger, nullable=False),
    Index("factors_user", "user_id", "id"),
    Index("factors_credential", "credential", unique=True),
)

# A code that was used stays, so that people see how many are left of how many.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
