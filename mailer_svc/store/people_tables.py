"""The tables of whom: people, what they want, and what is on its way to them. Times are microseconds since the epoch."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, SmallInteger, Table, Text, UniqueConstraint, text

from mailer_svc.store.tables import metadata

# Ids are compared byte by byte, in every database alike: their order is that of Python's strings.
ID = Text().with_variant(Text(collation="C"), "postgresql")
_OPEN = text("closed IS NULL")
_ABOUT = text("incident <> ''")
_DUE = text("due IS NOT NULL")

recipients = Table(
    "recipients",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("name_key", ID, nullable=False, comment="The display name without the difference of cases, for searches."),
    Column("locale", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("attributes", Text, nullable=False, comment="JSON object."),
    Column("rules", Text, nullable=False, server_default=text("''"), comment="JSON: the personal rules; empty: there are none."),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index("ix_recipients_name", "tenant", "name_key"),
)

addresses = Table(
    "addresses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("recipient", ID, nullable=False),
    Column("channel", Text, nullable=False),
    Column("value", Text, nullable=False, comment="In its normal form."),
    Column("state", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False, comment="Why it is RETIRED."),
    Column("code_hash", Text, nullable=False, comment="Of the code that was sent to it; empty if none stands."),
    Column("code_expires", BigInteger, nullable=False),
    Column("code_attempts", Integer, nullable=False),
    Column("code_sent", BigInteger, nullable=False, comment="When the last code was sent; 0: none was."),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    UniqueConstraint("tenant", "channel", "value", name="uq_addresses_value"),
    Index("ix_addresses_recipient", "tenant", "recipient"),
)

groups = Table(
    "groups",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("group_id", ID, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False, comment="What the member is: 1 a recipient, 2 a group."),
    Column("member", ID, primary_key=True),
    Index("ix_group_members_member", "tenant", "kind", "member"),
)

categories = Table(
    "categories",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("channels", Text, nullable=False, comment="JSON list of the default channels."),
    Column("digest_window", BigInteger, nullable=False, comment="Microseconds; 0: no digest."),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

preferences = Table(
    "preferences",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("recipient", ID, primary_key=True, comment="Empty: what holds for the tenant unless a recipient says otherwise."),
    Column("document", Text, nullable=False, comment="JSON: choices, quiet hours, cap."),
    Column("updated", BigInteger, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True, comment="In its normal form."),
    Column("category", Text, primary_key=True, comment="Empty: every message, whatever its category."),
    Column("id", ID, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("source", Text, nullable=False, comment="Who says so: a delivery, a provider, a user."),
    Column("detail", Text, nullable=False),
    Column("until", BigInteger, comment="Null: for ever."),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("tenant", "id", name="uq_suppressions_id"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("firing", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("category", Text, nullable=False),
    Column("channels", Text, nullable=False, comment="JSON list; empty: the category's, or the default one."),
    Column("addresses", Text, nullable=False, comment="JSON list."),
    Column("recipients", Text, nullable=False, comment='JSON list: "recipients/…", "groups/…".'),
    Column("content", Text, nullable=False, comment="JSON: a template and its variables, or inline text."),
    Column("metadata", Text, nullable=False, comment="JSON object of the caller's; empty: none."),
    Column("status_url", Text, nullable=False, comment="Who is told of changes; empty: nobody."),
    Column("state", SmallInteger, nullable=False),
    Column("detail", Text, nullable=False, comment="Why it FAILED."),
    Column("cursor", Text, nullable=False, comment="How far the deliveries are made."),
    Column("due", BigInteger, comment="When it is to be expanded, or the claim ends; null when that is done."),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("resend", Boolean, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("send_time", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("incident", Text, nullable=False, server_default=text("''"), comment="Id of the incident that it is about; empty: none."),
    Column("urgent", Boolean, nullable=False, server_default=text("false"), comment="Whether that incident is."),
    Index("ix_notifications_due", "lane", "due", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("ix_notifications_tenant_created", "tenant", "created", "id"),
    Index("ix_notifications_incident", "tenant", "incident", sqlite_where=_ABOUT, postgresql_where=_ABOUT),
)

digests = Table(
    "digests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False, comment="Of recipient, channel, address and category."),
    Column("recipient_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closes", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("delivery", Text, nullable=False, comment="What it became; empty while it is open."),
    # One is open at a time.
    Index("uq_digests_open", "tenant", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_digests_closes", "closes", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

digest_members = Table(
    "digest_members",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("delivery", Text, primary_key=True),
    Column("joined", BigInteger, nullable=False),
)

providers = Table(
    "providers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="Place in the lane of its channel, from 0."),
    Column("enabled", Boolean, nullable=False),
    Column("config", Text, nullable=False, comment="JSON object without its secrets."),
    Column("secrets", Text, nullable=False, comment="JSON object of the secrets, sealed with a key of the installation."),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index("ix_providers_tenant", "tenant", "channel", "position"),
)

provider_events = Table(
    "provider_events",
    metadata,
    # What providers told, so that a callback that comes again changes nothing.
    Column("id", Text, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Index("ix_provider_events_received", "received"),
)

status_callbacks = Table(
    "status_callbacks",
    metadata,
    # Changes of deliveries that a caller is to be told of.
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False, comment="When it is to be sent, or the claim ends."),
    # What it tells of: a place in the order of all changes.
    Column("change", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Index("ix_status_callbacks_due", "due"),
    Index("ix_status_callbacks_url", "tenant", "url"),
)

followers = Table(
    "followers",
    metadata,
    # How far the order of all changes was read, by whom.
    Column("name", Text, primary_key=True),
    Column("change", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
)

template_parts = Table(
    "template_parts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("channel", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False, comment="As it is sent, styles inlined."),
    Column("html_source", Text, nullable=False, comment="As it was given."),
    Column("actions", Text, nullable=False, comment="JSON list of {label, url}."),
)
