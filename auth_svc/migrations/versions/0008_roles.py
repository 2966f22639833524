"""Roles, invitations, service accounts, and whose each API key is.

The oldest administrator of each tenant becomes its owner; whoever was a member is an operator. Keys of before belong to a service account
of their tenant, which may what an owner may, so that they carry what they carried.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN = sa.text("user_id = '' AND revoked_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "roles",
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    _invitations()
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("maker", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("deactivated_at", sa.BigInteger),
    )
    op.create_index("service_accounts_tenant", "service_accounts", ["tenant_id", "id"])
    op.add_column("users", sa.Column("deactivated_at", sa.BigInteger))
    _keys()
    _keep_what_people_have()


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("tenant_id", sa.String(26), sa.ForeignKey("tenants.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("email", "email_key", "role", "inviter", "locale")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_index("invitations_tenant", "invitations", ["tenant_id", "id"])
    op.create_index("invitations_open", "invitations", ["tenant_id", "email_key"], unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN)


def _keys() -> None:
    for name in ("user_id", "service_account_id"):
        op.add_column("api_keys", sa.Column(name, sa.String(26)))
    for name in ("maker", "last_address"):
        op.add_column("api_keys", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("api_keys", sa.Column("previous_digest", sa.String(64)))
    for name in ("previous_expires_at", "last_used_at"):
        op.add_column("api_keys", sa.Column(name, sa.BigInteger))
    op.add_column("api_keys", sa.Column("warned_days", sa.Integer))
    op.create_index("api_keys_previous", "api_keys", ["previous_digest"], unique=True)
    op.create_index("api_keys_user", "api_keys", ["user_id"])
    op.create_index("api_keys_service_account", "api_keys", ["service_account_id"])
    op.create_index("api_keys_expires", "api_keys", ["expires_at"])


def _keep_what_people_have() -> None:
    op.execute("UPDATE users SET role = lower(role)")
    op.execute("UPDATE users SET role = 'operator' WHERE role = 'member'")
    op.execute("UPDATE users SET role = 'owner' WHERE id IN (SELECT min(u.id) FROM users u WHERE u.role = 'admin' GROUP BY u.tenant_id)")
    # A ULID is unique among those of its kind: that of the tenant does for the one service account that it gets here.
    op.execute(
        "INSERT INTO service_accounts (id, tenant_id, display_name, description, role, maker, created_at) "
        "SELECT t.id, t.id, 'API keys', 'Holds the keys that were made before there were service accounts.', 'owner', '', t.created_at "
        "FROM tenants t WHERE EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_id = t.id)"
    )
    op.execute("UPDATE api_keys SET service_account_id = tenant_id")


def downgrade() -> None:
    op.execute("UPDATE users SET role = 'ADMIN' WHERE role IN ('owner', 'admin')")
    op.execute("UPDATE users SET role = 'MEMBER' WHERE role <> 'ADMIN'")
    for name in ("expires", "service_account", "user", "previous"):
        op.drop_index(f"api_keys_{name}", "api_keys")
    added = (
        "warned_days",
        "last_used_at",
        "previous_expires_at",
        "previous_digest",
        "last_address",
        "maker",
        "service_account_id",
        "user_id",
    )
    for name in added:
        op.drop_column("api_keys", name)
    op.drop_column("users", "deactivated_at")
    for table in ("service_accounts", "invitations", "roles"):
        op.drop_table(table)
