"""Who is on call: rotations, what they were, overrides, and calendar feeds.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_DUE = sa.text("gaps_due IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "calendar_feeds",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column(
            "subject",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
            comment='"rotations/{id}" or "recipients/{id}".',
        ),
        sa.Column("token_hash", sa.Text, nullable=False, comment="SHA-256 of the token in the feed's URL."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject"),
        sa.UniqueConstraint("token_hash", name="uq_calendar_feeds_token"),
    )
    op.create_table(
        "rotation_overrides",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rotation", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False, comment="JSON list of ids."),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False, comment="When it ends, or ended because it was taken back."),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column(
            "created", sa.BigInteger, nullable=False, comment="From when on it holds; unique in its rotation, for it says which one wins."
        ),
        sa.Column("deleted", sa.BigInteger, nullable=True, comment="When it was taken back."),
        sa.PrimaryKeyConstraint("tenant", "rotation", "id"),
        sa.UniqueConstraint("tenant", "rotation", "created", name="uq_rotation_overrides_created"),
    )
    op.create_index("ix_rotation_overrides_ends", "rotation_overrides", ["ends"], unique=False)
    op.create_table(
        "rotation_revisions",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rotation", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("revision", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("document", sa.Text, nullable=False, comment="As in rotations; empty: it was removed."),
        sa.Column("since", sa.BigInteger, nullable=False, comment="When it came into force."),
        sa.Column("until", sa.BigInteger, nullable=True, comment="When another one did; null: it is in force."),
        sa.PrimaryKeyConstraint("tenant", "rotation", "revision"),
    )
    op.create_index("ix_rotation_revisions_until", "rotation_revisions", ["until"], unique=False)
    op.create_table(
        "rotations",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False, comment="JSON: time zone, layers, owner."),
        sa.Column("gaps_due", sa.BigInteger, nullable=True, comment="When gaps ahead are looked for again; null: nobody is told of them."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_rotations_gaps_due", "rotations", ["gaps_due"], unique=False, sqlite_where=_DUE, postgresql_where=_DUE)


def downgrade() -> None:
    op.drop_index("ix_rotations_gaps_due", table_name="rotations", sqlite_where=_DUE, postgresql_where=_DUE)
    op.drop_table("rotations")
    op.drop_index("ix_rotation_revisions_until", table_name="rotation_revisions")
    op.drop_table("rotation_revisions")
    op.drop_index("ix_rotation_overrides_ends", table_name="rotation_overrides")
    op.drop_table("rotation_overrides")
    op.drop_table("calendar_feeds")
