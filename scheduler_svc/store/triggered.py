"""The firings that something from outside triggered: rows of the ledger beside any rule, in shards of the replica that took it."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.contexts import heartbeat_context, reading_context
from scheduler_svc.domain import (
    COUNTED,
    SERIAL,
    SINGLE,
    Action,
    Firing,
    FiringState,
    Origin,
    Outcome,
    Priority,
    fired_outcome,
    requested_firing_id,
    shard_of,
)
from scheduler_svc.domain.planning import STILL_RUNNING
from scheduler_svc.ports import Held
from scheduler_svc.store.ad_hoc import insert_ad_hoc
from scheduler_svc.store.fence import owned
from scheduler_svc.store.inbound import Tally
from scheduler_svc.store.signals import SET_SIGNAL_STATE
from scheduler_svc.store.sql import Fields, Statement, begin_change
from scheduler_svc.triggers import Status
from tocsin.errors import Unavailable
from tocsin.recurrence import Micros, Overlapping, Trigger
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_CHUNK: Final = 2000
_FIELDS: Final = "id, tenant, shard, state, priority, next_fire_at, rule_since, trigger_rule, kind, action, retry, auto_pause_after"
_READ: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",  # noqa: S608  a constant
    postgresql=f"SELECT {_FIELDS} FROM alarms WHERE id = ANY($1::text[]) ORDER BY id",  # noqa: S608  a constant
)
# The order of the locks is that of the firing transaction.
_LOCK: Final = Statement(sqlite=_READ.sqlite, postgresql=f"{_READ.postgresql} FOR NO KEY UPDATE")
_BUSY: Final = Statement(
    sqlite="SELECT DISTINCT alarm FROM firings WHERE alarm IN (SELECT value FROM json_each(?1)) AND state IN (1, 2) AND (flags & 4) = 4",
    postgresql="SELECT DISTINCT alarm FROM firings WHERE alarm = ANY($1::text[]) AND state IN (1, 2) AND (flags & 4) = 4",
)
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

trigger_of = lru_cache(maxsize=8192)(Trigger.decode)
"""A stored trigger; many alarms share one."""


def readable(rule: str, *, alarm: str) -> Trigger | None:
    """The stored trigger of an alarm; None when nobody can read it: the others that wait for the same must not wait for it."""
    try:
        return trigger_of(rule)
    except Exception as error:  # noqa: BLE001  whatever somebody stored
        _log.error("a stored trigger cannot be read", alarm=alarm, exc_info=error)
        return None


class Listener(NamedTuple):
    """An alarm that something from outside may fired."""

    id: str
    tenant: str
    shard: int
    state: int
    priority: int
    due: Micros | None
    since: Micros
    trigger: Trigger
    action: Action
    retry: str
    auto_pause_after: int


def _listener(row: Fields) -> Listener | None:
    """The alarm in a row; None when nobody can read its trigger."""
    identity, tenant, shard, state, priority, due, since, rule, kind, action, retry, auto_pause_after = row
    trigger = readable(rule, alarm=identity)
    if trigger is None:
        return None
    return Listener(identity, tenant, shard, state, priority, due, since, trigger, Action(kind, action), retry, auto_pause_after)


async def read_listeners(connection: AsyncConnection, ids: Iterable[str], *, lock: bool) -> dict[str, Listener]:
    """The alarms of these ids, in the order of their ids; with ``lock`` nobody changes them until the transaction ends."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found = [_listener(row) for row in await (_LOCK if lock else _READ).rows(connection, wanted)]
    return {alarm.id: alarm for alarm in found if alarm is not None}


async def busy(connection: AsyncConnection, alarms: Collection[Listener]) -> set[str]:
    """Those of the alarms whose new firing must be skipped, because one is not over yet; they stay locked."""
    single = [alarm.id for alarm in alarms if alarm.trigger.overlap is Overlapping.SKIP]
    if not single:
        return set()
    await read_listeners(connection, single, lock=True)
    return {row[0] for row in await _BUSY.rows(connection, sorted(single))}


