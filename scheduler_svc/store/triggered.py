"""Firings outside of the rules of alarms, and who waits for the events that trigger them.

Firings that are asked for, replayed into the past, or triggered from outside are in shards of the replica that took them. Each id is in the
ledger once: on PostgreSQL the ledger's own key contains the due time, so it cannot tell that a request came again at another instant; a
table without partitions can.

Subscriptions to a topic are remembered in memory and yet never out of date. Every transaction that makes alarms wait for other events than
before counts up a number of the tenant, and every transaction that takes events reads it: what was found under another number is found
anew. So an alarm counts for every event that is published after its create was answered, on whatever replica. Only ids and conditions are
kept, of a bounded number of alarms; whether one is active, and its action, is read when it fires.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

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
    fired_outcome,
    requested_firing_id,
    shard_of,
)
from scheduler_svc.domain.fire_quotas import FireAllowance
from scheduler_svc.domain.planning import STILL_RUNNING
from scheduler_svc.ports import Held
from scheduler_svc.store.changes import note
from scheduler_svc.store.locks import no_shard, owned
from scheduler_svc.store.mapping import INSERT_FIRINGS, firing_row, present, still_running
from scheduler_svc.store.signals import LISTENERS, SET_SIGNAL_STATE, Tally
from scheduler_svc.store.sql import Fields, Statement, begin_change, both, is_sqlite
from scheduler_svc.triggers import Published, SignalKind, Status, Subscription, conditions_of, topic_matches
from tocsin.priority import nearest
from tocsin.recurrence import Event, Micros, Overlapping, Trigger
from tocsin.stored import as_type
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_CHUNK: Final = 2000
_FIELDS: Final = "id, tenant, shard, state, priority, next_fire_at, rule_since, trigger_rule, kind, action, retry, auto_pause_after"
_LISTENERS: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT {_FIELDS} FROM alarms WHERE id = ANY($1::text[]) ORDER BY id",
)
# The order of the locks is that of the firing transaction.
_LOCKED_LISTENERS: Final = Statement(sqlite=_LISTENERS.sqlite, postgresql=f"{_LISTENERS.postgresql} FOR NO KEY UPDATE")
_ABOUT: Final = Statement(
    sqlite=(
        "SELECT s.alarm, s.topic, s.seen_at, s.started_at, r.value, r.measured_at FROM signals s "
        f"LEFT JOIN readings r ON s.kind = {SignalKind.THRESHOLD:d} AND r.tenant = s.tenant AND r.metric = s.topic "
        "WHERE s.alarm IN (SELECT value FROM json_each(?1))"
    ),
    postgresql=(
        "SELECT s.alarm, s.topic, s.seen_at, s.started_at, r.value, r.measured_at FROM signals s "
        f"LEFT JOIN readings r ON s.kind = {SignalKind.THRESHOLD:d} AND r.tenant = s.tenant AND r.metric = s.topic WHERE "
        "s.alarm = ANY($1::text[])"
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
    """An alarm that something from outside may fire."""

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
    what = Action(as_type(str, kind) or "", as_type(bytes, action) or b"")
    return Listener(identity, tenant, shard, state, priority, due, since, trigger, what, retry, auto_pause_after)


async def read_listeners(connection: AsyncConnection, ids: Iterable[str], *, lock: bool) -> dict[str, Listener]:
    """The alarms of these ids, in the order of their ids; with ``lock`` nobody changes them until the transaction ends."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found = [_listener(row) for row in await (_LOCKED_LISTENERS if lock else _LISTENERS).rows(connection, wanted)]
    return {alarm.id: alarm for alarm in found if alarm is not None}


async def busy(connection: AsyncConnection, alarms: Collection[Listener]) -> set[str]:
    """Those of the alarms whose new firing must be skipped, because one is not over yet; they stay locked."""
    single = [alarm.id for alarm in alarms if alarm.trigger.overlap is Overlapping.SKIP]
    if not single:
        return set()
    await read_listeners(connection, single, lock=True)
    return await still_running(connection, sorted(single))


