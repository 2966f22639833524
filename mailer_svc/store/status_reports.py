"""What far ends told, in the timelines of deliveries."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, ReportKind, StatusReport, effect_of_report
from mailer_svc.domain.people import comparable_address
from mailer_svc.ports.people import AddressKey
from mailer_svc.ports.reporting import ReportedDelivery, Suppressing
from mailer_svc.store.addresses import retire_addresses
from mailer_svc.store.bulk import BulkInsert
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.people_tables import addresses, provider_events, suppressions
from mailer_svc.store.reports import note
from mailer_svc.store.suppressions import add_suppressions, lift_suppressions
from mailer_svc.store.tables import deliveries, events
from tocsin.database import Database, insert_ignore, storable
from tocsin.stored import known

_RANKS: Final = {
    DeliveryState.SENDING: 0,
    DeliveryState.OUTCOME_UNKNOWN: 0,
    DeliveryState.SENT: 1,
    DeliveryState.DELIVERED: 2,
    DeliveryState.SUPPRESSED: 3,
    DeliveryState.BOUNCED: 4,
    DeliveryState.COMPLAINED: 5,
}
"""What may be moved by reports, in the order in which they come to be: never back."""

_MOVES: Final = {
    ReportKind.DELIVERED: DeliveryState.DELIVERED,
    ReportKind.BOUNCED: DeliveryState.BOUNCED,
    ReportKind.COMPLAINED: DeliveryState.COMPLAINED,
    ReportKind.DROPPED: DeliveryState.SUPPRESSED,
}
_DROPPED: Final = "PROVIDER"
_MAX_TEXT: Final = 500
_DELIVERY = (
    deliveries.c.id,
    deliveries.c.reference,
    deliveries.c.tenant,
    deliveries.c.channel,
    deliveries.c.recipient,
    deliveries.c.recipient_id,
    deliveries.c.category,
    deliveries.c.state,
    deliveries.c.attempts,
)


class SqlStatusReports:
    """Stores reports on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order
        self._events = BulkInsert(events, sqlite=database.dialect == "sqlite")

    async def record(
        self, reports: Sequence[StatusReport], *, now: int, suppressing: Suppressing, tenant: str = ""
    ) -> list[ReportedDelivery]:
        """Adds each report to the timeline of its delivery, moves the delivery if the report outranks its state, and suppresses."""
        done: list[ReportedDelivery] = []
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            fresh = await _unknown(connection, reports, now, tenant)
            found = await _found(connection, fresh, tenant)
            states = {row.id: known(DeliveryState, row.state) for row in found.values()}
            lines, told = list[tuple[Any, ...]](), set[str]()
            change = await self._order.begin(connection) if found else 0
            for report in fresh:
                row = found.get(report.delivery or report.reference)
                if row is None:
                    continue
                before = states[row.id]
                states[row.id] = state = _moved(before, report)
                provider, detail = storable(report.provider)[:_MAX_TEXT], storable(report.detail)[:_MAX_TEXT]
                lines.append((change, len(lines), row.id, row.tenant, now, int(state), row.attempts, None, provider, report.code, detail))
                done.append(_reported(report, row, state, moved=state is not before))
                if _unexpected(before, state):
                    told.add(row.id)
            for item in done:
                if item.moved:
                    await connection.execute(_move(item.delivery, states[item.delivery], now))
            if lines:
                await self._events.insert(connection, lines)
            await note(connection, sorted(told), change)
            done += await _of_addresses(connection, fresh, tenant)
            await _settle_addresses(connection, done, suppressing, now)
        return done


async def _settle_addresses(connection: AsyncConnection, done: Sequence[ReportedDelivery], suppressing: Suppressing, now: int) -> None:
    """What the reports mean for the addresses: those that work first, so that whatever else is told stands."""
    keyed = [(AddressKey.of(item.tenant, item.channel, item.address), effect_of_report(item.report), item) for item in done]
    for lifting in {effect for _, effect, _ in keyed if effect.lifts}:
        await lift_suppressions(connection, {key for key, effect, _ in keyed if effect == lifting}, lifting)
    suppressed = [found for item in done if (found := suppressing(item)) is not None]
    unique = {(*AddressKey.of(item.tenant, item.channel, item.address), item.category): item for item in suppressed}
    await add_suppressions(connection, unique.values())
    await retire_addresses(connection, {key: item.report.detail for key, effect, item in keyed if effect.retire}, now=now)


