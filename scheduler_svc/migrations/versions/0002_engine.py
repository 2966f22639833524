"""Keys, the history of rules, signals from outside, replans, replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TABLES = ("replicas", "facts", "replans", "readings", "tenant_counts", "inbound", "signals", "alarm_rules")


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
                comment="1: one after the other; 2: failures are counted.",
            )
        )
        firings.add_column(
            sa.Column("context", sa.LargeBinary, comment="Serialised google.protobuf.Struct: what it is about, beside its alarm.")
        )
    _partial("ix_firings_serial", "firings", ["alarm", "due_at", "id"], "state IN (1, 2) AND (flags & 1) = 1")


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
    op.execute(f"INSERT INTO facts SELECT 'history', {_now()} WHERE EXISTS (SELECT 1 FROM alarms) OR EXISTS (SELECT 1 FROM firings)")


def _now() -> str:
    """The instant, in microseconds, as text: in the words of the dialect."""
    if op.get_bind().dialect.name == "sqlite":
        return "CAST(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) AS TEXT)"
    return "CAST(CAST(extract(epoch FROM now()) * 1000000 AS BIGINT) AS TEXT)"


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("ux_alarms_key", "alarms")
    op.drop_index("ix_firings_serial", "firings")
    with op.batch_alter_table("firings") as firings:
        firings.drop_column("context")
        firings.drop_column("flags")
    with op.batch_alter_table("alarms") as alarms:
        for name in ("rule_since", "pause_reason", "failures", "auto_pause_after", "key"):
            alarms.drop_column(name)
