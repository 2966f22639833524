"""The tables of mailer_svc. Times are microseconds since the epoch."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, Table, Text, text

from tocsin.tenants.periods import QuotaPeriods

metadata = MetaData()
_QUEUED = text("due IS NOT NULL")
_HELD = text("hold_until IS NOT NULL")
_REFERENCED = text("reference <> ''")
_PERSONAL = text("recipient_id <> ''")
_NOTIFIED = text("notification <> ''")

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("firing", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("deferrals", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("resend", Boolean, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("next_attempt", BigInteger),
    # When a sender may take the row: the time of the next attempt, or the end of the claim that stands; null when nothing is left to do.
    Column("due", BigInteger),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    # Attempts go on until so long after this; 0: after ``created``.
    Column("since", BigInteger, nullable=False, server_default=text("0")),
    Column("recipient_id", Text, nullable=False, server_default=text("''")),
    Column("category", Text, nullable=False, server_default=text("''")),
    Column("notification", Text, nullable=False, server_default=text("''")),
    # Why it is HELD or SUPPRESSED.
    Column("reason", Text, nullable=False, server_default=text("''")),
    # When the gates are asked again; null unless it is HELD until a known time.
    Column("hold_until", BigInteger),
    # Of a member: the digest that it waits in or went out with.
    Column("digest", Text, nullable=False, server_default=text("''")),
    # The provider's name for the message.
    Column("reference", Text, nullable=False, server_default=text("''")),
    Index("ix_deliveries_tenant_created", "tenant", "created", "id"),
    Index("ix_deliveries_tenant_firing", "tenant", "firing"),
    Index("ix_deliveries_queue", "channel", "lane", "due", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    Index("ix_deliveries_held", "hold_until", sqlite_where=_HELD, postgresql_where=_HELD),
    Index("ix_deliveries_reference", "reference", sqlite_where=_REFERENCED, postgresql_where=_REFERENCED),
    Index("ix_deliveries_person", "tenant", "recipient_id", "created", sqlite_where=_PERSONAL, postgresql_where=_PERSONAL),
    Index("ix_deliveries_notification", "tenant", "notification", sqlite_where=_NOTIFIED, postgresql_where=_NOTIFIED),
)

contents = Table(
    "contents",
    metadata,
    Column("delivery", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("actions", Text, nullable=False, server_default=text("'[]'"), comment="JSON list of {label, url}."),
)

events = Table(
    "events",
    metadata,
    # Together the place in the order of all changes, see store/changes.py.
    Column("change", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("delivery", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", BigInteger),
    Column("provider", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_events_delivery", "delivery"),
)

reports = Table(
    "reports",
    metadata,
    # Deliveries whose end is to be told to the scheduler, and the change that is.
    Column("delivery", Text, primary_key=True),
    Column("change", BigInteger, primary_key=True, autoincrement=False),
)

changes = Table(
    "changes",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
    Column(
        "counted",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether it counts changes on PostgreSQL; else it is added.",
    ),
)

archive_parts = Table(
    "archive_parts",
    metadata,
    Column("id", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("day", Text, nullable=False, comment="On which the deliveries in it were accepted (UTC), YYYY-MM-DD."),
    Column("committed", Boolean, nullable=False, comment="Its deliveries have left the database; before, it is a draft."),
)

archive_lease = Table(
    "archive_lease",
    metadata,
    # One row, 1.
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False, comment="The replica that archives; empty when nobody does."),
    Column("until", BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
)

quota_periods = QuotaPeriods(metadata)

inbox_messages = Table(
    "inbox_messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("received", BigInteger, nullable=False),
    Index("ix_inbox_messages_tenant_received", "tenant", "received", "id"),
)

templates = Table(
    "templates",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("uid", Text, nullable=False),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("uid", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Column("required", Text, comment="Those of the variables that have to be given a value; null in rows of before 2026-12."),
    Column("resend", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("declared", Text, nullable=False, server_default=text("'[]'"), comment="JSON list of the variables that its author declared."),
)
