"""Deletes what time has made useless, and files what is new."""

from datetime import timedelta
from typing import Final

from auth_svc.domain import ADDRESS_CHANGES_KEPT
from auth_svc.ports import (
    AccountMailStore,
    AddressChangeStore,
    AlertFiles,
    AlertStore,
    CredentialStore,
    IdentityStore,
    InvitationStore,
    OneTimeStore,
    SessionStore,
)
from auth_svc.service.audit import AuditLog
from auth_svc.service.ended_credentials import EndedCredentials
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_BATCH: Final = 100
_INTERVAL_SECONDS: Final = 3600.0
_SIGN_SECONDS: Final = 60.0
_MAILS_KEPT: Final = timedelta(days=8)
"""Longer than any mail is worth sending."""
_CLIENTS_KEPT: Final = timedelta(days=180)
_INVITATIONS_KEPT: Final = timedelta(days=30)


class SessionHousekeeper:
    """Deletes sessions that ended, at the start and then every ``interval``, and forgets of which they were told."""

    def __init__(self, *, store: SessionStore, ended: EndedCredentials, clock: Clock, interval: timedelta = timedelta(hours=1)) -> None:
        self._store = store
        self._ended = ended
        self._clock = clock
        self._interval = interval
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._rounds.running:
            self._rounds.periodic("housekeeping", self._interval.total_seconds(), self._purge, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._rounds.stop()

    async def _purge(self) -> None:
        _log.debug("sessions purged", sessions=await self._store.purge(self._clock.now()))
        await self._ended.forget()


class AccountHousekeeper:
    """Deletes one-time tokens, registrations, invitations, changes of addresses, clients and mails that are over; a component."""

    def __init__(
        self,
        *,
        tokens: OneTimeStore,
        mails: AccountMailStore,
        credentials: CredentialStore,
        invitations: InvitationStore,
        addresses: AddressChangeStore,
        clock: Clock,
    ) -> None:
        self._tokens = tokens
        self._mails = mails
        self._credentials = credentials
        self._invitations = invitations
        self._addresses = addresses
        self._clock = clock
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._background.running:
            self._background.periodic("account-retention", _INTERVAL_SECONDS, self._purge, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def _purge(self) -> None:
        now = self._clock.now()
        await self._tokens.purge_one_time(now)
        await self._mails.purge_account_mails(now - _MAILS_KEPT)
        await self._credentials.purge_credentials(now=now, clients_before=now - _CLIENTS_KEPT)
        await self._invitations.purge_invitations(now - _INVITATIONS_KEPT)
        await self._addresses.purge_address_changes(now - ADDRESS_CHANGES_KEPT)


class AlertHousekeeper:
    """Writes a file for each new alert, and forgets old ones; a component."""

    def __init__(self, *, store: AlertStore, files: AlertFiles, clock: Clock, retention: timedelta, written: Wake) -> None:
        self._store = store
        self._files = files
        self._clock = clock
        self._retention = retention
        self._written = written
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins; what an earlier process left to be filed is filed first."""
        if not self._background.running:
            self._background.periodic("alert-files", None, self._file, wake=self._written, vital=False)
            self._background.periodic("alert-retention", _INTERVAL_SECONDS, self._purge, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def _file(self) -> None:
        while alerts := await self._store.unfiled_alerts(limit=_BATCH):
            await self._files.write(alerts)
            await self._store.file_alerts([each.id for each in alerts])
            report_progress()

    async def _purge(self) -> None:
        before = self._clock.now() - self._retention
        while await self._store.purge_alerts(before, limit=_BATCH) == _BATCH:
            report_progress()


class AuditHousekeeper:
    """Signs the chains every minute, and cuts them every hour; a component."""

    def __init__(self, *, audit: AuditLog, clock: Clock, retention: timedelta) -> None:
        self._audit = audit
        self._retention = retention
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._background.running:
            self._background.periodic("audit-heads", _SIGN_SECONDS, self._audit.sign_all, at_once=False, vital=False)
            self._background.periodic("audit-retention", _INTERVAL_SECONDS, self._cut, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def _cut(self) -> None:
        await self._audit.cut(self._retention)


class SignInHousekeeper:
    """Deletes sign-ins at identity providers that nobody ended; a component."""

    def __init__(self, *, store: IdentityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._background.running:
            self._background.periodic("sign-in-retention", _INTERVAL_SECONDS, self._purge, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def _purge(self) -> None:
        await self._store.purge_oidc(self._clock.now())
