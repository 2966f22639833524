"""Sessions and API keys that have ended, noted by the database itself: whoever deletes one, however, tells every gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KINDS = {"sessions": "sessions", "api_keys": "apiKeys"}

_SQLITE_NOW = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"
_POSTGRESQL_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
_INSERT = """INSERT {or_ignore} INTO ended_credentials (name, ended_at, used_at)
    VALUES ('{kind}/' || OLD.id, {now}, COALESCE(OLD.last_used_at, OLD.created_at)) {on_conflict};"""


def upgrade() -> None:
    op.create_table(
        "ended_credentials",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ended_credentials_ended", "ended_credentials", ["ended_at", "name"])
    op.create_index("ended_credentials_used", "ended_credentials", ["used_at"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table, kind in _KINDS.items():
        if sqlite:
            insert = _INSERT.format(kind=kind, now=_SQLITE_NOW, or_ignore="OR IGNORE", on_conflict="")
            op.execute(f"CREATE TRIGGER {table}_ended AFTER DELETE ON {table} BEGIN {insert} END")
        else:
            insert = _INSERT.format(kind=kind, now=_POSTGRESQL_NOW, or_ignore="", on_conflict="ON CONFLICT DO NOTHING")
            op.execute(f"CREATE FUNCTION {table}_ended() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert} RETURN NULL; END $$")
            op.execute(f"CREATE TRIGGER {table}_ended AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_ended()")


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _KINDS:
        op.execute(f"DROP TRIGGER {table}_ended" if sqlite else f"DROP TRIGGER {table}_ended ON {table}")
        if not sqlite:
            op.execute(f"DROP FUNCTION {table}_ended()")
    op.drop_table("ended_credentials")
