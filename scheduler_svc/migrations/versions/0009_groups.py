"""Alerts of incidents, routes and dependencies, and silences that hold in windows.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_OPEN = sa.text("state = 1")
_HELD = sa.text("held_by <> ''")


def upgrade() -> None:
    windows = "In which it holds, JSON; empty: all the time."
    op.add_column("silences", sa.Column("windows", sa.Text, nullable=False, server_default=sa.text("''"), comment=windows))
    op.execute("INSERT INTO tenant_counts (tenant, name, value) SELECT DISTINCT tenant, 'incident rules', 1 FROM silences")
    op.drop_index("ix_incidents_held", "incidents")
    op.create_index("ix_incidents_held", "incidents", ["held_by"], sqlite_where=_HELD, postgresql_where=_HELD)
    op.create_table(
        "incident_alerts",
        sa.Column("incident", _ID, primary_key=True),
        sa.Column("dedup_key", _ID, primary_key=True, comment="Key of the alert; the incident's own is that of the group."),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("trigger_count", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("triggered_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("document", sa.Text, nullable=False, comment="Title, description, labels, source and url, JSON."),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ux_incident_alerts_key", "incident_alerts", ["tenant", "dedup_key"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_table(
        "incident_rules",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("kind", sa.SmallInteger, primary_key=True, comment="Route or dependency."),
        sa.Column("id", _ID, primary_key=True),
        sa.Column("document", sa.Text, nullable=False, comment="What it says, JSON."),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.execute("DELETE FROM tenant_counts WHERE name = 'incident rules'")
    op.drop_table("incident_rules")
    op.drop_table("incident_alerts")
    op.drop_index("ix_incidents_held", "incidents")
    op.create_index("ix_incidents_held", "incidents", ["tenant", "id"], sqlite_where=_HELD, postgresql_where=_HELD)
    op.drop_column("silences", "windows")
