"""Keys, the history of rules, a ledger of months, signals from outside, replans, replicas."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_MICROS = 1_000_000
_MONTHS = 36
_TABLES = ("firing_changes", "firing_ids", "replicas", "facts", "replans", "readings", "tenant_counts", "inbound", "signals", "alarm_rules")


def upgrade() -> None:
    _alarms()
    _firings()
    _signals()
    _inbound()
    _replans()
    op.create_table(
        "replicas",
        sa.Column("owner", sa.Text, primary_key=True, comment="Incarnation of a replica."),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("lock_key", sa.BigInteger, comment="Key of the advisory lock that its process holds while it lives; null without one."),
    )


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _alarms() -> None:
    with op.batch_alter_table("alarms") as alarms:
        alarms.add_column(_empty("key", comment="The client's own name of it; empty without one."))
        alarms.add_column(_zero("auto_pause_after"))
        alarms.add_column(_zero("failures", comment="Firings in a row that failed for good."))
        alarms.add_column(_empty("pause_reason"))
        alarms.add_column(
            sa.Column(
                "rule_since",
                sa.BigInteger,
                nullable=False,
                server_default=sa.text("0"),
                comment="When it got its trigger; see alarm_rules.",
            )
        )
    # Until now the anchor was when the alarm got its trigger, unless the trigger had a start.
    op.execute("UPDATE alarms SET rule_since = CASE WHEN trigger_rule LIKE '%\"start\":%' THEN created_at ELSE anchor_at END")
    _partial("ux_alarms_key", "alarms", ["tenant", "key"], "key <> ''", unique=True)
    op.drop_index("ix_alarm_labels_alarm", "alarm_labels")  # the alarm itself says which labels it has
    # Whoever looks for what is due reads the index alone; a scheduler among several passes over what is due in the shards of the others.
    op.drop_index("ix_alarms_due", "alarms")
    _partial("ix_alarms_due", "alarms", ["next_fire_at", "id", "shard", "priority"], "state = 1")
    _partial("ix_alarms_urgent", "alarms", ["next_fire_at", "id", "shard"], "state = 1 AND priority = 1")
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


def _empty(name: str, *, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"), comment=comment)


def _zero(name: str, *, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"), comment=comment)


def _firings() -> None:
    with op.batch_alter_table("firings") as firings:
        firings.add_column(
            sa.Column(
                "flags",
                sa.SmallInteger,
                nullable=False,
                server_default=sa.text("0"),
                comment="1: one after the other; 2: failures are counted; 4: one at a time.",
            )
        )
        firings.add_column(
            sa.Column("context", sa.LargeBinary, comment="Serialised google.protobuf.Struct: what it is about, beside its alarm.")
        )
    op.drop_index("ix_firings_change", "firings")
    op.drop_index("ix_firings_beside", "firings")
    _partial("ix_firings_serial", "firings", ["alarm", "due_at", "id"], "state IN (1, 2) AND (flags & 1) = 1")
    _partial("ix_firings_single", "firings", ["alarm"], "state IN (1, 2) AND (flags & 4) = 4")
    op.create_table(
        "firing_ids",
        sa.Column("id", _ID, primary_key=True, comment="A firing beside the rule of its alarm: there is one of this id in all partitions."),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO firing_ids SELECT id, due_at FROM firings WHERE origin <> 0")
    op.create_index("ix_firing_ids_due", "firing_ids", ["due_at"])
    op.create_table(
        "firing_changes",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("change_no", sa.BigInteger, primary_key=True, autoincrement=False, comment="Number of the transaction."),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("ids", sa.Text, nullable=False, comment="The firings that it changed, with blanks between."),
    )
    together = "string_agg" if _on_postgresql() else "group_concat"
    op.execute(f"INSERT INTO firing_changes SELECT tenant, change_no, max(due_at), {together}(id, ' ') FROM firings GROUP BY 1, 2")  # noqa: S608  constants
    op.create_index("ix_firing_changes_changed_at", "firing_changes", ["changed_at"])
    if _on_postgresql():
        # Compressing what is written once and read by hardly anybody would cost more than the space.
        op.execute("ALTER TABLE firing_changes ALTER COLUMN ids SET STORAGE EXTERNAL")
        _rebuild("PARTITION BY RANGE (due_at)", key="id, due_at")


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _rebuild(kind: str, *, key: str) -> None:
    """Makes firings another kind of table, with the same columns, indexes and rows: PostgreSQL cannot turn one into the other."""
    connection = op.get_bind()
    indexes = connection.exec_driver_sql(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'firings' "
        "AND indexname <> 'firings_pkey'"
    ).all()
    op.execute("ALTER TABLE firings RENAME TO firings_before")
    op.execute("ALTER TABLE firings_before DROP CONSTRAINT firings_pkey")
    for name, _ in indexes:
        op.execute(f"DROP INDEX {name}")
    op.execute(f"CREATE TABLE firings (LIKE firings_before INCLUDING DEFAULTS INCLUDING COMMENTS) {kind}")
    if kind:
        _make_partitions(connection)
    op.execute("INSERT INTO firings SELECT * FROM firings_before")
    op.execute("DROP TABLE firings_before")
    op.execute(f"ALTER TABLE firings ADD CONSTRAINT firings_pkey PRIMARY KEY ({key})")
    for _, definition in indexes:
        # The definition may name the table alone (ON ONLY), which would leave its partitions without the index.
        op.execute(definition.replace(" ON ONLY ", " ON "))


def _make_partitions(connection: sa.Connection) -> None:
    """One for each month that has rows, the newest `_MONTHS` of them; what is older, and what comes too early, has the default one.

    Months to come are made by the service.
    """
    op.execute("CREATE TABLE firings_default PARTITION OF firings DEFAULT")
    oldest, newest = connection.exec_driver_sql("SELECT min(due_at), max(due_at) FROM firings_before").one()
    month = None if newest is None else datetime.fromtimestamp(newest // _MICROS, UTC).replace(day=1)
    for _ in range(_MONTHS):
        if month is None or _start(month + timedelta(days=32)) <= oldest:
            return
        name = f"firings_{month:%Y_%m}"
        op.execute(f"CREATE TABLE {name} PARTITION OF firings FOR VALUES FROM ({_start(month)}) TO ({_start(month + timedelta(days=32))})")
        month = (month - timedelta(days=1)).replace(day=1)


def _start(within: datetime) -> int:
    """The first microsecond of the month."""
    return int(within.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()) * _MICROS


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
    op.create_table(
        "readings",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("measured_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


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
    op.create_table(
        "tenant_counts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True, comment="Such as events, readings, topic:orders.paid."),
        sa.Column("value", sa.BigInteger, nullable=False),
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
    # What the alarms of before had to do, nobody wrote down when they were changed: audits begin here.
    op.execute(
        f"INSERT INTO facts SELECT 'history', {_now()} "  # noqa: S608  a constant of the dialect
        "WHERE EXISTS (SELECT 1 FROM alarms) OR EXISTS (SELECT 1 FROM firings)"
    )


def _now() -> str:
    """The instant, in microseconds, as text: in the words of the dialect."""
    if op.get_bind().dialect.name == "sqlite":
        return "CAST(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) AS TEXT)"
    return "CAST(CAST(extract(epoch FROM now()) * 1000000 AS BIGINT) AS TEXT)"


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("ux_alarms_key", "alarms")
    if _on_postgresql():
        _rebuild("", key="id")
    for index in ("ix_firings_serial", "ix_firings_single"):
        op.drop_index(index, "firings")
    op.create_index("ix_firings_change", "firings", ["tenant", "change_no", "id"])
    _partial("ix_firings_beside", "firings", ["due_at"], "origin <> 0")
    op.create_index("ix_alarm_labels_alarm", "alarm_labels", ["alarm"])
    op.drop_index("ix_alarms_urgent", "alarms")
    op.drop_index("ix_alarms_due", "alarms")
    _partial("ix_alarms_due", "alarms", ["next_fire_at", "id"], "state = 1")
    with op.batch_alter_table("firings") as firings:
        firings.drop_column("context")
        firings.drop_column("flags")
    with op.batch_alter_table("alarms") as alarms:
        for name in ("rule_since", "pause_reason", "failures", "auto_pause_after", "key"):
            alarms.drop_column(name)
