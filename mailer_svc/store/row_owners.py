"""Whose the rows of the mailer's tables are."""

from typing import Final

from mailer_svc.store import people_tables, rotation_tables
from mailer_svc.store.tables import metadata
from tocsin.database import Database, RowOwners, TenantRows, purge_table

purge_table(metadata)

_ELSEWHERE: Final = (people_tables, rotation_tables)
"""Modules whose tables belong to the metadata once they were imported."""

OWNERS: Final = RowOwners(
    children={
        "contents": ("delivery", "deliveries"),
        "events": ("delivery", "deliveries"),
        "reports": ("delivery", "deliveries"),
        "digest_members": ("digest", "digests"),
    },
    columns={},
    nobody={
        "archive_lease": "which replica archives",
        "changes": "the numbers of changes",
        "followers": "how far their order was read",
        "provider_events": "identities of what providers told, which go with their age",
    },
    kept={},
    along={},
)


def tenant_rows(database: Database) -> TenantRows:
    """Removes what the mailer has of a tenant."""
    return TenantRows(metadata=metadata, owners=OWNERS, database=lambda: database)