class TriggeredFirings:
    """What one transaction fires."""

    def __init__(self, *, owner: str, held: Held, now: Micros) -> None:
        """Begins with nothing.

        Args:
            owner: this start of the replica.
            held: its shards.
            now: the instant of the transaction.

        Raises:
            Unavailable: it holds none.
        """
        if not held:
            raise _no_shard()
        self.firings: list[Firing] = []
        """Those that the ledger did not have."""
        self._owner = owner
        self._held = held
        self._home = sorted(held)
        self._now = now
        self._single: set[str] = set()

    def skip_while(self, alarms: Iterable[str]) -> None:
        """Firings of these alarms are skipped: one runs already."""
        self._single.update(alarms)

    def add(self, alarm: Listener, *, origin: Origin, cause: str, due: Micros, context: bytes, traceparent: str) -> Firing:
        """Fires an alarm; ``cause`` is what it never fires twice for."""
        identity = requested_firing_id(alarm.tenant, alarm.id, cause)
        single = alarm.trigger.overlap is Overlapping.SKIP and origin is not Origin.RESOLVED
        going = not (single and alarm.id in self._single)
        if single:
            self._single.add(alarm.id)
        outcome, reason = fired_outcome(due=due, now=self._now) if going else (Outcome.SKIPPED, STILL_RUNNING)
        serial = SERIAL if alarm.trigger.overlap is Overlapping.QUEUE else 0
        flags = serial | (SINGLE if single else 0) | (COUNTED if alarm.auto_pause_after else 0)
        firing = Firing(
            id=identity,
            tenant=alarm.tenant,
            alarm=alarm.id,
            shard=alarm.shard if alarm.shard in self._held else self._home[shard_of(identity) % len(self._home)],
            origin=origin,
            due=due,
            fired=self._now if going else None,
            outcome=outcome,
            reason=reason,
            state=FiringState.PENDING if going else FiringState.CLOSED,
            ready=self._now if going else None,
            completed=None if going else self._now,
            priority=Priority(alarm.priority),
            action=alarm.action if going else Action("", b""),
            retry=alarm.retry if going else "",
            traceparent=traceparent,
            flags=flags if going else 0,
            context=context,
        )
        self.firings.append(firing)
        return firing

    async def write(self, connection: AsyncConnection) -> None:
        """Inserts the rows, fenced by the epochs of their shards; what the ledger has already goes no second time.

        Raises:
            Unavailable: a shard is another replica's by now.
        """
        if not self.firings:
            return
        wanted = {firing.shard for firing in self.firings}
        if await owned(connection, owner=self._owner, held=self._held, wanted=wanted) != wanted:
            raise _no_shard()
        await begin_change(connection)
        fresh: list[Firing] = []
        for start in range(0, len(self.firings), _CHUNK):
            fresh += await _insert(connection, self.firings[start : start + _CHUNK])
        self.firings = fresh


async def trigger_signals(connection: AsyncConnection, triggered: TriggeredFirings, raised: Sequence[tuple[str, Micros]]) -> None:
    """Fires the alarms that were due at these times, which are locked already, and notes that they are raised."""
    if not raised:
        return
    alarms = await read_listeners(connection, (alarm for alarm, _ in raised), lock=False)
    about = {row[0]: row for row in await _ABOUT.rows(connection, sorted(alarms))}
    triggered.skip_while(await busy(connection, alarms.values()))
    for alarm, due in raised:
        context = _context(about[alarm], due) if alarm in about else b""
        triggered.add(alarms[alarm], origin=Origin.RAISED, cause=f"RAISED@{due}", due=due, context=context, traceparent="")
    for alarm, due in sorted(raised):
        await SET_SIGNAL_STATE.run(connection, alarm, int(Status.RAISED), due)
    tally = Tally()
    tally.caused(triggered.firings)
    await tally.write(connection)


def _context(about: Fields, due: Micros) -> bytes:
    _, topic, seen, value, measured = about
    if measured is not None:
        return reading_context("RAISED", topic, value, measured)
    return heartbeat_context("RAISED", raised=due, ping=seen)


async def _insert(connection: AsyncConnection, firings: Sequence[Firing]) -> Sequence[Firing]:
    fresh = await insert_ad_hoc(connection, firings)
    return [firing for firing in firings if firing.id in fresh]


def _no_shard() -> Unavailable:
    return Unavailable("No shard is held by this replica now.", retry_after=1.0)
