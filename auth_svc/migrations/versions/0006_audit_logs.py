"""The audit log, which the database itself keeps from being changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXTS = (
    "service", "method", "subject", "session", "client_address", "user_agent", "resource", "outcome", "detail", "request_id", "trace_id",
)  # fmt: skip

_SQLITE = (
    """CREATE TRIGGER audit_logs_unchanged BEFORE UPDATE ON audit_logs
       BEGIN SELECT RAISE(ABORT, 'entries of the audit log are never changed'); END""",
    """CREATE TRIGGER audit_logs_kept BEFORE DELETE ON audit_logs
       WHEN OLD.number > COALESCE((SELECT anchor_number FROM audit_chains WHERE tenant = OLD.tenant), 0)
       BEGIN SELECT RAISE(ABORT, 'entries of the audit log are cut behind an anchor alone'); END""",
    """CREATE TRIGGER audit_chains_forward BEFORE UPDATE ON audit_chains
       WHEN NEW.number < OLD.number OR NEW.anchor_number < OLD.anchor_number
         OR NEW.signed_number < OLD.signed_number OR NEW.tenant <> OLD.tenant
       BEGIN SELECT RAISE(ABORT, 'a chain of the audit log never goes back'); END""",
    """CREATE TRIGGER audit_chains_kept BEFORE DELETE ON audit_chains
       BEGIN SELECT RAISE(ABORT, 'a chain of the audit log is never deleted'); END""",
)

_POSTGRESQL = (
    """CREATE FUNCTION audit_refused() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$""",
    """CREATE FUNCTION audit_logs_cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF OLD.number > COALESCE((SELECT anchor_number FROM audit_chains WHERE tenant = OLD.tenant), 0) THEN
           RAISE EXCEPTION 'entries of the audit log are cut behind an anchor alone';
         END IF;
         RETURN OLD;
       END $$""",
    "CREATE TRIGGER audit_logs_unchanged BEFORE UPDATE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_refused()",
    "CREATE TRIGGER audit_logs_kept BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_logs_cut()",
    "CREATE TRIGGER audit_logs_whole BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION audit_refused()",
    """CREATE TRIGGER audit_chains_forward BEFORE UPDATE ON audit_chains FOR EACH ROW
       WHEN (NEW.number < OLD.number OR NEW.anchor_number < OLD.anchor_number
         OR NEW.signed_number < OLD.signed_number OR NEW.tenant <> OLD.tenant)
       EXECUTE FUNCTION audit_refused()""",
    "CREATE TRIGGER audit_chains_kept BEFORE DELETE ON audit_chains FOR EACH ROW EXECUTE FUNCTION audit_refused()",
    "CREATE TRIGGER audit_chains_whole BEFORE TRUNCATE ON audit_chains FOR EACH STATEMENT EXECUTE FUNCTION audit_refused()",
)


def upgrade() -> None:
    op.create_table(
        "audit_logs",
        sa.Column("tenant", sa.String(26), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("audit_logs_by_id", "audit_logs", ["tenant", "id"], unique=True)
    op.create_table(
        "audit_chains",
        sa.Column("tenant", sa.String(26), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("signed_number", sa.BigInteger, nullable=False),
        sa.Column("signed_hash", sa.String(64), nullable=False),
        sa.Column("signed_at", sa.BigInteger, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("anchor_number", sa.BigInteger, nullable=False),
        sa.Column("anchor_hash", sa.String(64), nullable=False),
        sa.Column("anchor_signed_at", sa.BigInteger, nullable=False),
        sa.Column("anchor_signature", sa.Text, nullable=False),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_chains")
    op.drop_table("audit_logs")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_refused()")
        op.execute("DROP FUNCTION audit_logs_cut()")
