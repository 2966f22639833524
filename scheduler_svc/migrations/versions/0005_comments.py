"""What columns are for, in today's words. SQLite keeps no comments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    _comment("alarms", "key", None, type_=sa.Text())
    _comment("inbound", "rest", "Alarms behind this one are still to be fired; null when all are.", type_=_ID)


def downgrade() -> None:
    _comment("alarms", "key", "The client's own name of it; empty without one.", type_=sa.Text())
    _comment("inbound", "rest", "Alarms behind this one are still to be let go; null when all are.", type_=_ID)


def _comment(table: str, column: str, comment: str | None, *, type_: sa.Text) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column, comment=comment, existing_type=type_)
