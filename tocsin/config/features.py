"""Features of a database server that not every server has."""

from enum import StrEnum


class DatabaseFeature(StrEnum):
    """What PostgreSQL has, a service can do without, and other engines that speak its protocol may lack: see docs/portability.md."""

    ADVISORY_LOCKS = "advisory_locks"
    """Without: lock rows exclude, and a lease alone tells that a replica is dead."""
    PARTITIONS = "partitions"
    """Without: the ledger is one table, and its old rows are deleted in steps."""
    SESSION_SETTINGS = "session_settings"
    """Without: the role or the database names the schema and the time limits of a session."""
    TRANSACTION_IDS = "transaction_ids"
    """Without: a counter numbers changes, one transaction after the other."""
