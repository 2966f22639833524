"""A service's own database: SQLite or PostgreSQL, the same to whoever writes queries.

`Database` gives connections, `migrate` brings the schema up to date, `GroupCommit` lets many small writes share one commit, and
`insert_ignore` and `upsert` are the statements that the two dialects would otherwise spell differently.
"""

from tocsin.database.batch import GroupCommit
from tocsin.database.connection import Database, Guard
from tocsin.database.engine import ConnectionLimits
from tocsin.database.errors import ConstraintBroken, DatabaseRefused, DatabaseUnavailable, DataRefused, SchemaTooNew, SchemaTooOld
from tocsin.database.in_thread import DriverConnection, DriverStatement, WaitsForOthers
from tocsin.database.lookup import Lookup
from tocsin.database.migration import (
    MigrationLimits,
    SchemaStanding,
    current,
    downgrade,
    migrate,
    run_migrations,
    schema_differences,
    standing,
)
from tocsin.database.portability import lacks
from tocsin.database.rows import read_mapped_page, read_page
from tocsin.database.statements import copy_rows, insert_ignore, storable, upsert
from tocsin.database.stored_types import kinds_of, typed
from tocsin.database.tenant_rows import RowOwners, TableNotAccountedFor, TenantRows, count_purged, purge_table

__all__ = [
    "ConnectionLimits",
    "ConstraintBroken",
    "DataRefused",
    "Database",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DriverConnection",
    "DriverStatement",
    "GroupCommit",
    "Guard",
    "Lookup",
    "MigrationLimits",
    "RowOwners",
    "SchemaStanding",
    "SchemaTooNew",
    "SchemaTooOld",
    "TableNotAccountedFor",
    "TenantRows",
    "WaitsForOthers",
    "copy_rows",
    "count_purged",
    "current",
    "downgrade",
    "insert_ignore",
    "kinds_of",
    "lacks",
    "migrate",
    "purge_table",
    "read_mapped_page",
    "read_page",
    "run_migrations",
    "schema_differences",
    "standing",
    "storable",
    "typed",
    "upsert",
]