async def _of_addresses(connection: AsyncConnection, reports: Sequence[StatusReport], tenant: str) -> list[ReportedDelivery]:
    """What owners of addresses told their provider, for each tenant that it means."""
    found: list[ReportedDelivery] = []
    for report in reports:
        if not report.address or report.delivery or report.reference:
            continue
        address = storable(comparable_address(report.channel, report.address))
        owners = [tenant] if tenant else await _tenants_of(connection, report.channel, address)
        found += [ReportedDelivery(report, "", owner, report.channel, address, "", "", state=None, moved=False) for owner in owners]
    return found


async def _tenants_of(connection: AsyncConnection, channel: str, address: str) -> list[str]:
    owned = select(addresses.c.tenant).where(addresses.c.channel == channel, addresses.c.value == address)
    stopped = select(suppressions.c.tenant).where(suppressions.c.channel == channel, suppressions.c.address == address)
    return sorted((await connection.execute(owned.union(stopped))).scalars())


async def _unknown(connection: AsyncConnection, reports: Sequence[StatusReport], now: int, tenant: str) -> list[StatusReport]:
    """Those that were not stored before."""
    names = {f"{tenant}/{report.provider}:{report.event}": None for report in reports if report.event}
    if not names:
        return list(reports)
    rows = [{"id": storable(name), "received": now} for name in sorted(names)]
    statement = insert_ignore(provider_events).values(rows).returning(provider_events.c.id)
    new = set((await connection.execute(statement)).scalars())
    fresh: list[StatusReport] = []
    for report in reports:
        name = storable(f"{tenant}/{report.provider}:{report.event}")
        if not report.event or name in new:
            new.discard(name)
            fresh.append(report)
    return fresh


async def _found(connection: AsyncConnection, reports: Sequence[StatusReport], tenant: str) -> dict[str, Any]:
    """The deliveries that reports name, by what they name them; locked, in one order."""
    ids = sorted({storable(report.delivery) for report in reports if report.delivery})
    references = sorted({storable(report.reference) for report in reports if report.reference and not report.delivery})
    if not ids and not references:
        return {}
    query = select(*_DELIVERY).where(or_(deliveries.c.id.in_(ids), deliveries.c.reference.in_(references)))
    if tenant:
        query = query.where(deliveries.c.tenant == tenant)
    rows = (await connection.execute(query.order_by(deliveries.c.id).with_for_update())).all()
    named: dict[str, Any] = {row.reference: row for row in rows if row.reference}
    named.update((row.id, row) for row in rows)
    return named


def _moved(state: DeliveryState, report: StatusReport) -> DeliveryState:
    """What the report makes of a delivery; what it was, if the report does not outrank that."""
    wanted = None if report.kind is ReportKind.BOUNCED and report.soft else _MOVES.get(report.kind)
    if wanted is None or state not in _RANKS or _RANKS[wanted] <= _RANKS[state]:
        return state
    return wanted


def _unexpected(before: DeliveryState, state: DeliveryState) -> bool:
    """Whether the scheduler is to be told: of a bad end, and that what it was told before does not hold."""
    return state is not before and (state is not DeliveryState.DELIVERED or before is DeliveryState.OUTCOME_UNKNOWN)


def _move(delivery: str, state: DeliveryState, now: int) -> Any:
    values: dict[str, Any] = {"state": int(state), "updated": now, "next_attempt": None, "due": None, "owner": ""}
    if state is DeliveryState.SUPPRESSED:
        values["reason"] = _DROPPED
    return update(deliveries).where(deliveries.c.id == delivery).values(values)


def _reported(report: StatusReport, row: Row[Any], state: DeliveryState, *, moved: bool) -> ReportedDelivery:
    return ReportedDelivery(
        report=report,
        delivery=row.id,
        tenant=row.tenant,
        channel=row.channel,
        address=row.recipient,
        recipient_id=row.recipient_id,
        category=row.category,
        state=state,
        moved=moved,
    )
