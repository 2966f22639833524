"""The part of the composition that deletes tenants."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from auth_svc.config import AuthSettings
from auth_svc.error_reports import ReportFolder
from auth_svc.journal import SecurityJournal
from auth_svc.service import AuditLogPurge, TenantDeletions
from auth_svc.signing import SigningKeys
from auth_svc.store import OWNERS, AuthStore, metadata
from tocsin.clock import Clock
from tocsin.database import Database, TenantRows
from tocsin.lifecycle import Component
from tocsin.tenants.feed import TenantFeed
from tocsin.tenants.purge import TenantPurger


class Ending:
    """What deletes tenants, and removes what they have here."""

    def __init__(
        self,
        settings: AuthSettings,
        clock: Clock,
        *,
        database: Database,
        store: AuthStore,
        keys: SigningKeys,
        book: TenantFeed,
        log: SecurityJournal,
    ) -> None:
        self.deletions = TenantDeletions(store=store, log=log, clock=clock, grace=timedelta(days=settings.tenant_grace_days))
        rows = TenantRows(metadata=metadata, owners=OWNERS, database=lambda: database)
        files = ReportFolder(folder=settings.state_dir / "error_reports", most=settings.alert_files)

        async def remove_files(tenant: str) -> int:
            removed = await files.remove(tenant)
            if removed:
                await rows.add(tenant, "files/error_reports", removed, now=clock.micros())
            return removed

        self._purger = TenantPurger(
            store=rows,
            book=book.book,
            tell=partial(self.deletions.told, service=settings.service_name, place=""),
            clock=clock,
            elsewhere=(AuditLogPurge(store=store, signer=keys, clock=clock), remove_files),
        )
        book.listen(self._purger.follow)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self.deletions, self._purger)
