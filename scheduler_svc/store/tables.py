"""The scheduler's tables. Times are microseconds since the Unix epoch, UTC.

An index on firings is paid for with every occurrence, so what is rare in use is partial: a list of what went well reads the index by due
time, a list of what did not has its own.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

metadata = MetaData()

# Ids are compared byte by byte: it is faster, and the same in every locale.
_ID = Text().with_variant(Text(collation="C"), "postgresql")

alarms = Table(
    "alarms",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("next_fire_at", BigInteger, comment="The first due time that is not in the ledger; null when none is left."),
    Column("ordinal", Integer, nullable=False, comment="Due times in the ledger."),
    Column("skip_before", BigInteger, comment="Due times before it passed in a pause."),
    Column("anchor_at", BigInteger, nullable=False, comment="What intervals count from."),
    Column("trigger_rule", Text, nullable=False, comment="The trigger, JSON."),
    Column("kind", Text, nullable=False),
    Column("action", LargeBinary, nullable=False, comment="Serialised tocsin.api.scheduler.v1.Action."),
    Column("retry", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("labels", Text, nullable=False, comment="JSON; alarm_labels is its index."),
    Column("traceparent", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("ix_alarms_due", alarms.c.next_fire_at, alarms.c.id, sqlite_where=text("state = 1"), postgresql_where=text("state = 1"))
Index("ix_alarms_tenant", alarms.c.tenant, alarms.c.id)
Index("ix_alarms_state", alarms.c.tenant, alarms.c.state, alarms.c.id)
Index(
    "ix_alarms_priority",
    alarms.c.tenant,
    alarms.c.priority,
    alarms.c.id,
    sqlite_where=text("priority <> 2"),
    postgresql_where=text("priority <> 2"),
)
Index(
    "ix_alarms_display_name",
    alarms.c.tenant,
    alarms.c.display_name,
    alarms.c.id,
    sqlite_where=text("display_name <> ''"),
    postgresql_where=text("display_name <> ''"),
)

alarm_labels = Table(
    "alarm_labels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("alarm", _ID, primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_alarm_labels_alarm", alarm_labels.c.alarm)

requests = Table(
    "requests",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("alarm", _ID, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_requests_created_at", requests.c.created_at)

firings = Table(
    "firings",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("alarm", _ID, nullable=False, comment="Empty for an ad-hoc task."),
    Column("slot", Text, nullable=False, comment="Empty for a due time of the alarm; otherwise the id: it is beside the rule."),
    Column("shard", SmallInteger, nullable=False),
    Column("origin", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("fired_at", BigInteger),
    Column("outcome", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("ready_at", BigInteger, comment="When the next attempt may begin; null when there is none."),
    Column("completed_at", BigInteger),
    Column("kind", Text, nullable=False),
    Column("action", LargeBinary, nullable=False, comment="Empty once an alarm's firing has succeeded."),
    Column("retry", Text, nullable=False),
    Column("result", LargeBinary, comment="Serialised google.protobuf.Struct."),
    Column("error", Text, nullable=False, server_default=text("''")),
    Column("traceparent", Text, nullable=False),
    Column("change_no", BigInteger, nullable=False, comment="Number of the transaction that changed it last."),
)
Index("ux_firings_occurrence", firings.c.alarm, firings.c.due_at, firings.c.slot, unique=True)
Index("ix_firings_tenant", firings.c.tenant, firings.c.due_at, firings.c.id)
Index("ix_firings_change", firings.c.tenant, firings.c.change_no, firings.c.id)
Index(
    "ix_firings_open",
    firings.c.priority,
    firings.c.ready_at,
    firings.c.id,
    sqlite_where=text("state IN (1, 2)"),
    postgresql_where=text("state IN (1, 2)"),
)
Index(
    "ix_firings_state",
    firings.c.tenant,
    firings.c.state,
    firings.c.due_at,
    firings.c.id,
    sqlite_where=text("state IN (2, 4, 5)"),
    postgresql_where=text("state IN (2, 4, 5)"),
)
Index(
    "ix_firings_outcome",
    firings.c.tenant,
    firings.c.outcome,
    firings.c.due_at,
    firings.c.id,
    sqlite_where=text("outcome <> 1"),
    postgresql_where=text("outcome <> 1"),
)
Index(
    "ix_firings_adhoc",
    firings.c.tenant,
    firings.c.due_at,
    firings.c.id,
    sqlite_where=text("origin = 2"),
    postgresql_where=text("origin = 2"),
)
Index("ix_firings_beside", firings.c.due_at, sqlite_where=text("origin <> 0"), postgresql_where=text("origin <> 0"))

shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False, comment="Incarnation of a replica; empty when free."),
    Column("epoch", BigInteger, nullable=False, comment="Grows with every change of the owner: the fencing token."),
    Column("lease_until", BigInteger, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
