"""Alarms, the ledger, shards."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SHARDS = 256


def upgrade() -> None:
    _alarms()
    _requests()
    _firings()
    _shards()


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


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
    )
    _partial("ix_alarms_due", "alarms", ["next_fire_at", "id"], "state = 1")
    op.create_index("ix_alarms_tenant", "alarms", ["tenant", "id"])
    op.create_index("ix_alarms_state", "alarms", ["tenant", "state", "id"])
    _partial("ix_alarms_priority", "alarms", ["tenant", "priority", "id"], "priority <> 2")
    _partial("ix_alarms_display_name", "alarms", ["tenant", "display_name", "id"], "display_name <> ''")
    op.create_table(
        "alarm_labels",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("alarm", _ID, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alarm_labels_alarm", "alarm_labels", ["alarm"])


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
    op.create_table(
        "firings",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("alarm", _ID, nullable=False, comment="Empty for an ad-hoc task."),
        sa.Column("slot", sa.Text, nullable=False, comment="Empty for a due time of the alarm; otherwise the id: it is beside the rule."),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("origin", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("fired_at", sa.BigInteger),
        sa.Column("outcome", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("ready_at", sa.BigInteger, comment="When the next attempt may begin; null when there is none."),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("action", sa.LargeBinary, nullable=False, comment="Empty once an alarm's firing has succeeded."),
        sa.Column("retry", sa.Text, nullable=False),
        sa.Column("result", sa.LargeBinary, comment="Serialised google.protobuf.Struct."),
        sa.Column("error", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("change_no", sa.BigInteger, nullable=False, comment="Number of the transaction that changed it last."),
    )
    op.create_index("ux_firings_occurrence", "firings", ["alarm", "due_at", "slot"], unique=True)
    op.create_index("ix_firings_tenant", "firings", ["tenant", "due_at", "id"])
    op.create_index("ix_firings_change", "firings", ["tenant", "change_no", "id"])
    _partial("ix_firings_open", "firings", ["priority", "ready_at", "id"], "state IN (1, 2)")
    _partial("ix_firings_state", "firings", ["tenant", "state", "due_at", "id"], "state IN (2, 4, 5)")
    _partial("ix_firings_outcome", "firings", ["tenant", "outcome", "due_at", "id"], "outcome <> 1")
    _partial("ix_firings_adhoc", "firings", ["tenant", "due_at", "id"], "origin = 2")
    _partial("ix_firings_beside", "firings", ["due_at"], "origin <> 0")


def _shards() -> None:
    shards = op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False, comment="Incarnation of a replica; empty when free."),
        sa.Column("epoch", sa.BigInteger, nullable=False, comment="Grows with every change of the owner: the fencing token."),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(shards, [{"shard": shard, "owner": "", "epoch": 0, "lease_until": 0} for shard in range(_SHARDS)])
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "change", "value": 0}, {"name": "transactions", "value": 0}])


def downgrade() -> None:
    for table in ("counters", "shards", "firings", "requests", "alarm_labels", "alarms"):
        op.drop_table(table)
