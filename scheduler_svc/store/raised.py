"""Signals that the engine of time raises: a threshold whose wait is over, a heartbeat whose ping did not come."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Origin
from scheduler_svc.recurrence import Micros
from scheduler_svc.signals import Status
from scheduler_svc.store.causes import Causes, busy, read_listeners
from scheduler_svc.store.inbound import Tally
from scheduler_svc.store.signals import SET_STANDING
from scheduler_svc.store.sql import Fields, Statement
from scheduler_svc.structs import heartbeat_context, reading_context

_ABOUT: Final = Statement(
    sqlite=(
        "SELECT s.alarm, s.topic, s.seen_at, r.value, r.measured_at FROM signals s "
        "LEFT JOIN readings r ON s.kind = 2 AND r.tenant = s.tenant AND r.metric = s.topic "
        "WHERE s.alarm IN (SELECT value FROM json_each(?1))"
    ),
    postgresql=(
        "SELECT s.alarm, s.topic, s.seen_at, r.value, r.measured_at FROM signals s "
        "LEFT JOIN readings r ON s.kind = 2 AND r.tenant = s.tenant AND r.metric = s.topic WHERE s.alarm = ANY($1::text[])"
    ),
)


async def raise_signals(connection: AsyncConnection, causes: Causes, raised: Sequence[tuple[str, Micros]]) -> None:
    """Lets the alarms go that were due at these times, which are locked already, and notes that they are raised."""
    if not raised:
        return
    alarms = await read_listeners(connection, (alarm for alarm, _ in raised), lock=False)
    about = {row[0]: row for row in await _ABOUT.rows(connection, sorted(alarms))}
    causes.skip_while(await busy(connection, alarms.values()))
    for alarm, due in raised:
        context = _context(about[alarm], due) if alarm in about else b""
        causes.add(alarms[alarm], origin=Origin.RAISED, cause=f"RAISED@{due}", due=due, context=context, traceparent="")
    for alarm, due in sorted(raised):
        await SET_STANDING.run(connection, alarm, int(Status.RAISED), due)
    tally = Tally()
    tally.caused(causes.firings)
    await tally.write(connection)


def _context(about: Fields, due: Micros) -> bytes:
    _, topic, seen, value, measured = about
    if measured is not None:
        return reading_context("RAISED", topic, value, measured)
    return heartbeat_context("RAISED", raised=due, ping=seen)
