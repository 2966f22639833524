"""The tables of pings that are kept, and of what a tenant shows to everybody. Times are microseconds since the Unix epoch, UTC."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text

from scheduler_svc.store.tables import ID, metadata, partial

pings = Table(
    "pings",
    metadata,
    Column("alarm", ID, primary_key=True),
    Column("id", ID, primary_key=True, comment="That of its entry in the log of what came from outside."),
    Column("tenant", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("exit_status", SmallInteger),
    Column("run_id", Text, nullable=False, comment="Empty without one."),
    Column("duration", BigInteger, comment="Of the run that it ended, in microseconds."),
    Column("method", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="Its first bytes."),
    Column("size", BigInteger, nullable=False, comment="Bytes of the whole body."),
    sqlite_with_rowid=False,
)
Index("ix_pings_received_at", pings.c.received_at)
partial("ix_pings_run", pings.c.alarm, pings.c.run_id, pings.c.kind, where="run_id <> ''")

ping_keys = Table(
    "ping_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("policy", Text, nullable=False, comment="Whom heartbeats tell that pings make; empty: they make none."),
    sqlite_with_rowid=False,
)
Index("ux_ping_keys_secret", ping_keys.c.secret, unique=True)

status_pages = Table(
    "status_pages",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("slug", Text, nullable=False, comment="Its name in addresses; empty without one."),
    Column("badge_secret", Text, nullable=False),
    Column("document", Text, nullable=False, comment="What is shown, JSON."),
    sqlite_with_rowid=False,
)
partial("ux_status_pages_slug", status_pages.c.slug, unique=True, where="slug <> ''")
Index("ux_status_pages_badge", status_pages.c.badge_secret, unique=True)
