"""The part of the composition that makes and deletes tenants."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from auth_svc.config import AuthSettings
from auth_svc.error_reports import ReportFolder
from auth_svc.handlers import TenantAdminHandlers, TenantHandlers
from auth_svc.handlers.tenants import book_answer
from auth_svc.service import AuditLogPurge, TenantDeletions, TenantMaker, TenantOffice
from auth_svc.signing import SigningKeys
from auth_svc.store import OWNERS, metadata
from auth_svc.wiring.members import MemberParts
from auth_svc.wiring.shared import Shared
from tocsin.api.auth.v1 import tenant_admin_service_pb2_grpc, user_service_pb2_grpc
from tocsin.database import Database, TenantRows
from tocsin.lifecycle import Component
from tocsin.mesh.server import Handler
from tocsin.tenants.feed import TenantFeed
from tocsin.tenants.purge import TenantPurger


class TenantParts:
    """What makes, shows and deletes tenants, and removes what they have here; `handlers` serve it.

    Attributes:
        book: the tenants that differ from the rule.
    """

    def __init__(
        self,
        settings: AuthSettings,
        shared: Shared,
        *,
        database: Database,
        keys: SigningKeys,
        members: MemberParts,
    ) -> None:
        store, clock, log = shared["store"], shared["clock"], shared["log"]
        office = TenantOffice(store=store, log=log, clock=clock, defaults=settings.default_quotas)
        self.book = TenantFeed(fetch=lambda version, token: book_answer(office, version=version, page_token=token), clock=clock, file=None)
        self._deletions = TenantDeletions(store=store, log=log, clock=clock, grace=timedelta(days=settings.tenant_grace_days))
        maker = TenantMaker(store=store, invitations=members.invitations, link=settings.public_link, log=log, clock=clock)
        tenants = TenantHandlers(users=members.users, office=office, deletions=self._deletions)
        admin = TenantAdminHandlers(office=office, maker=maker, deletions=self._deletions)
        self.handlers: Sequence[Handler] = (
            (user_service_pb2_grpc.add_TenantServiceServicer_to_server, tenants),
            (tenant_admin_service_pb2_grpc.add_TenantAdminServiceServicer_to_server, admin),
        )
        self._purger = _purger(settings, shared, database=database, keys=keys, book=self.book, deletions=self._deletions)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._deletions, self._purger)


def _purger(
    settings: AuthSettings, shared: Shared, *, database: Database, keys: SigningKeys, book: TenantFeed, deletions: TenantDeletions
) -> TenantPurger:
    """Removes what is here: rows, the entries of the audit log, and the files of alerts."""
    store, clock = shared["store"], shared["clock"]
    rows = TenantRows(metadata=metadata, owners=OWNERS, database=lambda: database)
    files = ReportFolder(folder=settings.state_dir / "error_reports", most=settings.alert_files)

    async def remove_files(tenant: str) -> int:
        removed = await files.remove(tenant)
        if removed:
            await rows.add(tenant, "files/error_reports", removed, now=clock.micros())
        return removed

    made = TenantPurger(
        store=rows,
        book=book.book,
        tell=partial(deletions.told, service=settings.service_name, place=""),
        clock=clock,
        elsewhere=(AuditLogPurge(store=store, signer=keys, clock=clock), remove_files),
    )
    book.listen(made.follow)
    return made
