"""The tables of who is on call. Times are microseconds since the epoch."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, UniqueConstraint, text

from mailer_svc.store.people_tables import ID
from mailer_svc.store.tables import metadata

_DUE = text("gaps_due IS NOT NULL")

rotations = Table(
    "rotations",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("document", Text, nullable=False, comment="JSON: time zone, layers, owner."),
    Column("gaps_due", BigInteger, comment="When gaps ahead are looked for again; null: nobody is told of them."),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index("ix_rotations_gaps_due", "gaps_due", sqlite_where=_DUE, postgresql_where=_DUE),
)

rotation_revisions = Table(
    "rotation_revisions",
    metadata,
    # What a rotation was, also after it was removed.
    Column("tenant", Text, primary_key=True),
    Column("rotation", ID, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False, comment="As in rotations; empty: it was removed."),
    Column("since", BigInteger, nullable=False, comment="When it came into force."),
    Column("until", BigInteger, comment="When another one did; null: it is in force."),
    Index("ix_rotation_revisions_until", "until"),
)

rotation_overrides = Table(
    "rotation_overrides",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("rotation", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("recipients", Text, nullable=False, comment="JSON list of ids."),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False, comment="When it ends, or ended because it was taken back."),
    Column("comment", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", BigInteger, nullable=False, comment="From when on it holds; unique in its rotation, for it says which one wins."),
    Column("deleted", BigInteger, comment="When it was taken back."),
    UniqueConstraint("tenant", "rotation", "created", name="uq_rotation_overrides_created"),
    Index("ix_rotation_overrides_ends", "ends"),
)

rotation_changes = Table(
    "rotation_changes",
    metadata,
    # When each rotation was changed last, in the order of all changes; also of one that was removed.
    Column("tenant", Text, primary_key=True),
    Column("rotation", ID, primary_key=True),
    Column("change", BigInteger, nullable=False, comment="Number of the transaction that changed it, or its overrides."),
    Index("ix_rotation_changes_change", "change"),
)

rotation_calendars = Table(
    "rotation_calendars",
    metadata,
    # Calendars that layers take their shifts from.
    Column("tenant", Text, primary_key=True),
    Column("rotation", ID, primary_key=True),
    Column("url", Text, primary_key=True),
    Column("due", BigInteger, nullable=False, comment="When it is read again."),
    Column("read", BigInteger, comment="When it was read last; null: never."),
    Column("error", Text, nullable=False, comment="Why it cannot be read now; empty: it can."),
    Index("ix_rotation_calendars_due", "due"),
)

calendar_feeds = Table(
    "calendar_feeds",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("subject", ID, primary_key=True, comment='"rotations/{id}" or "recipients/{id}".'),
    Column("token_hash", Text, nullable=False, comment="SHA-256 of the token in the feed's URL."),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("token_hash", name="uq_calendar_feeds_token"),
)
