"""The tables. Times are microseconds since the Unix epoch, UTC; ids are ULIDs; scopes are separated by spaces; secrets are digests."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    text,
)

from auth_svc.domain import QUOTA_NAMES

metadata = MetaData()

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("require_second_factor", SmallInteger, nullable=False, server_default=text("0")),
    Column("password_off", SmallInteger, nullable=False, server_default=text("0")),
)

# One row at most: whoever inserts it makes the first tenant, which is the operator's.
installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    CheckConstraint("id = 1", name="installation_once"),
)

# What differs from the rule, of tenants that are there or were deleted not long ago. A quota that is NULL is that of the installation.
tenant_terms = Table(
    "tenant_terms",
    metadata,
    Column("tenant_id", String(26), primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    *(Column(name, BigInteger) for name in QUOTA_NAMES),
)

# Tenants that are being deleted, or were. It stays, and outlives the tenant. `prior_…`: what undeleting goes back to.
tenant_deletions = Table(
    "tenant_deletions",
    metadata,
    Column("tenant_id", String(26), primary_key=True),
    Column("deleted_by", Text, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Column("purge_at", BigInteger, nullable=False),
    Column("began_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("export_sha256", String(64), nullable=False),
    Column("prior_state", Text, nullable=False),
    Column("prior_reason", Text, nullable=False),
)

# One row: the version of all terms.
tenant_book = Table(
    "tenant_book",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="tenant_book_once"),
)

# The roles of a tenant's own; "owner", "admin", "operator" and "viewer" are in no row.
roles = Table(
    "roles",
    metadata,
    Column("tenant_id", String(26), ForeignKey("tenants.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("username", Text),
    Column("username_key", Text),
    Column("locale", Text, nullable=False, server_default=text("''")),
    Column("verified_at", BigInteger),
    Column("deactivated_at", BigInteger),
    Index("users_email_key", "email_key", unique=True),
    Index("users_username_key", "username_key", unique=True),
    Index("users_tenant", "tenant_id", "id"),
)

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("maker", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deactivated_at", BigInteger),
    Index("service_accounts_tenant", "tenant_id", "id"),
)

_OPEN_INVITATION = text("user_id = '' AND revoked_at IS NULL")

# One invitation of an address and tenant is open at a time; one that has expired is as well, until it is revoked or sent again.
invitations = Table(
    "invitations",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("email", "email_key", "role", "inviter", "locale")),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("user_id", String(26), nullable=False),
    Column("revoked_at", BigInteger),
    Index("invitations_tenant", "tenant_id", "id"),
    Index(
        "invitations_open",
        "tenant_id",
        "email_key",
        unique=True,
        postgresql_where=_OPEN_INVITATION,
        sqlite_where=_OPEN_INVITATION,
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("ends_at", BigInteger),
    Column("client_address", Text, nullable=False, server_default=text("''")),
    Column("user_agent", Text, nullable=False, server_default=text("''")),
    Column("proof", Text, nullable=False, server_default=text("'PASSWORD'")),
    Column("proven_at", BigInteger),
    Column("provider", String(63), nullable=False, server_default=text("''")),
    Column("issuer", Text, nullable=False, server_default=text("''")),
    Column("issuer_session", String(64), nullable=False, server_default=text("''")),
    Index("sessions_user", "user_id"),
    Index("sessions_provider", "provider", postgresql_where=text("provider <> ''"), sqlite_where=text("provider <> ''")),
)

# Clients that have signed in to an account before: digests of their tokens, and of where they came from.
known_clients = Table(
    "known_clients",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Index("known_clients_used", "last_used_at"),
)

# What somebody who registers said, until the address is confirmed: there is neither a tenant nor a user before that.
registrations = Table(
    "registrations",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("email", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("tenant_display_name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("registrations_expires", "expires_at"),
)

# Other addresses that users asked for. `void`: replaced by a later wish, or taken back.
address_changes = Table(
    "address_changes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("address_before", Text, nullable=False),
    Column("address_after", Text, nullable=False),
    Column("session_id", String(26), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("void", SmallInteger, nullable=False, server_default=text("0")),
    Index("address_changes_user", "user_id", "created_at"),
    Index("address_changes_created", "created_at"),
)

# A token that was used stays until it would have expired.
one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("tenant_id", String(26), nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("one_time_tokens_subject", "subject", "purpose"),
    Index("one_time_tokens_expires", "expires_at"),
)

# A mail that was sent stays for a day: how many an address gets in an hour is counted here. None holds a link.
account_mails = Table(
    "account_mails",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done_at", BigInteger),
    Index("account_mails_address", "address_key", "kind", "created_at"),
    Index("account_mails_due", "due_at", postgresql_where=text("done_at IS NULL"), sqlite_where=text("done_at IS NULL")),
    Index("account_mails_created", "created_at"),
)

# A spent token stays until it would have expired: that is how its second use is noticed.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("session_id", String(26), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("spent_at", BigInteger),
    Column("browser", Boolean, nullable=False, server_default=false()),
    Index("refresh_tokens_session", "session_id"),
    Index("refresh_tokens_expires", "expires_at"),
)

# A key belongs to a user or to a service account, which is deleted with its keys in one transaction.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("tenant_id", String(26), ForeignKey("tenants.id"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("user_id", String(26)),
    Column("service_account_id", String(26)),
    Column("maker", Text, nullable=False, server_default=text("''")),
    Column("last_address", Text, nullable=False, server_default=text("''")),
    Column("previous_digest", String(64)),
    Column("previous_expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("warned_days", Integer),
    Index("api_keys_digest", "digest", unique=True),
    Index("api_keys_previous", "previous_digest", unique=True),
    Index("api_keys_tenant", "tenant_id", "id"),
    Index("api_keys_user", "user_id"),
    Index("api_keys_service_account", "service_account_id"),
    Index("api_keys_expires", "expires_at"),
)
