"""Whose the rows of the scheduler's tables are."""

from typing import Final

from scheduler_svc.store import incident_tables, integrations, ping_tables
from scheduler_svc.store.tables import metadata
from tocsin.database import Database, RowOwners, TenantRows, purge_table

purge_table(metadata)

_ELSEWHERE: Final = (incident_tables, integrations, ping_tables)
"""Modules whose tables belong to the metadata once they were imported."""

OWNERS: Final = RowOwners(
    children={"firing_ids": ("id", "firings"), "incident_alerts": ("incident", "incidents")},
    columns={},
    nobody={
        "facts": "what the shards were computed with",
        "shards": "who owns which",
        "replicas": "which processes there are",
        "counters": "the numbers of changes",
    },
    kept={},
    along={},
)


def tenant_rows(database: Database) -> TenantRows:
    """Removes what the scheduler has of a tenant."""
    return TenantRows(metadata=metadata, owners=OWNERS, database=lambda: database)
