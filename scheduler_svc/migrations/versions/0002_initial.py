"""Alarms and their rules, signals from outside, the ledger, shards and replicas.

The first revision bears the number of the second one before it, so that a database that was migrated step by step is up to date.
"""

import sqlalchemy as sa
from alembic import op

from tocsin.config import DatabaseFeature
from tocsin.database import lacks

revision = "0002"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SHARDS = 256
_TABLES = (
    *("replicas", "counters", "shards", "firing_changes", "firing_ids", "firings", "requests", "alarm_labels", "facts", "replans"),
    *("readings", "tenant_counts", "inbound", "signals", "alarm_rules", "alarms"),
)


def upgrade() -> None:
    _alarms()
    _alarm_rules()
    _signals()
    _inbound()
    _readings()
    _replans()
    _requests()
    _firings()
    _firing_indexes()
    _changes()
    _shards()


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _empty(name: str, *, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"), comment=comment)


def _zero(name: str, kind: type[sa.Integer], *, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"), comment=comment)


def _alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("next_fire_at", sa.BigInteger, comment="The first due time that is not in the ledger; null when none is left."),
        sa.Column("ordinal", sa.Integer, nullable=False, comment="Due times in the ledger."),
        sa.Column("skip_before", sa.BigInteger, comment="Due times before it passed in a pause."),
        sa.Column("anchor_at", sa.BigInteger, nullable=False, comment="What intervals count from."),
        sa.Column("trigger_rule", sa.Text, nullable=False, comment="The trigger, JSON."),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("action", sa.LargeBinary, nullable=False, comment="Serialised tocsin.api.scheduler.v1.Action."),
        sa.Column("retry", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False, comment="JSON; alarm_labels is its index."),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        _empty("key", comment="The client's own name of it; empty without one."),
        _zero("auto_pause_after", sa.Integer),
        _zero("failures", sa.Integer, comment="Firings in a row that failed for good."),
        _empty("pause_reason"),
        _zero("rule_since", sa.BigInteger, comment="When it got its trigger; see alarm_rules."),
    )
    # Whoever looks for what is due reads the index alone; a scheduler among several passes over what is due in the shards of the others.
    _partial("ix_alarms_due", "alarms", ["next_fire_at", "id", "shard", "priority"], "state = 1")
    _partial("ix_alarms_urgent", "alarms", ["next_fire_at", "id", "shard"], "state = 1 AND priority = 1")
    op.create_index("ix_alarms_tenant", "alarms", ["tenant", "id"])
    op.create_index("ix_alarms_state", "alarms", ["tenant", "state", "id"])
    _partial("ix_alarms_priority", "alarms", ["tenant", "priority", "id"], "priority <> 2")
    _partial("ix_alarms_display_name", "alarms", ["tenant", "display_name", "id"], "display_name <> ''")
    _partial("ux_alarms_key", "alarms", ["tenant", "key"], "key <> ''", unique=True)


def _alarm_rules() -> None:
    op.create_table(
        "alarm_rules",
        sa.Column("alarm", _ID, primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False, comment="When the alarm got another trigger, or was removed."),
        sa.Column("trigger_rule", sa.Text, nullable=False),
        sa.Column("anchor_at", sa.BigInteger, nullable=False),
        sa.Column("next_fire_at", sa.BigInteger, comment="The first due time that was not in the ledger then."),
    )
    op.create_index("ix_alarm_rules_tenant", "alarm_rules", ["tenant", "alarm"])
    op.create_index("ix_alarm_rules_until", "alarm_rules", ["until"])
    op.create_table(
        "alarm_labels",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("alarm", _ID, primary_key=True),
        sqlite_with_rowid=False,
    )


def _signals() -> None:
    op.create_table(
        "signals",
        sa.Column("alarm", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False, comment="1 event, 2 threshold, 3 heartbeat, 4 pattern of topics."),
        sa.Column(
            "topic", sa.Text, nullable=False, comment="The pattern of topics, the metric, or the key that a client chose for its pings."
        ),
        sa.Column("secret", sa.Text, nullable=False, comment="The key that was made for its pings; empty without one."),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, comment="Last ping."),
        sa.Column("until", sa.BigInteger, comment="The trigger's end, as long as the alarm is not completed."),
    )
    op.create_index("ix_signals_topic", "signals", ["tenant", "kind", "topic"])
    _partial("ux_signals_ping", "signals", ["tenant", "topic"], "kind = 3 AND topic <> ''", unique=True)
    _partial("ux_signals_secret", "signals", ["secret"], "secret <> ''", unique=True)
    _partial("ix_signals_until", "signals", ["until"], "until IS NOT NULL")


def _inbound() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False, comment="1 event, 2 reading, 3 ping."),
        sa.Column("event_id", sa.Text, nullable=False, comment="Identity of an event; empty for anything else."),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("happened_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, comment="Serialised google.protobuf.Struct."),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.Column("rest", _ID, comment="Alarms behind this one are still to be let go; null when all are."),
    )
    op.create_index("ix_inbound_tenant", "inbound", ["tenant", "id"])
    _partial("ix_inbound_rest", "inbound", ["id"], "rest IS NOT NULL")
    _partial("ux_inbound_event", "inbound", ["tenant", "event_id"], "event_id <> ''", unique=True)


