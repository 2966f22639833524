"""Warnings that an API key ends soon: a mail and a security alert, once for each term."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from auth_svc.domain import AccountMail, AccountMailKind, SecurityEvent, User, UserNotFound
from auth_svc.ports import HeldKey, SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from tocsin.alerts import SEVERITIES, Alert, AlertKind, Severity
from tocsin.background import Background, report_progress
from tocsin.clock import Clock, to_micros

WARNED_DAYS: Final = (1, 7)
"""Days before its end at which a key is warned of."""

_SECONDS: Final = 900.0
_BATCH: Final = 100
_MOST_OWNERS: Final = 5
_PLACE: Final = "ApiKeyService/ExchangeApiKey"

ReportAlerts: TypeAlias = Callable[[Sequence[Alert], str], Awaitable[None]]
"""Stores alerts for good. The text is the id of the batch: one that comes again is the same one."""


def days_warned(expires: datetime | None, now: datetime) -> int | None:
    """The last warning that is over already for a key that ends at ``expires``: none is due as soon as it is made."""
    return None if expires is None else _due(expires - now)


def _due(left: timedelta) -> int | None:
    return next((days for days in WARNED_DAYS if left <= timedelta(days=days)), None)


class KeyWarnings:
    """Looks for keys that end soon; a component."""

    def __init__(self, *, store: Store, mails: AccountMails, report: ReportAlerts, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._mails = mails
        self._report = report
        self._log = log
        self._clock = clock
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._background.running:
            self._background.periodic("key-warnings", _SECONDS, self.warn, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def warn(self) -> None:
        """Warns of every key for which that is due."""
        after = ""
        while True:
            now = self._clock.now()
            keys = await self._store.expiring_keys(now=now, before=now + timedelta(days=max(WARNED_DAYS)), after=after, limit=_BATCH)
            for held in keys:
                await self._warn_of(held, now)
            report_progress()
            if len(keys) < _BATCH:
                return
            after = keys[-1].key.id

    async def _warn_of(self, held: HeldKey, now: datetime) -> None:
        key, days = held.key, None if held.key.expires is None else _due(held.key.expires - now)
        if days is None or key.expires is None or not held.active or (key.warned is not None and key.warned <= days):
            return
        # The alert comes first, and is known again by its batch: a death between the two warns of nothing twice, and forgets nothing.
        await self._report([_alert(held, days, now)], f"key-{key.id}-{to_micros(key.expires)}-{days}")
        mails = [self._mail(held, user) for user in await self._readers(held)]
        if await self._store.warn_of_key(key, days=days, mails=mails):
            self._mails.wake()
            self._log.record(SecurityEvent.KEY_EXPIRING, tenant=key.tenant, subject=key.name, owner=key.owner, days=str(days))

    async def _readers(self, held: HeldKey) -> Sequence[User]:
        """Whose key it is; of a service account, whoever made the key, or else the owners of the tenant."""
        key = held.key
        for subject in (key.owner, key.maker):
            kind, _, identity = subject.partition("/")
            if kind != "users":
                continue
            try:
                user = await self._store.get_user(key.tenant, identity)
            except UserNotFound:
                continue
            if user.active and user.email:
                return [user]
        return await self._store.active_owners(key.tenant, limit=_MOST_OWNERS)

    def _mail(self, held: HeldKey, user: User) -> AccountMail:
        key = held.key
        expires = "" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M} UTC"
        facts = {"key": key.display_name, "prefix": key.prefix, "expires": expires, "tenant": held.tenant.display_name}
        kind = AccountMailKind.KEY_EXPIRY
        return self._mails.draft(kind, address=user.email, tenant=key.tenant, subject=key.name, locale=user.locale, variables=facts)


def _alert(held: HeldKey, days: int, now: datetime) -> Alert:
    at = to_micros(now)
    return Alert(
        kind=AlertKind.API_KEY_EXPIRING,
        severity=Severity.HIGH if days == min(WARNED_DAYS) else SEVERITIES[AlertKind.API_KEY_EXPIRING],
        tenant=held.key.tenant,
        subject=held.key.name,
        place=_PLACE,
        latest=held.key.owner,
        detail=f"{days} d",
        count=1,
        first=at,
        last=at,
    )
