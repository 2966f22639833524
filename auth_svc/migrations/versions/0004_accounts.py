"""What is known of sessions and clients, one-time tokens, registrations that wait for their address, and mails about accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WAITING = sa.text("done_at IS NULL")


def upgrade() -> None:
    op.add_column("users", sa.Column("locale", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("users", sa.Column("verified_at", sa.BigInteger))
    op.add_column("sessions", sa.Column("last_used_at", sa.BigInteger))
    op.add_column("sessions", sa.Column("ends_at", sa.BigInteger))
    op.add_column("sessions", sa.Column("client_address", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("sessions", sa.Column("user_agent", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "known_clients",
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger, nullable=False),
    )
    op.create_index("known_clients_used", "known_clients", ["last_used_at"])
    _registrations_and_tokens()
    _mails()


def _registrations_and_tokens() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", sa.String(26), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("email", "username", "display_name", "tenant_display_name", "locale")),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("registrations_expires", "registrations", ["expires_at"])
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.String(26), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_index("one_time_tokens_subject", "one_time_tokens", ["subject", "purpose"])
    op.create_index("one_time_tokens_expires", "one_time_tokens", ["expires_at"])


def _mails() -> None:
    op.create_table(
        "account_mails",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "subject", "address", "address_key", "locale", "variables")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done_at", sa.BigInteger),
    )
    op.create_index("account_mails_address", "account_mails", ["address_key", "kind", "created_at"])
    op.create_index("account_mails_due", "account_mails", ["due_at"], postgresql_where=_WAITING, sqlite_where=_WAITING)
    op.create_index("account_mails_created", "account_mails", ["created_at"])


def downgrade() -> None:
    for table in ("account_mails", "one_time_tokens", "registrations", "known_clients"):
        op.drop_table(table)
    for table, columns in (("sessions", ("user_agent", "client_address", "ends_at", "last_used_at")), ("users", ("verified_at", "locale"))):
        for column in columns:
            op.drop_column(table, column)
