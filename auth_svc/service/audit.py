"""The audit log: appending, showing, signing, and cutting what is too old."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from auth_svc.domain import AuditHead, ChainState, StoredEntry
from auth_svc.ports import AuditLogStore, HeadSigner
from tocsin.alerts import AlertKind, Alerts
from tocsin.audit_log import AuditEntry
from tocsin.background import report_progress
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.listing import Condition
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_BATCH: Final = 500
_POLL_SECONDS: Final = 1.0
_CHAINS_AT_ONCE: Final = 100
_LONGEST_NUMBER: Final = 18


class AuditLog:
    """The audit log of every tenant."""

    def __init__(self, *, store: AuditLogStore, signer: HeadSigner, alerts: Alerts, clock: Clock) -> None:
        """Makes the log.

        Args:
            store: keeps the chains.
            signer: signs their heads.
            alerts: told of a chain that is broken.
            clock: says when.
        """
        self._store = store
        self._signer = signer
        self._alerts = alerts
        self._clock = clock

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Adds entries; when this returns, they are committed. One that comes again changes nothing."""
        if entries:
            await self._store.append_entries(entries)

    async def get(self, tenant: str, number: int) -> StoredEntry:
        """One entry.

        Raises:
            AuditLogNotFound: the tenant has no such entry.
        """
        return await self._store.get_entry(tenant, number)

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: int | None, limit: int) -> Sequence[StoredEntry]:
        """Entries, the newest first; those with smaller numbers than ``before``."""
        return await self._store.list_entries(tenant, conditions=conditions, before=before, limit=limit)

    async def watch(self, tenant: str, *, token: str) -> AsyncIterator[StoredEntry]:
        """Every entry behind ``token``, or that is written from now on. Does not end.

        Raises:
            InvalidInput: the token is not one of ours, or of entries that a restore from a backup has taken back.
        """
        end = (await self._store.get_chain(tenant)).number
        number = _number_in(token) if token else end
        if number > end:  # others will get these numbers, and would be passed over
            raise InvalidInput.at("resumeToken", "is beyond the end of the log, as after a restore from a backup: begin again without one")
        while True:
            while entries := await self._store.entries_after(tenant, number, limit=_BATCH):
                for entry in entries:
                    yield entry
                number = entries[-1].number
            await self._clock.sleep(_POLL_SECONDS)

    async def export(self, tenant: str) -> AsyncIterator[AuditHead | StoredEntry]:
        """The anchor if there is one, the entries, and the head that was signed last: now, if that can be.

        What is appended meanwhile is left out.
        """
        await self.sign(await self._store.get_chain(tenant))
        chain = await self._store.get_chain(tenant)
        if chain.anchor.number:
            yield chain.anchor
        number = chain.anchor.number
        while entries := await self._store.entries_after(tenant, number, limit=_BATCH):
            for entry in entries:
                if entry.number <= chain.number:
                    yield entry
            number = entries[-1].number
            if number >= chain.number:
                break
        if chain.signed.number:
            yield chain.signed

    async def sign(self, chain: ChainState) -> None:
        """Signs the end of a chain, unless it is not what was signed before: then an alarm is raised, and nothing is signed."""
        if chain.number == chain.signed.number and chain.hash == chain.signed.hash:
            return
        if why := await self._broken(chain):
            _log.error("audit chain broken", tenant=chain.tenant, entry=chain.signed.number, reason=why)
            self._alerts.report(kind=AlertKind.AUDIT_CHAIN_BROKEN, place="auditLogs", tenant=chain.tenant, detail=why)
            return
        await self._store.sign_chain(self._head(chain.tenant, chain.number, chain.hash))
        # Whoever keeps the lines of the log elsewhere has a witness of the chain there.
        _log.info("audit chain signed", tenant=chain.tenant, entry=chain.number, entry_hash=chain.hash)

    async def _broken(self, chain: ChainState) -> str:
        """Why the end of a chain cannot follow the place that was signed last; empty if it can."""
        if chain.number < chain.signed.number:
            return "the end was cut off"
        for place in (chain.signed, AuditHead(chain.tenant, chain.number, chain.hash)):
            if place.number > chain.anchor.number:
                found = await self._store.entries_after(chain.tenant, place.number - 1, limit=1)
                if not found or (found[0].number, found[0].hash) != (place.number, place.hash):
                    return "an entry is not the one that was signed"
        return ""

    def _head(self, tenant: str, number: int, entry_hash: str) -> AuditHead:
        now = self._clock.micros()
        return AuditHead(
            tenant, number, entry_hash, now, self._signer.sign_head(tenant=tenant, number=number, entry_hash=entry_hash, time=now)
        )

    async def sign_all(self) -> None:
        """Signs the end of each chain that has grown."""
        tenant = ""
        while chains := await self._store.chains_after(tenant, limit=_CHAINS_AT_ONCE):
            for chain in chains:
                await self.sign(chain)
                report_progress()
            tenant = chains[-1].tenant

    async def cut(self, retention: timedelta) -> None:
        """Deletes the oldest entries of each chain, as far as all of them are older than ``retention``."""
        before = self._clock.micros() - retention // timedelta(microseconds=1)
        tenant = ""
        while chains := await self._store.chains_after(tenant, limit=_CHAINS_AT_ONCE):
            for chain in chains:
                await self._cut(chain, before)
            tenant = chains[-1].tenant

    async def _cut(self, chain: ChainState, before: int) -> None:
        number = chain.anchor.number
        while entries := await self._store.entries_after(chain.tenant, number, limit=_BATCH):
            young = next((place for place, each in enumerate(entries) if each.entry.time >= before), len(entries))
            if not young:
                return
            last = entries[young - 1]
            deleted = await self._store.cut_chain(self._head(chain.tenant, last.number, last.hash))
            _log.info("audit entries cut", tenant=chain.tenant, entries=deleted, anchor=last.number, entry_hash=last.hash)
            number = last.number
            report_progress()


def _number_in(token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= _LONGEST_NUMBER):
        raise InvalidInput.at("resumeToken", "is not a token that an entry came with")
    return int(token)
