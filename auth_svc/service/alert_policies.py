"""Telling people of security alerts: at once or by a daily mail, as the policy of their tenant says."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from auth_svc.domain import (
    ADMINS_READ,
    MOST_ALERT_READERS,
    OWNERS_READ,
    SEVERITY,
    AccountMail,
    AccountMailKind,
    AlertPolicy,
    AlertReader,
    SecurityEvent,
    Tenant,
    TenantNotFound,
    TokenCaller,
    UserNotFound,
    alert_lines,
    is_mailer_reader,
    normalize_email,
)
from auth_svc.ports import AlertReaderDirectory, CheckedAlertReader, SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from tocsin.alerts import Alert, Severity
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, TocsinError
from tocsin.telemetry import get_logger
from tocsin.wake import Wake
from tocsin.zones import zone as zone_of

_log = get_logger(__name__)

_ROUND_SECONDS: Final = 5.0
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class AlertPolicyView:
    """A policy, how many addresses and recipients it leads to now, and what of it leads to nobody."""

    policy: AlertPolicy
    reached: int
    unreached: Sequence[str]


class AlertPolicies:
    """Shows and sets policies."""

    def __init__(self, *, store: Store, readers: AlertReaderDirectory, log: SecurityLog, clock: Clock) -> None:
        """Makes it; ``store`` keeps them, and ``readers`` knows people of the mailer."""
        self._store = store
        self._readers = readers
        self._log = log
        self._clock = clock

    async def get(self, tenant: str) -> AlertPolicyView:
        """The policy of a tenant, and whom it leads to now; while the mailer is away, without people that it knows."""
        policy = await self._store.get_alert_policy(tenant) or AlertPolicy()
        try:
            people = await self._checked_readers(tenant, policy)
        except TocsinError as error:
            _log.warning("readers of security alerts not known", tenant=tenant, error=error.error_reason)
            people = ()
        return await self._view(tenant, policy, people)

    async def _view(self, tenant: str, policy: AlertPolicy, people: Sequence[CheckedAlertReader]) -> AlertPolicyView:
        addresses = await self._store.alert_readers(tenant, policy.to, limit=MOST_ALERT_READERS)
        reached = len(addresses) + sum(each.reached for each in people)
        return AlertPolicyView(policy, reached, [each.name for each in people if not each.reached])

    async def _checked_readers(self, tenant: str, policy: AlertPolicy) -> Sequence[CheckedAlertReader]:
        names = list(dict.fromkeys(who for who in policy.to if is_mailer_reader(who)))
        return await self._readers.check(tenant, names) if names else ()

    async def put(self, caller: TokenCaller, policy: AlertPolicy) -> AlertPolicyView:
        """Replaces the policy of the caller's tenant. A group or a rotation that leads to nobody now is taken: the answer says so.

        Raises:
            InvalidInput: ``to`` names somebody or something that the tenant does not have, or what is no address.
            Unavailable: it names people of the mailer, which is away.
        """
        people = await self._checked_readers(caller.tenant, policy)
        missing = {each.name for each in people if not each.exists}
        for number, who in enumerate(policy.to):
            if who in missing:
                raise InvalidInput.at(f"policy.to[{number}]", "is nothing that this tenant has")
        now = self._clock.now()
        checked = AlertPolicy(
            to=tuple(dict.fromkeys([await self._checked(caller.tenant, number, who) for number, who in enumerate(policy.to)])),
            severities=policy.severities,
            kinds=policy.kinds,
            digest_hour=policy.digest_hour,
        )
        due = checked.next_digest(now, zone_of((await self._store.get_tenant(caller.tenant)).time_zone))
        await self._store.set_alert_policy(caller.tenant, checked, due=due, now=now)
        self._log.record(SecurityEvent.ALERT_POLICY_SET, tenant=caller.tenant, by=caller.subject)
        return await self._view(caller.tenant, checked, people)

    async def _checked(self, tenant: str, number: int, who: str) -> str:
        field = f"policy.to[{number}]"
        if who in (OWNERS_READ, ADMINS_READ) or is_mailer_reader(who):
            return who
        if "@" in who:
            return normalize_email(who, field=field)
        kind, _, user = who.partition("/")
        if kind != "users":
            raise InvalidInput.at(
                field, f'must be "{OWNERS_READ}", "{ADMINS_READ}", users/ID, recipients/ID, groups/ID, rotations/ID or an address'
            )
        try:
            return (await self._store.get_user(tenant, user)).name
        except UserNotFound:
            raise InvalidInput.at(field, "is no user of this tenant") from None


class AlertTelling:
    """Looks for alerts that people are to be told of; a component."""

    def __init__(self, *, store: Store, mails: AccountMails, clock: Clock, written: Wake) -> None:
        """Makes it; ``written`` says that there are new alerts."""
        self._store = store
        self._mails = mails
        self._clock = clock
        self._written = written
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins, with what an earlier process left."""
        if not self._background.running:
            self._background.periodic("alert-telling", _ROUND_SECONDS, self.tell, wake=self._written, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def tell(self) -> None:
        """Tells of everything that is due."""
        while tenants := await self._store.tenants_to_tell(limit=_BATCH):
            for tenant in tenants:
                await self._tell_at_once(tenant)
            report_progress()
        while tenants := await self._store.due_digests(now=self._clock.now(), limit=_BATCH):
            for tenant in tenants:
                await self._tell_daily(tenant)
            report_progress()

    async def _tell_at_once(self, tenant: str) -> None:
        policy, readers, owner = await self._of(tenant)
        zone, now = zone_of(owner.time_zone if owner else "UTC"), self._clock.now()
        write = partial(self._mails_of, AccountMailKind.SECURITY_ALERT, owner, readers)
        await self._store.tell_alerts(tenant, choose=policy.delivery, write=write, due=policy.next_digest(now, zone), limit=_BATCH)
        self._mails.wake()

    async def _tell_daily(self, tenant: str) -> None:
        _, readers, owner = await self._of(tenant)
        write = partial(self._mails_of, AccountMailKind.SECURITY_DIGEST, owner, readers)
        await self._store.close_digest(tenant, write=write, now=self._clock.now())
        self._mails.wake()

    async def _of(self, tenant: str) -> tuple[AlertPolicy, Sequence[AlertReader], Tenant | None]:
        policy = await self._store.get_alert_policy(tenant) or AlertPolicy()
        try:
            owner = await self._store.get_tenant(tenant)
        except TenantNotFound:  # deleted, with everybody who could be told
            return policy, (), None
        readers = [*await self._store.alert_readers(tenant, policy.to, limit=MOST_ALERT_READERS)]
        if people := [who for who in policy.to if is_mailer_reader(who)]:
            # Each of them has a language of its own, which the mailer knows; the alerts are named in that of the first owner.
            owners = await self._store.alert_readers(tenant, (OWNERS_READ,), limit=1)
            readers += [AlertReader(address=who, locale=owners[0].locale if owners else "") for who in people]
        return policy, readers, owner

    def _mails_of(
        self, kind: AccountMailKind, owner: Tenant | None, readers: Sequence[AlertReader], alerts: Sequence[Alert]
    ) -> Sequence[AccountMail]:
        if owner is None:
            return ()
        facts = {
            "count": str(len(alerts)),
            "tenant": owner.display_name,
            "zone": owner.time_zone,
        }
        zone = zone_of(owner.time_zone)
        urgent = Severity.HIGH if any(alert.severity is Severity.HIGH for alert in alerts) else Severity.LOW
        lines = {locale: alert_lines(alerts, zone=zone, locale=locale) for locale in {reader.locale for reader in readers}}
        return [
            self._mails.draft(
                kind,
                address=reader.address,
                tenant=owner.id,
                subject=f"tenants/{owner.id}",
                locale=reader.locale,
                variables={
                    **facts,
                    "lines": lines[reader.locale],
                    **({SEVERITY: urgent.value} if is_mailer_reader(reader.address) else {}),
                },
            )
            for reader in readers
        ]
