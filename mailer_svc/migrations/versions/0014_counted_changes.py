"""Whether changes are numbered by a counter on PostgreSQL, where an engine has no ids of transactions to number them by."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "changes",
        sa.Column(
            "counted",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="Whether it counts changes on PostgreSQL; else it is added.",
        ),
    )


def downgrade() -> None:
    op.drop_column("changes", "counted")
