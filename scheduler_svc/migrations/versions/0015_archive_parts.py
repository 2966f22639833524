"""Files of the archive that do not have their place yet."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_parts",
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False, comment="Of the due times in it (UTC), YYYY-MM-DD."),
        sa.Column("committed", sa.Boolean, nullable=False, comment="Its firings have left the ledger; before, it is a draft."),
    )


def downgrade() -> None:
    op.drop_table("archive_parts")
