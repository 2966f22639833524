"""Users may sign in by a username. Who has no email address has the username's key in place of the address's."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("username", sa.Text))
    op.add_column("users", sa.Column("username_key", sa.Text))
    op.create_index("users_username_key", "users", ["username_key"], unique=True)


def downgrade() -> None:
    op.drop_index("users_username_key", "users")
    op.drop_column("users", "username_key")
    op.drop_column("users", "username")
