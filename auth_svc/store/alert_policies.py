"""Who is told of security alerts, and of which they were told."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    ADMIN,
    ADMINS_READ,
    OWNER,
    OWNERS_READ,
    AlertDelivery,
    AlertPolicy,
    AlertReader,
    is_mailer_reader,
    sign_in_key,
)
from auth_svc.ports import WriteAlertMails
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.alerts import alert_of
from auth_svc.store.log_tables import alert_digests, alert_policies, security_alerts
from auth_svc.store.rows import Queries, lock_tenant
from auth_svc.store.tables import users
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.clock import to_micros
from tocsin.database import insert_ignore, upsert
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_NEW, _WAITS, _TOLD = 0, 1, 2
"""Of an alert: nobody has decided yet; it waits for the daily mail; it is done with."""
_MOST_IN_DIGEST: Final = 1000
_ROLES: Final = {OWNERS_READ: OWNER.id, ADMINS_READ: ADMIN.id}
_SET: Final = upsert(alert_policies, keys=("tenant_id",), update=("recipients", "deliveries", "digest_hour", "updated_at"))


class AlertPolicyQueries(Queries):
    """`auth_svc.ports.AlertPolicyStore`."""

    async def get_alert_policy(self, tenant: str) -> AlertPolicy | None:
        """A policy."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(alert_policies).where(alert_policies.c.tenant_id == tenant))).mappings().first()
        if row is None:
            return None
        try:
            return _policy(msgspec.json.decode(row["recipients"]), msgspec.json.decode(row["deliveries"]), row["digest_hour"])
        except NOT_READABLE as error:  # then owners are told, as without one
            _log.error("alert policy unreadable", tenant=tenant, error=str(error))
            return None

    async def set_alert_policy(self, tenant: str, policy: AlertPolicy, *, due: datetime, now: datetime) -> None:
        """Replaces a policy."""
        deliveries = {each.value: delivery.value for each, delivery in (*policy.severities.items(), *policy.kinds.items())}
        values = {
            "tenant_id": tenant,
            "recipients": json.dumps(list(policy.to)),
            "deliveries": json.dumps(deliveries),
            "digest_hour": policy.digest_hour,
            "updated_at": to_micros(now),
        }
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            await connection.execute(_SET, values)
            moved = update(alert_digests).where(alert_digests.c.tenant_id == tenant, alert_digests.c.due_at > to_micros(now))
            await connection.execute(moved.values(due_at=to_micros(due)))

    async def alert_readers(self, tenant: str, to: Sequence[str], *, limit: int) -> Sequence[AlertReader]:
        """Addresses."""
        roles = [_ROLES[each] for each in to if each in _ROLES]
        ids = [each.removeprefix("users/") for each in to if each.startswith("users/")]
        told = and_(users.c.email != "", users.c.verified_at.is_not(None), users.c.deactivated_at.is_(None))
        who = or_(users.c.role.in_(roles), users.c.id.in_(ids))
        query = select(users.c.email, users.c.locale).where(users.c.tenant_id == tenant, told, who).order_by(users.c.id).limit(limit)
        async with self._database.read() as connection:
            found = {sign_in_key(row.email): AlertReader(address=row.email, locale=row.locale) for row in await connection.execute(query)}
        for address in (each for each in to if "@" in each and not is_mailer_reader(each)):
            found.setdefault(sign_in_key(address), AlertReader(address=address))
        return list(found.values())[:limit]

    async def tenants_to_tell(self, *, limit: int) -> Sequence[str]:
        """Tenants with new alerts."""
        query = select(security_alerts.c.tenant).where(security_alerts.c.told == _NEW).distinct().limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalars().all()

    async def tell_alerts(
        self, tenant: str, *, choose: Callable[[Alert], AlertDelivery], write: WriteAlertMails, due: datetime, limit: int
    ) -> int:
        """Decides when to tell of alerts."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await _alerts(connection, security_alerts.c.tenant == tenant, security_alerts.c.told == _NEW, limit=limit)
            chosen = {identity: choose(alert) for identity, alert in found}
            at_once = [alert for identity, alert in found if chosen[identity] is AlertDelivery.AT_ONCE]
            sent = [await insert_account_mail(connection, mail) for mail in (write(at_once) if at_once else ())]
            waits = AlertDelivery.DAILY if all(sent) else AlertDelivery.AT_ONCE  # an address got too many: all are told daily
            waiting = [identity for identity, delivery in chosen.items() if delivery in (AlertDelivery.DAILY, waits)]
            await _mark(connection, [identity for identity in chosen if identity not in waiting], _TOLD)
            await _mark(connection, waiting, _WAITS)
            if waiting:
                await connection.execute(insert_ignore(alert_digests).values(tenant_id=tenant, due_at=to_micros(due)))
        return len(found)

    async def due_digests(self, *, now: datetime, limit: int) -> Sequence[str]:
        """Tenants whose daily mail is due."""
        query = select(alert_digests.c.tenant_id).where(alert_digests.c.due_at <= to_micros(now)).limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalars().all()

    async def close_digest(self, tenant: str, *, write: WriteAlertMails, now: datetime) -> int:
        """Stores daily mails."""
        due = (alert_digests.c.tenant_id == tenant, alert_digests.c.due_at <= to_micros(now))
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            if (await connection.execute(delete(alert_digests).where(*due).returning(alert_digests.c.tenant_id))).first() is None:
                return 0
            waiting = (security_alerts.c.tenant == tenant, security_alerts.c.told == _WAITS)
            found = await _alerts(connection, *waiting, limit=_MOST_IN_DIGEST)
            for mail in write([alert for _, alert in found]) if found else ():
                await insert_account_mail(connection, mail)
            await connection.execute(update(security_alerts).where(*waiting).values(told=_TOLD))
        return len(found)


async def _alerts(connection: AsyncConnection, *where: ColumnElement[bool], limit: int) -> Sequence[tuple[str, Alert]]:
    query = select(security_alerts).where(*where).order_by(security_alerts.c.first_at, security_alerts.c.id).limit(limit)
    return [(row["id"], alert_of(row).alert) for row in (await connection.execute(query)).mappings()]


async def _mark(connection: AsyncConnection, alerts: Sequence[str], told: int) -> None:
    if alerts:
        await connection.execute(update(security_alerts).where(security_alerts.c.id.in_(alerts)).values(told=told))


def _policy(recipients: Any, deliveries: Any, digest_hour: int) -> AlertPolicy:
    """The policy of a row.

    Raises:
        ValueError, TypeError, AttributeError: it holds something else.
    """
    if not isinstance(recipients, list) or not 0 <= digest_hour <= 23:
        raise TypeError
    severities, kinds = set(Severity.__members__), set(AlertKind.__members__)
    return AlertPolicy(
        to=tuple(str(each) for each in recipients),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        severities={Severity(name): AlertDelivery(value) for name, value in deliveries.items() if name in severities},
        kinds={AlertKind(name): AlertDelivery(value) for name, value in deliveries.items() if name in kinds},
        digest_hour=digest_hour,
    )
