"""Files of the archive that do not have their place yet, and which replica archives."""

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
        sa.Column("day", sa.Text, nullable=False, comment="On which the deliveries in it were accepted (UTC), YYYY-MM-DD."),
        sa.Column("committed", sa.Boolean, nullable=False, comment="Its deliveries have left the database; before, it is a draft."),
    )
    lease = op.create_table(
        "archive_lease",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False, comment="The replica that archives; empty when nobody does."),
        sa.Column("until", sa.BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
    )
    op.bulk_insert(lease, [{"id": 1, "owner": "", "until": 0}])


def downgrade() -> None:
    op.drop_table("archive_lease")
    op.drop_table("archive_parts")
