"""Sessions and API keys that may do less than a token of theirs says, or more, noted by the database itself."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SQLITE_NOW = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"
_POSTGRESQL_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"

_SESSIONS_OF_USER = "SELECT 'sessions/' || id AS name FROM sessions WHERE user_id = NEW.id"
_KEYS_OF_USER = "SELECT 'apiKeys/' || id AS name FROM api_keys WHERE user_id = NEW.id"
_KEYS_OF_ACCOUNT = "SELECT 'apiKeys/' || id AS name FROM api_keys WHERE service_account_id = NEW.id"
_OF_ROLE = """SELECT 'sessions/' || id AS name FROM sessions
        WHERE user_id IN (SELECT id FROM users WHERE tenant_id = NEW.tenant_id AND role = NEW.id)
    UNION ALL SELECT 'apiKeys/' || id AS name FROM api_keys
        WHERE user_id IN (SELECT id FROM users WHERE tenant_id = NEW.tenant_id AND role = NEW.id)
    UNION ALL SELECT 'apiKeys/' || id AS name FROM api_keys
        WHERE service_account_id IN (SELECT id FROM service_accounts WHERE tenant_id = NEW.tenant_id AND role = NEW.id)"""
_OF_TENANT = "SELECT 'sessions/' || id AS name FROM sessions WHERE tenant_id = NEW.id"

# Table: the columns that say what its credentials may do, and the names of those.
_CHANGES = {
    "users": (("role", "deactivated_at"), f"{_SESSIONS_OF_USER} UNION ALL {_KEYS_OF_USER}"),
    "service_accounts": (("role", "deactivated_at"), _KEYS_OF_ACCOUNT),
    "roles": (("scopes",), _OF_ROLE),
    "tenants": (("require_second_factor",), _OF_TENANT),
    "sessions": (("proof", "scopes"), "SELECT 'sessions/' || NEW.id AS name"),
    "api_keys": (("digest", "previous_digest", "previous_expires_at", "expires_at", "scopes"), "SELECT 'apiKeys/' || NEW.id AS name"),
}
# In one order: two that note the same names wait for one another. "WHERE true" tells SQLite's parser the conflict from a join.
_NOTE = """INSERT INTO changed_credentials (name, changed_at)
    SELECT name, {now} FROM ({names}) AS noted WHERE true ORDER BY name
    ON CONFLICT (name) DO UPDATE SET changed_at = excluded.changed_at;"""

# When a key was last used is noted late, and is lost with a replica that is killed: that it has ended is told in any case.
_KEY_ENDED = (
    "INSERT {or_ignore} INTO ended_credentials (name, ended_at, used_at) VALUES ('apiKeys/' || OLD.id, {now}, {used}) {on_conflict};"
)
_USED_BEFORE = "COALESCE(OLD.last_used_at, OLD.created_at)"


def upgrade() -> None:
    op.create_table(
        "changed_credentials",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("changed_credentials_changed", "changed_credentials", ["changed_at", "name"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table, (columns, names) in _CHANGES.items():
        differs = " OR ".join(f"OLD.{each} {'IS NOT' if sqlite else 'IS DISTINCT FROM'} NEW.{each}" for each in columns)
        head = f"CREATE TRIGGER {table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table}"
        note = _NOTE.format(now=_SQLITE_NOW if sqlite else _POSTGRESQL_NOW, names=names)
        if sqlite:
            op.execute(f"{head} WHEN {differs} BEGIN {note} END")
        else:
            op.execute(f"CREATE FUNCTION {table}_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note} RETURN NULL; END $$")
            op.execute(f"{head} FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION {table}_changed()")
    _tell_ended_keys(sqlite=sqlite, used=_SQLITE_NOW if sqlite else _POSTGRESQL_NOW)


def _tell_ended_keys(*, sqlite: bool, used: str) -> None:
    """Says what the time of a deleted key's last use is."""
    if sqlite:
        insert = _KEY_ENDED.format(now=_SQLITE_NOW, used=used, or_ignore="OR IGNORE", on_conflict="")
        op.execute("DROP TRIGGER api_keys_ended")
        op.execute(f"CREATE TRIGGER api_keys_ended AFTER DELETE ON api_keys BEGIN {insert} END")
    else:
        insert = _KEY_ENDED.format(now=_POSTGRESQL_NOW, used=used, or_ignore="", on_conflict="ON CONFLICT DO NOTHING")
        op.execute(f"CREATE OR REPLACE FUNCTION api_keys_ended() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert} RETURN NULL; END $$")


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _CHANGES:
        op.execute(f"DROP TRIGGER {table}_changed" if sqlite else f"DROP TRIGGER {table}_changed ON {table}")
        if not sqlite:
            op.execute(f"DROP FUNCTION {table}_changed()")
    _tell_ended_keys(sqlite=sqlite, used=_USED_BEFORE)
    op.drop_table("changed_credentials")
