"""The part of the composition that archives deliveries, and ends what it has of tenants that are deleted."""

from ulid import ULID

from mailer_svc.config import MailerSettings
from mailer_svc.metrics import ArchiveMetrics
from mailer_svc.store import tenant_rows
from mailer_svc.store.archive import SqlArchiveLease, SqlDeliveryArchive
from tocsin.archive.archiver import Archiver
from tocsin.archive.columns import DELIVERIES
from tocsin.archive.files import ParquetArchive
from tocsin.archive.purging import archive_purge
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.node import Node
from tocsin.tenants.purge import TenantPurger

_PURPOSE = "archived addresses"


def archiver(node: Node, settings: MailerSettings, database: Database, clock: Clock) -> Archiver | None:
    """What archives, in the replica that has the lease; None where nothing is archived."""
    observer = ArchiveMetrics(node.telemetry.registry)  # there from the start, so that nothing rings where nothing fails
    if settings.archive_dir is None:
        return None
    return Archiver(
        store=SqlDeliveryArchive(database, key=lambda: node.installation_key.derive(_PURPOSE)),
        files=ParquetArchive(settings.archive_dir, DELIVERIES),
        leads=SqlArchiveLease(database, owner=str(ULID()), clock=clock).take,
        purging=lambda: node.tenants.book().purging,
        observer=observer,
        clock=clock,
        new_id=lambda: str(ULID()),
    )


def purger(node: Node, settings: MailerSettings, database: Database, clock: Clock) -> TenantPurger:
    """What removes tenants from the database, and from the archive before it."""
    rows = tenant_rows(database)
    if settings.archive_dir is None:
        return node.purger(rows)
    return node.purger(rows, elsewhere=(archive_purge(settings.archive_dir, DELIVERIES, rows, clock),))
