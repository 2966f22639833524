"""The end of a tenant: ordered, taken back, begun, told of by every service, and over."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from auth_svc.domain import AuditHead, DeletionOrder, SecurityEvent, Tenant, TenantDeletion, TenantStateRefused, TokenCaller
from auth_svc.ports import AuditLogStore, DeletionStore, HeadSigner, SecurityLog, Store
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.wake import Wake

_ROUND_SECONDS: Final = 5.0
_REMEMBERED: Final = timedelta(days=30)
_BATCH: Final = 500


class TenantDeletions:
    """Deletes tenants; a component, which begins what is due. Who removes what: see `tocsin.tenants.purge`."""

    def __init__(self, *, store: Store, log: SecurityLog, clock: Clock, grace: timedelta) -> None:
        """Takes what it needs.

        Args:
            store: keeps tenants and their deletions.
            log: of security.
            clock: source of time.
            grace: for so long a deletion can be taken back.
        """
        self._store: DeletionStore = store
        self._tenants = store
        self._log = log
        self._clock = clock
        self._grace = grace
        self._wake = Wake(clock)
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins what is due."""
        if not self._background.running:
            self._background.periodic("tenant-deletions", _ROUND_SECONDS, self.round, wake=self._wake, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def order(self, caller: TokenCaller, tenant: str, *, at_once: bool, confirm: str, export_sha256: str) -> Tenant:
        """Deletes a tenant, at once or when the time is over in which that can be taken back. Asked for again it comes no later.

        Raises:
            TenantNotFound: there is none.
            InvalidInput: at once, and ``confirm`` is not the name of the tenant.
            TenantStateRefused: it is the operator's, or the caller's own.
        """
        found = await self._tenants.get_tenant(tenant)
        if found.operator or tenant == caller.tenant:
            raise TenantStateRefused("The operator's tenant cannot be deleted: it runs the platform.")
        if at_once and confirm != found.display_name:
            raise InvalidInput.at("confirm", "must be the display name of the tenant, letter by letter, to delete it at once")
        if not at_once and confirm and confirm != found.display_name:
            raise InvalidInput.at("confirm", "is not the display name of the tenant")
        now = self._clock.now()
        purge = now if at_once else now + self._grace
        order = DeletionOrder(by=caller.subject, now=now, purge=purge, export_sha256=export_sha256)
        deleted = await self._store.order_deletion(tenant, order)
        self._log.record(SecurityEvent.TENANT_DELETED, tenant=tenant, by=caller.subject)
        self._wake.set()
        return deleted

    async def take_back(self, caller: TokenCaller, tenant: str) -> Tenant:
        """Makes a tenant what it was before its deletion; one that is not being deleted is no error.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: removing has begun.
        """
        restored = await self._store.take_back_deletion(tenant, now=self._clock.now())
        self._log.record(SecurityEvent.TENANT_UNDELETED, tenant=tenant, by=caller.subject)
        return restored

    async def show(self, tenant: str) -> TenantDeletion:
        """How far the deletion of a tenant is, or what it was.

        Raises:
            DeletionNotFound: there is none.
        """
        return await self._store.get_deletion(tenant)

    async def told(self, tenant: str, removed: Mapping[str, int], *, service: str, place: str) -> None:
        """A service says that nothing is left of a tenant at one of its places, and what it removed there.

        Raises:
            DeletionNotFound: the tenant is not being purged.
        """
        if await self._store.tell_purge(tenant, service=service, place=place, removed=removed, now=self._clock.now()):
            # The tenant has nothing any more, so the entry is the operator's.
            self._log.record(SecurityEvent.TENANT_PURGED, subject=f"tenants/{tenant}")

    async def round(self) -> None:
        """Begins the purges that are due, and lets the book forget tenants of which nothing can come back any more."""
        now = self._clock.now()
        for tenant in await self._store.begin_purges(now=now):
            self._log.record(SecurityEvent.TENANT_PURGE_BEGUN, subject=f"tenants/{tenant}")
        await self._store.forget_purged(before=now - _REMEMBERED)


class AuditLogPurge:
    """Removes the entries of a tenant's audit log, behind a signed anchor: the head of its chain is what stays."""

    def __init__(self, *, store: AuditLogStore, signer: HeadSigner, clock: Clock) -> None:
        """Takes where the log is kept, what signs heads, and the time."""
        self._store = store
        self._signer = signer
        self._clock = clock

    async def __call__(self, tenant: str) -> int:
        """Removes all entries; how many."""
        gone, number = 0, (await self._store.get_chain(tenant)).anchor.number
        while entries := await self._store.entries_after(tenant, number, limit=_BATCH):
            last, now = entries[-1], self._clock.micros()
            signature = self._signer.sign_head(tenant=tenant, number=last.number, entry_hash=last.hash, time=now)
            gone += await self._store.cut_chain(AuditHead(tenant, last.number, last.hash, now, signature), purge=True)
            number = last.number
        return gone
