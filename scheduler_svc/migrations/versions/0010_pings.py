"""Pings that are kept, runs of jobs, slugs, and what a tenant shows to everybody.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _signals()
    _pings()
    _keys()
    _partial("ix_alarms_checks", "alarms", ["tenant", "id"], "kind = 'check'")


def downgrade() -> None:
    op.drop_index("ix_alarms_checks", "alarms")
    for table in ("status_pages", "ping_keys", "pings"):
        op.drop_table(table)
    op.drop_index("ux_signals_slug", "signals")
    for column in ("duration", "run_id", "started_at", "slug"):
        op.drop_column("signals", column)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _signals() -> None:
    empty = sa.text("''")
    slug = "Name of a heartbeat in addresses; empty without one."
    run = "The run that began then; empty without an id."
    op.add_column("signals", sa.Column("slug", sa.Text, nullable=False, server_default=empty, comment=slug))
    op.add_column("signals", sa.Column("started_at", sa.BigInteger, comment="When the job of a heartbeat began that has not ended."))
    op.add_column("signals", sa.Column("run_id", sa.Text, nullable=False, server_default=empty, comment=run))
    op.add_column("signals", sa.Column("duration", sa.BigInteger, comment="Of the last run that ended, in microseconds."))
    _partial("ux_signals_slug", "signals", ["tenant", "slug"], "slug <> ''", unique=True)


def _pings() -> None:
    op.create_table(
        "pings",
        sa.Column("alarm", _ID, primary_key=True),
        sa.Column("id", _ID, primary_key=True, comment="That of its entry in the log of what came from outside."),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("exit_status", sa.SmallInteger),
        sa.Column("run_id", sa.Text, nullable=False, comment="Empty without one."),
        sa.Column("duration", sa.BigInteger, comment="Of the run that it ended, in microseconds."),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False, comment="Its first bytes."),
        sa.Column("size", sa.BigInteger, nullable=False, comment="Bytes of the whole body."),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pings_received_at", "pings", ["received_at"])
    _partial("ix_pings_run", "pings", ["alarm", "run_id", "kind"], "run_id <> ''")


def _keys() -> None:
    policy = "Whom heartbeats tell that pings make; empty: they make none."
    op.create_table(
        "ping_keys",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False, comment=policy),
        sqlite_with_rowid=False,
    )
    op.create_index("ux_ping_keys_secret", "ping_keys", ["secret"], unique=True)
    op.create_table(
        "status_pages",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("slug", sa.Text, nullable=False, comment="Its name in addresses; empty without one."),
        sa.Column("badge_secret", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False, comment="What is shown, JSON."),
        sqlite_with_rowid=False,
    )
    _partial("ux_status_pages_slug", "status_pages", ["slug"], "slug <> ''", unique=True)
    op.create_index("ux_status_pages_badge", "status_pages", ["badge_secret"], unique=True)
