"""The part of the migrations that needs Alembic, on a connection that `tocsin.database.migration` holds in its transaction.

Only `tocsin.database.migration` imports it, and only when there is something to do.
"""

from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text

from tocsin.database.errors import RevisionUnknown, SchemaTooNew, SchemaTooOld
from tocsin.database.portability import LOCK_TABLE
from tocsin.errors import FailedPrecondition


def upgrade(connection: Connection, folder: Path) -> None:
    """Applies what is missing of the revisions in ``folder``.

    Raises:
        SchemaTooNew, SchemaTooOld: the database is at a revision that is not there.
        FailedPrecondition: a row refers to one that is not there any more.
    """
    config = _config(connection, folder)
    _refuse_unknown(config, connection)
    command.upgrade(config, "head")
    _check_foreign_keys(connection)


def downgrade(connection: Connection, folder: Path, revision: str) -> None:
    """Goes back to ``revision``.

    Raises:
        SchemaTooNew, SchemaTooOld, FailedPrecondition: as `upgrade`.
    """
    config = _config(connection, folder)
    _refuse_unknown(config, connection)
    command.downgrade(config, revision)
    _check_foreign_keys(connection)


def move(connection: Connection, folder: Path, current: str | None, revision: str) -> None:
    """Goes to ``revision``, up or down.

    Raises:
        RevisionUnknown: there is no such revision.
        SchemaTooNew, SchemaTooOld, FailedPrecondition: as `upgrade`.
    """
    config = _config(connection, folder)
    _refuse_unknown(config, connection)
    _, down = way(folder, current, revision)
    (command.downgrade if down else command.upgrade)(config, revision)
    _check_foreign_keys(connection)


def way(folder: Path, current: str | None, revision: str) -> tuple[list[tuple[str, str]], bool]:
    """The revisions between the one of a database and another, each with what it does, and whether they are taken back.

    Raises:
        RevisionUnknown: there is no such revision.
        SchemaTooNew, SchemaTooOld: the database is at a revision that is not there.
    """
    scripts = ScriptDirectory(str(folder))
    known = {each.revision: (each.doc or "").partition("\n")[0] for each in reversed(list(scripts.walk_revisions()))}
    if revision != "base" and revision not in known:
        raise RevisionUnknown.at("revision", f"must be base, or one of {min(known)} to {max(known)} (got {revision!r})")
    if current is not None and current not in known:
        raise _unknown(current, oldest=min(known), newest=max(known))
    here, there = current or "", "" if revision == "base" else revision
    between = [(each, doc) for each, doc in known.items() if min(here, there) < each <= max(here, there)]
    return (between[::-1], True) if there < here else (between, False)


def differences(connection: Connection, metadata: MetaData) -> list[str]:
    """Where the database and ``metadata`` differ."""
    partitions = _partitions(connection)

    def include(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name not in partitions | {LOCK_TABLE}

    options = {"compare_type": True, "compare_server_default": True, "include_name": include}
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return [repr(difference) for difference in found]


def run() -> None:
    """Runs the revisions that Alembic has chosen; called from ``env.py``, which Alembic executes."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _config(connection: Connection, folder: Path) -> Config:
    """Alembic's configuration without its file, which would also set up logging."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(config: Config, connection: Connection) -> None:
    scripts = ScriptDirectory.from_config(config)
    for revision in MigrationContext.configure(connection).get_current_heads():
        try:
            scripts.get_revision(revision)
        except CommandError:
            raise _unknown(revision, oldest=scripts.get_base() or "none", newest=scripts.get_current_head() or "none") from None


def _unknown(revision: str, *, oldest: str, newest: str) -> FailedPrecondition:
    """Revisions are numbers of four digits, so that they sort as text."""
    if revision < oldest:
        return SchemaTooOld(
            f"The database is at revision {revision}; this version upgrades from {oldest} on. "
            f"First start the version that brings it to {oldest}; CHANGELOG.md says which.",
            metadata={"database_revision": revision, "oldest_known_revision": oldest},
        )
    return SchemaTooNew(
        f"The database is at revision {revision}, which this version does not know; its newest is {newest}. "
        "Start the newer version, or restore a backup.",
        metadata={"database_revision": revision, "newest_known_revision": newest},
    )


def _partitions(connection: Connection) -> set[str]:
    """The tables that are part of another one, which alone stands in the code."""
    if connection.dialect.name == "sqlite":
        return set()
    query = "SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
    return set(connection.scalars(text(query)))


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite checks none while tables are rebuilt."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise FailedPrecondition(f"{len(broken)} rows refer to rows that are not there, the first in table {broken[0][0]}")
