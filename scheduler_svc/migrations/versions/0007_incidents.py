"""Incidents, their timelines, the escalation policies that they follow, and silences.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NOT_RESOLVED = "state <> 3"


def upgrade() -> None:
    _policies()
    _silences()
    _incidents()
    _events()


def downgrade() -> None:
    for table in ("incident_events", "incidents", "silences", "escalation_policies"):
        op.drop_table(table)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _policies() -> None:
    turns = "Incidents so far, of a policy whose targets take turns."
    op.create_table(
        "escalation_policies",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", _ID, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False, comment="What it says, JSON."),
        sa.Column("turns", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment=turns),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("matchers", sa.Text, nullable=False, comment="What an incident must have, JSON."),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("end_at", sa.BigInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_silences_tenant", "silences", ["tenant", "id"])
    op.create_index("ix_silences_end", "silences", ["end_at"])
    op.create_index("ix_silences_holding", "silences", ["tenant", "end_at"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("dedup_key", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False, comment="Id of its policy; empty without one."),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("wake_at", sa.BigInteger, comment="When something is due by itself; null when nothing is."),
        sa.Column("held_by", sa.Text, nullable=False, comment="What holds its steps back; empty: nothing does."),
        sa.Column("merged_into", sa.Text, nullable=False, comment="Id of the incident that it is part of; empty unless it is."),
        sa.Column("events", sa.Integer, nullable=False, comment="Entries of its timeline."),
        sa.Column("document", sa.Text, nullable=False, comment="The incident, JSON; the other columns are what it is found by."),
    )
    op.create_index("ix_incidents_tenant", "incidents", ["tenant", "id"])
    op.create_index("ix_incidents_updated_at", "incidents", ["updated_at"])
    _partial("ux_incidents_key", "incidents", ["tenant", "dedup_key"], _NOT_RESOLVED, unique=True)
    _partial("ix_incidents_open", "incidents", ["tenant", "state", "id"], _NOT_RESOLVED)
    _partial("ix_incidents_wake", "incidents", ["wake_at", "id", "shard"], "wake_at IS NOT NULL")
    _partial("ix_incidents_held", "incidents", ["tenant", "id"], "held_by <> ''")
    _partial("ix_incidents_merged", "incidents", ["merged_into"], "merged_into <> ''")


def _events() -> None:
    op.create_table(
        "incident_events",
        sa.Column("incident", _ID, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="Its place in the timeline."),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("happened_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("firing", sa.Text, nullable=False, comment="Id of the firing by which people were told; empty without one."),
        sa.Column("request_id", sa.Text, nullable=False, comment="What makes a request count once; empty without one."),
        sa.Column("change_no", sa.BigInteger, nullable=False, comment="Number of the transaction that wrote it."),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_incident_events_change", "incident_events", ["tenant", "change_no", "incident", "number"])
    _partial("ux_incident_events_request", "incident_events", ["tenant", "request_id"], "request_id <> ''", unique=True)