class TriggeredFirings:
    """What one transaction fires."""

    def __init__(self, *, owner: str, held: Held, now: Micros, allowed: FireAllowance | None = None) -> None:
        """Begins with nothing.

        Args:
            owner: this start of the replica.
            held: its shards.
            now: the instant of the transaction.
            allowed: what tenants may fire; anything unless given.

        Raises:
            Unavailable: it holds none.
        """
        if not held:
            raise no_shard()
        self.firings: list[Firing] = []
        """Those that the ledger did not have."""
        self._owner = owner
        self._held = held
        self._home = sorted(held)
        self._now = now
        self._allowed = allowed
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
            priority=nearest(alarm.priority),
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
            AllowanceShort: more has to be set aside first.
            Unavailable: a shard is another replica's by now.
        """
        if not self.firings:
            return
        if self._allowed is not None:
            self.firings = self._allowed.within(self.firings, now=self._now)
        wanted = {firing.shard for firing in self.firings}
        if await owned(connection, owner=self._owner, held=self._held, wanted=wanted) != wanted:
            raise no_shard()
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
    _, topic, seen, started, value, measured = about
    if measured is not None:
        return reading_context("RAISED", topic, value, measured)
    return heartbeat_context("RAISED", raised=due, ping=seen, reason="LATE" if started is None else "NOT_FINISHED")


async def _insert(connection: AsyncConnection, firings: Sequence[Firing]) -> Sequence[Firing]:
    fresh = await insert_ad_hoc(connection, firings)
    return [firing for firing in firings if firing.id in fresh]


Versions: TypeAlias = Mapping[str, int]
"""The number of each tenant."""

_VERSIONS: Final = Statement(
    sqlite=f"SELECT tenant, value FROM tenant_counts WHERE name = '{LISTENERS}' AND tenant IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT tenant, value FROM tenant_counts WHERE name = '{LISTENERS}' AND tenant = ANY($1::text[])",
)
_PATTERNS: Final = both(f"SELECT DISTINCT topic FROM signals WHERE tenant = $1 AND kind = {SignalKind.PATTERN:d}")
_FIND: Final = Statement(
    sqlite=(
        "SELECT a.id, a.rule_since, a.trigger_rule FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = ?1 "
        f"AND (s.kind = {SignalKind.EVENT:d} AND s.topic = ?2 OR s.kind = {SignalKind.PATTERN:d} AND s.topic IN (SELECT value "
        "FROM json_each(?3))) ORDER BY a.id"
    ),
    postgresql=(
        "SELECT a.id, a.rule_since, a.trigger_rule FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = $1 "
        f"AND (s.kind = {SignalKind.EVENT:d} AND s.topic = $2 OR s.kind = {SignalKind.PATTERN:d} AND s.topic = "
        "ANY($3::text[])) ORDER BY a.id"
    ),
)


class Subscriptions:
    """Finds the alarms that an event fires; bounded in memory."""

    def __init__(self, *, limit: int = 50_000) -> None:
        """Knows nobody yet; it remembers ``limit`` alarms at most, and as many topics that nobody waits for."""
        self._limit = limit
        self._size = 0
        self._found: OrderedDict[tuple[str, str], tuple[int, tuple[Subscription, ...]]] = OrderedDict()

    async def versions(self, connection: AsyncConnection, tenants: Iterable[str]) -> Versions:
        """The tenants' numbers, as they are now."""
        return {row[0]: row[1] for row in await _VERSIONS.rows(connection, sorted(set(tenants)))}

    async def of(self, connection: AsyncConnection, event: Published, versions: Versions) -> list[Subscription]:
        """The alarms that wait for the event, in the order of their ids."""
        version = versions.get(event.tenant, 0)
        key = (event.tenant, event.topic)
        known = self._found.get(key)
        if known is None or known[0] != version:
            known = (version, await _find(connection, *key) if version else ())
            self._remember(key, known)
        else:
            self._found.move_to_end(key)
        return [listening for listening in known[1] if listening.test is None or listening.test(event)]

    def _remember(self, key: tuple[str, str], known: tuple[int, tuple[Subscription, ...]]) -> None:
        before = self._found.pop(key, None)
        self._size += len(known[1]) + 1 - (len(before[1]) + 1 if before else 0)
        self._found[key] = known
        while self._size > self._limit:
            _, (_, dropped) = self._found.popitem(last=False)
            self._size -= len(dropped) + 1


async def _find(connection: AsyncConnection, tenant: str, topic: str) -> tuple[Subscription, ...]:
    patterns = [
        pattern for (pattern,) in await _PATTERNS.rows(connection, tenant) if isinstance(pattern, str) and topic_matches(pattern, topic)
    ]
    rows = await _FIND.rows(connection, tenant, topic, patterns)
    triggers = [(alarm, since, readable(rule, alarm=alarm)) for alarm, since, rule in rows]
    return tuple(
        Subscription(alarm, since, conditions_of(_filter_of(trigger))) for alarm, since, trigger in triggers if trigger is not None
    )


def _filter_of(trigger: Trigger) -> str:
    return trigger.spec.filter if isinstance(trigger.spec, Event) else ""


_CLAIM: Final = Statement(
    sqlite=(
        "INSERT INTO firing_ids (id, due_at) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true "
        "ON CONFLICT DO NOTHING RETURNING id"
    ),
    postgresql=(
        "INSERT INTO firing_ids (id, due_at) SELECT * FROM unnest($1::text::text[], $2::text::bigint[]) ON CONFLICT DO NOTHING RETURNING id"
    ),
)


async def insert_ad_hoc(connection: AsyncConnection, firings: Iterable[Firing]) -> set[str]:
    """Inserts firings whose origin is not the schedule, and notes it; the ids of those that the ledger did not have.

    `begin_change` comes before. Of several firings with one id the first counts.
    """
    first: dict[str, Firing] = {}
    for firing in firings:
        first.setdefault(firing.id, firing)
    fresh = await _claim(connection, [first[identity] for identity in sorted(first)])
    new = [firing for identity, firing in first.items() if identity in fresh]
    if await INSERT_FIRINGS.many(connection, [firing_row(firing) for firing in new]) < len(new):
        # A due time in the past that the rule of the alarm has brought to the ledger before.
        fresh = await present(connection, list(fresh))
        new = [firing for firing in new if firing.id in fresh]
    changed: defaultdict[str, list[str]] = defaultdict(list)
    for firing in new:
        changed[firing.tenant].append(firing.id)
    if new:
        await note(connection, changed, now=max(firing.fired or firing.completed or firing.due for firing in new))
    return fresh


async def _claim(connection: AsyncConnection, firings: Sequence[Firing]) -> set[str]:
    """Keeps the ids, in order, so that two transactions with the same ones cannot wait for each other; those that are new."""
    if not firings:
        return set()
    if is_sqlite(connection):
        rows = await _CLAIM.rows(connection, [(firing.id, firing.due) for firing in firings])
    else:
        rows = await _CLAIM.rows(connection, [firing.id for firing in firings], [firing.due for firing in firings])
    return {row[0] for row in rows}
