"""The tables of what happened: security alerts and the audit log."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, Text, text

from auth_svc.store.tables import metadata

# The id comes from what makes an alert the same one as another, and from the window of time: see `auth_svc.service.alerts`.
security_alerts = Table(
    "security_alerts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("latest", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("filed", SmallInteger, nullable=False),
    Column("told", SmallInteger, nullable=False, server_default=text("2")),
    Index("security_alerts_tenant", "tenant", "first_at", "id"),
    Index("security_alerts_updated", "tenant", "updated_at", "id"),
    Index("security_alerts_filed", "filed", "first_at"),
    Index("security_alerts_last", "last_at"),
    Index("security_alerts_untold", "tenant", "told", postgresql_where=text("told < 2"), sqlite_where=text("told < 2")),
)

# Batches of reports that were stored: one that comes again, because its answer was lost, is not counted twice.
alert_batches = Table(
    "alert_batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Index("alert_batches_created", "created_at"),
)

# Who is told of alerts, of tenants that have said so: lists and objects are JSON.
alert_policies = Table(
    "alert_policies",
    metadata,
    Column("tenant_id", String(26), ForeignKey("tenants.id"), primary_key=True),
    Column("recipients", Text, nullable=False),
    Column("deliveries", Text, nullable=False),
    Column("digest_hour", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Tenants with alerts that wait for the daily mail. No foreign key: alerts may be of a tenant that is gone.
alert_digests = Table(
    "alert_digests",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Index("alert_digests_due", "due_at"),
)

# The audit log. Triggers refuse any change of an entry, and any deletion but that of what lies before the anchor of its chain.
audit_logs = Table(
    "audit_logs",
    metadata,
    Column("tenant", String(26), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("service", "method", "subject", "session", "client_address", "user_agent")),
    *(Column(name, Text, nullable=False) for name in ("resource", "outcome", "detail", "request_id", "trace_id")),
    Column("count", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_logs_by_id", "tenant", "id", unique=True),
)

# The end of each tenant's chain, its last signed head, and where retention has cut it.
audit_chains = Table(
    "audit_chains",
    metadata,
    Column("tenant", String(26), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signed_number", BigInteger, nullable=False),
    Column("signed_hash", String(64), nullable=False),
    Column("signed_at", BigInteger, nullable=False),
    Column("signature", Text, nullable=False),
    Column("anchor_number", BigInteger, nullable=False),
    Column("anchor_hash", String(64), nullable=False),
    Column("anchor_signed_at", BigInteger, nullable=False),
    Column("anchor_signature", Text, nullable=False),
)

# Sessions and API keys that were deleted, for as long as an access token of theirs may live. Triggers write it, whoever deletes one.
# `ended_at` is of the database's clock, which orders what several replicas do; `used_at` is when the session or key was last used.
ended_credentials = Table(
    "ended_credentials",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("ended_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Index("ended_credentials_ended", "ended_at", "name"),
    Index("ended_credentials_used", "used_at"),
)

# Sessions and API keys whose owner, role, tenant, proof or secret has changed since a token of theirs was made. Triggers write it, whoever
# changes one. `changed_at` is of the database's clock.
changed_credentials = Table(
    "changed_credentials",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("changed_at", BigInteger, nullable=False),
    Index("changed_credentials_changed", "changed_at", "name"),
)
