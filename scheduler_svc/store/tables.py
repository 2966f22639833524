"""The scheduler's tables. Times are microseconds since the Unix epoch, UTC.

An index on firings is paid for with every occurrence, so what is rare in use is partial: a list of what went well reads the index by due
time, a list of what did not has its own.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

from scheduler_svc.domain import (
    FIRE_QUOTA,
    OPEN,
    PLAIN_FIELDS,
    SERIAL,
    SINGLE,
    TENANT_SUSPENDED,
    AlarmState,
    FiringState,
    Origin,
    Outcome,
    Priority,
)
from scheduler_svc.triggers import SignalKind
from tocsin.tenants.periods import QuotaPeriods

metadata = MetaData()


def one_of(numbers: Iterable[int]) -> str:
    """The right side of ``IN``: "(1, 2)"."""
    return f"({', '.join(f'{number:d}' for number in numbers)})"


# A partial index fits only a condition whose numbers stand in the text of the query, not in its parameters.
ACTIVE: Final = int(AlarmState.ACTIVE)
UNFINISHED: Final = one_of(OPEN)
"""States of firings that have an attempt before them."""

RUNNING_ALONE: Final = f"state IN {UNFINISHED} AND (flags & {SINGLE}) = {SINGLE}"
RUNNING_SERIALLY: Final = f"state IN {UNFINISHED} AND (flags & {SERIAL}) = {SERIAL}"
VERSION: Final = "CAST(coalesce({}.version, 0) AS bigint)"
"""The version of an alarm, as `scheduler_svc.store.mapping.alarm_of` reads it: one that was removed from its row is 0, so that the alarm
can be changed, and removed."""
SUSPENDED: Final = f"state = {AlarmState.PAUSED:d} AND pause_reason = '{TENANT_SUSPENDED}'"
OVER_QUOTA: Final = f"state = {AlarmState.PAUSED:d} AND pause_reason = '{FIRE_QUOTA}'"
PAUSABLE: Final = f"(state = {AlarmState.ACTIVE:d} OR {SUSPENDED} OR {OVER_QUOTA})"
"""Alarms that fire, or that wait for their tenant and will fire again by themselves."""
CRITICAL: Final = f"state = {ACTIVE} AND priority = {Priority.CRITICAL:d}"
_NOTABLE: Final = one_of((FiringState.RETRYING, FiringState.DEAD, FiringState.CLOSED))


def partial(name: str, *columns: Column[Any], where: str, unique: bool = False) -> None:
    """Adds an index of the rows that meet a condition to the table of its columns."""
    Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


# Ids are compared byte by byte: it is faster, and the same in every locale.
ID = Text().with_variant(Text(collation="C"), "postgresql")

# The columns of plain fields: those of a new one are made by its migration alone.
_PLAIN = {str: Text, int: Integer, bool: Boolean}
_ZERO = {str: text("''"), int: text("0"), bool: text("false")}
_WITHOUT_DEFAULT = frozenset(("display_name",))  # in every row since there are alarms

alarms = Table(
    "alarms",
    metadata,
    Column("id", ID, primary_key=True),
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
    Column("labels", Text, nullable=False, comment="JSON; alarm_labels is its index."),
    Column("traceparent", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="Firings in a row that failed for good."),
    Column("pause_reason", Text, nullable=False, server_default=text("''")),
    Column("rule_since", BigInteger, nullable=False, server_default=text("0"), comment="When it got its trigger; see alarm_rules."),
    *(
        Column(name, _PLAIN[kind], nullable=False, server_default=None if name in _WITHOUT_DEFAULT else _ZERO[kind])
        for name, kind in PLAIN_FIELDS.items()
    ),
)
partial("ix_alarms_due", alarms.c.next_fire_at, alarms.c.id, alarms.c.shard, alarms.c.priority, where=f"state = {ACTIVE}")
partial("ix_alarms_suspended", alarms.c.tenant, alarms.c.id, where=SUSPENDED)
partial("ix_alarms_over_quota", alarms.c.tenant, alarms.c.next_fire_at, alarms.c.id, alarms.c.shard, where=OVER_QUOTA)
partial("ix_alarms_urgent", alarms.c.next_fire_at, alarms.c.id, alarms.c.shard, where=CRITICAL)
Index("ix_alarms_tenant", alarms.c.tenant, alarms.c.id)
Index("ix_alarms_state", alarms.c.tenant, alarms.c.state, alarms.c.id)
partial("ix_alarms_priority", alarms.c.tenant, alarms.c.priority, alarms.c.id, where=f"priority <> {Priority.NORMAL:d}")
partial("ix_alarms_checks", alarms.c.tenant, alarms.c.id, where="kind = 'check'")
partial("ix_alarms_display_name", alarms.c.tenant, alarms.c.display_name, alarms.c.id, where="display_name <> ''")

partial("ux_alarms_key", alarms.c.tenant, alarms.c.key, unique=True, where="key <> ''")

USING_CALENDARS: Final = "trigger_rule LIKE '%\"calendars\":%'"
"""Alarms whose trigger holds what calendars say."""
partial("ix_alarms_calendars", alarms.c.tenant, alarms.c.id, where=USING_CALENDARS)

calendars = Table(
    "calendars",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("says", Text, nullable=False, comment="Its zone, dates, windows and iCalendar text, JSON."),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

alarm_rules = Table(
    "alarm_rules",
    metadata,
    Column("alarm", ID, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("until", BigInteger, nullable=False, comment="When the alarm got another trigger, or was removed."),
    Column("trigger_rule", Text, nullable=False),
    Column("anchor_at", BigInteger, nullable=False),
    Column("next_fire_at", BigInteger, comment="The first due time that was not in the ledger then."),
)
Index("ix_alarm_rules_tenant", alarm_rules.c.tenant, alarm_rules.c.alarm)
Index("ix_alarm_rules_until", alarm_rules.c.until)

signals = Table(
    "signals",
    metadata,
    Column("alarm", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False, comment="1 event, 2 threshold, 3 heartbeat, 4 pattern of topics."),
    Column("topic", Text, nullable=False, comment="The pattern of topics, the metric, or the key that a client chose for its pings."),
    Column("secret", Text, nullable=False, comment="The key that was made for its pings; empty without one."),
    Column("status", SmallInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("seen_at", BigInteger, comment="Last ping."),
    Column("until", BigInteger, comment="The trigger's end, as long as the alarm is not completed."),
    Column("slug", Text, nullable=False, server_default=text("''"), comment="Name of a heartbeat in addresses; empty without one."),
    Column("started_at", BigInteger, comment="When the job of a heartbeat began that has not ended."),
    Column("run_id", Text, nullable=False, server_default=text("''"), comment="The run that began then; empty without an id."),
    Column("duration", BigInteger, comment="Of the last run that ended, in microseconds."),
)
Index("ix_signals_topic", signals.c.tenant, signals.c.kind, signals.c.topic)
partial("ux_signals_ping", signals.c.tenant, signals.c.topic, unique=True, where=f"kind = {SignalKind.HEARTBEAT:d} AND topic <> ''")
partial("ux_signals_secret", signals.c.secret, unique=True, where="secret <> ''")
partial("ux_signals_slug", signals.c.tenant, signals.c.slug, unique=True, where="slug <> ''")
partial("ix_signals_until", signals.c.until, where="until IS NOT NULL")

inbound = Table(
    "inbound",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False, comment="1 event, 2 reading, 3 ping."),
    Column("event_id", Text, nullable=False, comment="Identity of an event or a reading; empty without one."),
    Column("topic", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("data", LargeBinary, comment="Serialised google.protobuf.Struct."),
    Column("matched", Integer, nullable=False),
    Column("rest", ID, comment="Alarms behind this one are still to be fired; null when all are."),
)
Index("ix_inbound_tenant", inbound.c.tenant, inbound.c.id)
partial("ix_inbound_rest", inbound.c.id, where="rest IS NOT NULL")
partial("ux_inbound_identity", inbound.c.tenant, inbound.c.kind, inbound.c.event_id, unique=True, where="event_id <> ''")

tenant_counts = Table(
    "tenant_counts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="Such as events, readings, topic:orders.paid."),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

quota_periods = QuotaPeriods(metadata)

readings = Table(
    "readings",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("value", Double, nullable=False),
    Column("measured_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

replans = Table(
    "replans",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("alarm", ID, nullable=False),
    Column("replanned_at", BigInteger, nullable=False),
    Column("tzdata_before", Text, nullable=False),
    Column("tzdata_after", Text, nullable=False),
    Column("due_before", BigInteger),
    Column("due_after", BigInteger),
)
Index("ix_replans_tenant", replans.c.tenant, replans.c.id)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True, comment="Such as tzdata/17: the version that shard 17 was computed with."),
    Column("value", Text, nullable=False),
)

alarm_labels = Table(
    "alarm_labels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("alarm", ID, primary_key=True),
    sqlite_with_rowid=False,
)

requests = Table(
    "requests",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("alarm", ID, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_requests_created_at", requests.c.created_at)

# On PostgreSQL each month has its partition, so every unique index contains the due time; `firing_ids` makes ids unique beside the rules.
firings = Table(
    "firings",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("alarm", ID, nullable=False, comment="Empty for an ad-hoc task."),
    Column("slot", Text, nullable=False, comment="Empty for a due time of the alarm; otherwise the id: it is beside the rule."),
    Column("shard", SmallInteger, nullable=False),
    Column("origin", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("due_at", BigInteger, primary_key=True, autoincrement=False),
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
    Column(
        "flags",
        SmallInteger,
        nullable=False,
        server_default=text("0"),
        comment="1: one after the other; 2: failures are counted; 4: one at a time.",
    ),
    Column("context", LargeBinary, comment="Serialised google.protobuf.Struct: what it is about, beside its alarm."),
    Column("failed", Text, comment="JSON: its messages that went wrong, [state, reason] by the name of the delivery."),
    postgresql_partition_by="RANGE (due_at)",
)
Index("ux_firings_occurrence", firings.c.alarm, firings.c.due_at, firings.c.slot, unique=True)
Index("ix_firings_tenant", firings.c.tenant, firings.c.due_at, firings.c.id)
partial("ix_firings_open", firings.c.priority, firings.c.ready_at, firings.c.id, where=f"state IN {UNFINISHED}")
partial("ix_firings_state", firings.c.tenant, firings.c.state, firings.c.due_at, firings.c.id, where=f"state IN {_NOTABLE}")
partial("ix_firings_outcome", firings.c.tenant, firings.c.outcome, firings.c.due_at, firings.c.id, where=f"outcome <> {Outcome.FIRED:d}")
partial("ix_firings_adhoc", firings.c.tenant, firings.c.due_at, firings.c.id, where=f"origin = {Origin.ADHOC:d}")
partial("ix_firings_serial", firings.c.alarm, firings.c.due_at, firings.c.id, where=RUNNING_SERIALLY)
partial("ix_firings_single", firings.c.alarm, where=RUNNING_ALONE)

firing_ids = Table(
    "firing_ids",
    metadata,
    Column("id", ID, primary_key=True, comment="A firing beside the rule of its alarm: there is one of this id in all partitions."),
    Column("due_at", BigInteger, nullable=False),
)
Index("ix_firing_ids_due", firing_ids.c.due_at)

firing_changes = Table(
    "firing_changes",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("change_no", BigInteger, primary_key=True, autoincrement=False, comment="Number of the transaction."),
    Column("changed_at", BigInteger, nullable=False),
    Column("ids", Text, nullable=False, comment="The firings that it changed, with blanks between."),
)
Index("ix_firing_changes_changed_at", firing_changes.c.changed_at)

archive_parts = Table(
    "archive_parts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("day", Text, nullable=False, comment="Of the due times in it (UTC), YYYY-MM-DD."),
    Column("committed", Boolean, nullable=False, comment="Its firings have left the ledger; before, it is a draft."),
)

shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False, comment="Incarnation of a replica; empty when free."),
    Column("epoch", BigInteger, nullable=False, comment="Grows with every change of the owner: the fencing token."),
    Column("lease_until", BigInteger, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("owner", Text, primary_key=True, comment="Incarnation of a replica."),
    Column("address", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("lock_key", BigInteger, comment="Key of the advisory lock that its process holds while it lives; null without one."),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
