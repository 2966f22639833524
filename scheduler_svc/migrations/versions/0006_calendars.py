"""Calendars that the triggers of several alarms share."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_USING_CALENDARS = sa.text("trigger_rule LIKE '%\"calendars\":%'")


def upgrade() -> None:
    op.create_table(
        "calendars",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("says", sa.Text, nullable=False, comment="Its zone, dates, windows and iCalendar text, JSON."),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alarms_calendars", "alarms", ["tenant", "id"], sqlite_where=_USING_CALENDARS, postgresql_where=_USING_CALENDARS)


def downgrade() -> None:
    op.drop_index("ix_alarms_calendars", "alarms")
    op.drop_table("calendars")