def _readings() -> None:
    op.create_table(
        "tenant_counts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True, comment="Such as events, readings, topic:orders.paid."),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "readings",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("measured_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _replans() -> None:
    op.create_table(
        "replans",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("alarm", _ID, nullable=False),
        sa.Column("replanned_at", sa.BigInteger, nullable=False),
        sa.Column("tzdata_before", sa.Text, nullable=False),
        sa.Column("tzdata_after", sa.Text, nullable=False),
        sa.Column("due_before", sa.BigInteger),
        sa.Column("due_after", sa.BigInteger),
    )
    op.create_index("ix_replans_tenant", "replans", ["tenant", "id"])
    op.create_table(
        "facts",
        sa.Column("name", sa.Text, primary_key=True, comment="Such as tzdata/17: the version that shard 17 was computed with."),
        sa.Column("value", sa.Text, nullable=False),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("alarm", _ID, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])


def _firings() -> None:
    """On PostgreSQL in partitions by month: the service makes them, the default one takes the rest, and the key contains the due time.

    One table where the operator says that the engine has none (``TOCSIN_DATABASE_WITHOUT``).
    """
    partitioned = _on_postgresql() and not lacks(op.get_bind(), DatabaseFeature.PARTITIONS)
    op.create_table(
        "firings",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("alarm", _ID, nullable=False, comment="Empty for an ad-hoc task."),
        sa.Column("slot", sa.Text, nullable=False, comment="Empty for a due time of the alarm; otherwise the id: it is beside the rule."),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("origin", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, primary_key=_on_postgresql(), nullable=False, autoincrement=False),
        sa.Column("fired_at", sa.BigInteger),
        sa.Column("outcome", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        _zero("attempts", sa.Integer),
        sa.Column("ready_at", sa.BigInteger, comment="When the next attempt may begin; null when there is none."),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("action", sa.LargeBinary, nullable=False, comment="Empty once an alarm's firing has succeeded."),
        sa.Column("retry", sa.Text, nullable=False),
        sa.Column("result", sa.LargeBinary, comment="Serialised google.protobuf.Struct."),
        _empty("error"),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("change_no", sa.BigInteger, nullable=False, comment="Number of the transaction that changed it last."),
        _zero("flags", sa.SmallInteger, comment="1: one after the other; 2: failures are counted; 4: one at a time."),
        sa.Column("context", sa.LargeBinary, comment="Serialised google.protobuf.Struct: what it is about, beside its alarm."),
        postgresql_partition_by="RANGE (due_at)" if partitioned else None,
    )
    if partitioned:
        op.execute("CREATE TABLE firings_default PARTITION OF firings DEFAULT")


def _firing_indexes() -> None:
    op.create_index("ux_firings_occurrence", "firings", ["alarm", "due_at", "slot"], unique=True)
    op.create_index("ix_firings_tenant", "firings", ["tenant", "due_at", "id"])
    _partial("ix_firings_open", "firings", ["priority", "ready_at", "id"], "state IN (1, 2)")
    _partial("ix_firings_state", "firings", ["tenant", "state", "due_at", "id"], "state IN (2, 4, 5)")
    _partial("ix_firings_outcome", "firings", ["tenant", "outcome", "due_at", "id"], "outcome <> 1")
    _partial("ix_firings_adhoc", "firings", ["tenant", "due_at", "id"], "origin = 2")
    _partial("ix_firings_serial", "firings", ["alarm", "due_at", "id"], "state IN (1, 2) AND (flags & 1) = 1")
    _partial("ix_firings_single", "firings", ["alarm"], "state IN (1, 2) AND (flags & 4) = 4")


def _changes() -> None:
    op.create_table(
        "firing_ids",
        sa.Column("id", _ID, primary_key=True, comment="A firing beside the rule of its alarm: there is one of this id in all partitions."),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_firing_ids_due", "firing_ids", ["due_at"])
    op.create_table(
        "firing_changes",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("change_no", sa.BigInteger, primary_key=True, autoincrement=False, comment="Number of the transaction."),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("ids", sa.Text, nullable=False, comment="The firings that it changed, with blanks between."),
    )
    op.create_index("ix_firing_changes_changed_at", "firing_changes", ["changed_at"])
    if _on_postgresql():
        # Compressing what is written once and read by hardly anybody would cost more than the space.
        op.execute("ALTER TABLE firing_changes ALTER COLUMN ids SET STORAGE EXTERNAL")


def _shards() -> None:
    shards = op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False, comment="Incarnation of a replica; empty when free."),
        sa.Column("epoch", sa.BigInteger, nullable=False, comment="Grows with every change of the owner: the fencing token."),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(shards, [{"shard": shard, "owner": "", "epoch": 0, "lease_until": 0} for shard in range(_SHARDS)])
    op.create_table(
        "replicas",
        sa.Column("owner", sa.Text, primary_key=True, comment="Incarnation of a replica."),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("lock_key", sa.BigInteger, comment="Key of the advisory lock that its process holds while it lives; null without one."),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "change", "value": 0}, {"name": "transactions", "value": 0}])
