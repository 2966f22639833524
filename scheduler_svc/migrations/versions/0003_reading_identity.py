"""Readings have an identity, as events do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IDENTIFIED = sa.text("event_id <> ''")


def upgrade() -> None:
    _index("ux_inbound_identity", ["tenant", "kind", "event_id"])
    op.drop_index("ux_inbound_event", "inbound")
    _comment("Identity of an event or a reading; empty without one.")


def downgrade() -> None:
    op.execute("UPDATE inbound SET event_id = '' WHERE kind = 2")
    _index("ux_inbound_event", ["tenant", "event_id"])
    op.drop_index("ux_inbound_identity", "inbound")
    _comment("Identity of an event; empty for anything else.")


def _index(name: str, columns: list[str]) -> None:
    op.create_index(name, "inbound", columns, unique=True, sqlite_where=_IDENTIFIED, postgresql_where=_IDENTIFIED)


def _comment(text: str) -> None:
    """SQLite keeps no comments."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("inbound", "event_id", comment=text, existing_type=sa.Text(), existing_nullable=False)
