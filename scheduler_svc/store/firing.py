"""The firing transaction: what it reads, what it is about to write, and the one statement that writes it.

Alarms are read and planned before the transaction begins, and are moved on only if they are still what was read. So nothing is locked
while plans are made, and what one batch reads does not wait for what another one commits.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import (
    FIRE_QUOTA,
    SINGLE,
    TENANT_SUSPENDED,
    Action,
    AlarmState,
    Firing,
    FiringState,
    Origin,
    Outcome,
    QueuedFiring,
    firing_id,
)
from scheduler_svc.domain.planning import CANCELLED, Plan, overlapping
from scheduler_svc.ports import Due, Fired, Pending, Planner
from scheduler_svc.store.changes import note
from scheduler_svc.store.mapping import present, still_running
from scheduler_svc.store.sql import CHANGE, Fields, Statement, array, is_sqlite, plan_anew
from scheduler_svc.store.tables import ACTIVE, RUNNING_ALONE
from tocsin.priority import Priority, nearest
from tocsin.recurrence import Micros, Overlapping, spent
from tocsin.stored import as_type, number

_FIELDS: Final = (
    "id, tenant, shard, priority, next_fire_at, ordinal, skip_before, trigger_rule, anchor_at, kind, action, retry, traceparent, version, "
    "auto_pause_after, pause_reason"
)
_READ: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM alarms WHERE state = {ACTIVE} AND next_fire_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT {_FIELDS} FROM alarms WHERE state = {ACTIVE} AND next_fire_at IS NOT NULL AND id = ANY($1::text[])",
)
_STILL: Final = Statement(
    sqlite=(
        f"SELECT id, next_fire_at, priority, shard, tenant FROM alarms WHERE state = {ACTIVE} AND id IN (SELECT value FROM json_each(?1))"
    ),
    postgresql=f"SELECT id, next_fire_at, priority, shard, tenant FROM alarms WHERE state = {ACTIVE} AND id = ANY($1::text[])",
)
# The order of the locks is the same in every transaction, so that two of them cannot wait for each other.
_LOCK: Final = Statement(
    sqlite=f"SELECT id, next_fire_at, version FROM alarms WHERE state = {ACTIVE} AND id IN (SELECT value FROM json_each(?1))",
    postgresql=(
        f"SELECT id, next_fire_at, version FROM alarms WHERE state = {ACTIVE} AND id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
    ),
)
_INTO: Final = (
    "INSERT INTO firings (id, tenant, alarm, slot, shard, origin, priority, due_at, fired_at, outcome, reason, state, ready_at, "
    "completed_at, kind, action, retry, traceparent, flags, change_no)"
)
_PRIORITY: Final = (
    f"CASE WHEN {{a}}.priority BETWEEN {min(Priority):d} AND {max(Priority):d} THEN {{a}}.priority ELSE {Priority.NORMAL:d} END"
)
"""As `tocsin.priority.nearest`: a firing of a priority that no version knows would wait in a queue that nobody reads."""
_IF_GOING: Final = f"CASE {{going}} WHEN {FiringState.PENDING:d} THEN"
_VALUES: Final = (
    f"{{firing}}, {{a}}.tenant, {{a}}.id, '', {{a}}.shard, {Origin.SCHEDULE:d}, {_PRIORITY}, {{due}}, {_IF_GOING} {{now}} END, "
    f"{{outcome}}, {{reason}}, {{going}}, {_IF_GOING} {{now}} END, {_IF_GOING} NULL ELSE {{now}} END, {_IF_GOING} {{a}}.kind ELSE '' END, "
    f"{_IF_GOING} {{a}}.action ELSE {{empty}} END, {_IF_GOING} {{a}}.retry ELSE '' END, {{a}}.traceparent, {{flags}}, {{change}}"
)


def _values(*, firing: str, alarm: str, row: str, now: str) -> str:
    """The values of a firing's row on PostgreSQL, of these expressions."""
    fields = {name: f"{row}.{name}" for name in ("due", "going", "outcome", "reason", "flags")}
    return _VALUES.format(firing=firing, a=alarm, now=now, empty="''::bytea", change=CHANGE.postgresql, **fields)


_OF_ONE_ROW: Final = _VALUES.format(
    firing="?2",
    a="alarms",
    due="?3",
    going="?4",
    outcome="?5",
    reason="?6",
    flags="?7",
    now="?8",
    empty="x''",
    change=CHANGE.sqlite,
)
_UNCHANGED: Final = f"a.id = v.alarm AND a.state = {ACTIVE} AND a.next_fire_at = v.due AND a.version IS NOT DISTINCT FROM v.version"
_MOVE: Final = Statement(
    sqlite=(
        "UPDATE alarms SET next_fire_at = ?4, ordinal = ?5, state = ?6 "
        f"WHERE id = ?1 AND state = {ACTIVE} AND next_fire_at = ?2 AND version IS ?3"
    ),
    postgresql=(
        "UPDATE alarms AS a SET next_fire_at = v.following, ordinal = v.ordinal, state = v.state "
        "FROM unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::integer[], "
        f"$6::text::smallint[]) AS v(alarm, due, version, following, ordinal, state) WHERE {_UNCHANGED} RETURNING a.id"
    ),
)
_INSERT: Final = Statement(
    sqlite=f"{_INTO} SELECT {_OF_ONE_ROW} FROM alarms WHERE id = ?1 ON CONFLICT DO NOTHING",
    postgresql=(
        f"{_INTO} SELECT {_values(firing='r.id', alarm='a', row='r', now='$8::bigint')} FROM unnest($1::text::text[], $2::text::text[], "
        "$3::text::bigint[], $4::text::smallint[], $5::text::smallint[], $6::text::text[], $7::text::smallint[]) "
        "AS r(alarm, id, due, going, outcome, reason, flags) JOIN alarms AS a ON a.id = r.alarm"
    ),
)
# On PostgreSQL one statement moves the alarms and writes a row of each, so that nothing of an alarm travels to us and back.
_FIRE: Final = Statement(
    sqlite="",
    postgresql="WITH moved AS (UPDATE alarms AS a SET next_fire_at = v.following, ordinal = v.ordinal, state = v.state "
    "FROM unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::integer[], $6::text::smallint[], "
    "$7::text::text[], $8::text::smallint[], $9::text::smallint[], $10::text::text[], $11::text::smallint[]) "
    "AS v(alarm, due, version, following, ordinal, state, firing, going, outcome, reason, flags) "
    f"WHERE {_UNCHANGED} RETURNING a.id, a.tenant, a.shard, a.priority, a.kind, a.action, a.retry, a.traceparent, "
    "v.firing, v.due, v.going, v.outcome, v.reason, v.flags) "
    f"{_INTO} SELECT {_values(firing='m.firing', alarm='m', row='m', now='$12::bigint')} FROM moved AS m",
)
_CANCEL_SET: Final = (
    f"UPDATE firings SET state = {FiringState.CLOSED:d}, outcome = {Outcome.FAILED:d}, reason = '{CANCELLED}', ready_at = NULL, "
)
_CANCEL: Final = Statement(
    sqlite=(
        f"{_CANCEL_SET}completed_at = ?2, change_no = {CHANGE.sqlite} WHERE alarm IN (SELECT value ->> 0 FROM json_each(?1)) "
        f"AND id NOT IN (SELECT value ->> 1 FROM json_each(?1)) AND {RUNNING_ALONE} RETURNING tenant, id"
    ),
    postgresql=(
        f"{_CANCEL_SET}completed_at = $3::bigint, change_no = {CHANGE.postgresql} FROM unnest($1::text[], $2::text[]) AS v(by, firing) "
        f"WHERE firings.alarm = v.by AND firings.id <> v.firing AND {RUNNING_ALONE} RETURNING firings.tenant, firings.id"
    ),
)
_WAITS: Final = f"'{TENANT_SUSPENDED}', '{FIRE_QUOTA}'"
_JUST_PAUSED: Final = f"state = {AlarmState.PAUSED:d} AND pause_reason IN ('', {_WAITS})"
_PAUSE: Final = Statement(
    sqlite=f"UPDATE alarms SET pause_reason = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1 AND {_JUST_PAUSED}",
    postgresql=(
        "UPDATE alarms SET pause_reason = v.reason, updated_at = v.now, version = version + 1 "
        f"FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v(alarm, reason, now) WHERE id = v.alarm AND {_JUST_PAUSED}"
    ),
)
_WAITED: Final = f"state <> {AlarmState.PAUSED:d} AND pause_reason IN ({_WAITS})"
_CAUGHT_UP: Final = Statement(
    sqlite=f"UPDATE alarms SET pause_reason = '' WHERE id IN (SELECT value FROM json_each(?1)) AND {_WAITED}",
    postgresql=f"UPDATE alarms SET pause_reason = '' WHERE id = ANY($1::text[]) AND {_WAITED}",
)
# Of planning one batch, while nobody else runs; what is left comes with the next one.
_MOST_STEPS: Final = 4000
_IGNORE_PRESENT: Final = " ON CONFLICT DO NOTHING"


async def read_due(connection: AsyncConnection, batch: Sequence[tuple[str, Micros]]) -> list[Due]:
    """The alarms of the batch that are active, in order of their ids."""
    actions: dict[tuple[str, bytes], Action] = {}
    found: list[Due] = []
    single: list[str] = []
    for row in await _READ.rows(connection, [alarm for alarm, _ in batch]):
        due = _due(row, actions)
        found.append(due)
        if overlapping(due.trigger) is Overlapping.SKIP:
            single.append(due.id)
    found.sort()
    if single:
        running = await still_running(connection, single)
        found = [due._replace(busy=due.id in running) for due in found]
    return found


def _due(row: Fields, actions: dict[tuple[str, bytes], Action]) -> Due:
    """The alarm in a row; alarms with equal actions share one."""
    identity, tenant, shard, priority, due, ordinal, skip, trigger, anchor, kind, body, retry, traceparent, version, auto_pause, why = row
    if type(kind) is not str or type(body) is not bytes or type(trigger) is not str:  # SQLite holds anything: the firing fails by itself
        kind, body, trigger = as_type(str, kind) or "", as_type(bytes, body) or b"", as_type(str, trigger) or ""
    if type(ordinal) is not int or type(anchor) is not int or (skip is not None and type(skip) is not int):
        ordinal, anchor, skip = number(ordinal), number(anchor), None if skip is None else number(skip)
    action = actions.get((kind, body)) or actions.setdefault((kind, body), Action(kind, body))
    planned = (due, ordinal, skip, trigger, anchor, action, retry, traceparent, version, auto_pause, why)
    return Due(identity, tenant, shard, nearest(priority), *planned)


class Batch:
    """What one firing transaction is about to write.

    Attributes:
        fired: what it did, in the end.
        signals: alarms that wait for something from outside: when they were due, and what was read of them.
        raised: those of them that are raised, with the due time.
    """

    def __init__(self, *, now: Micros, most: int, planner: Planner) -> None:
        """Begins with nothing.

        Args:
            now: the instant of the transaction.
            most: rows at most.
            planner: plans an alarm.
        """
        self.fired = Fired()
        self.signals: dict[str, tuple[Micros, int]] = {}
        self.raised: list[tuple[str, Micros]] = []
        self._now = now
        self._most = most
        self._planner = planner
        self._moves: list[tuple[str, Micros, int, Micros | None, int, int]] = []
        self._rows: list[tuple[str, str, Micros, int, int, str, int]] = []
        self._changed: defaultdict[str, list[str]] = defaultdict(list)
        self._paused: list[tuple[str, str]] = []
        self._caught_up: list[str] = []
        self._cancelling: dict[str, str] = {}
        self._begun = spent()

    def take(self, alarm: Due, expected: Micros) -> None:
        """Plans one alarm; one that was moved since, or for which there is no room, comes again."""
        room = self._most - len(self._rows)
        if alarm.due != expected or room <= 0 or spent() - self._begun > _MOST_STEPS:
            self.fired.next.append(Pending(alarm.id, alarm.due, alarm.priority, alarm.shard, alarm.tenant))
            return
        plan = self._planner(alarm, room)
        if plan.signal:
            self.signals[alarm.id] = (alarm.due, alarm.version)
            self.raised += [(alarm.id, row.due) for row in plan.rows]
        elif not plan.rows and not plan.pause:
            return  # it cannot be planned; the loader brings it again
        else:
            self._plan_rows(alarm, plan)
        active = plan.signal or plan.due is not None
        state = AlarmState.PAUSED if plan.pause else AlarmState.ACTIVE if active else AlarmState.COMPLETED
        self._moves.append((alarm.id, alarm.due, alarm.version, plan.due, plan.ordinal, int(state)))
        if alarm.waited_for and (plan.due is None or plan.due > self._now):
            self._caught_up.append(alarm.id)
        if plan.pause:
            self._paused.append((alarm.id, plan.pause))
        elif plan.due is not None:
            self.fired.next.append(Pending(alarm.id, plan.due, alarm.priority, alarm.shard, alarm.tenant))

    def _plan_rows(self, alarm: Due, plan: Plan) -> None:
        changed, queued_firings, now = self._changed[alarm.tenant], self.fired.queued_firings, self._now
        for due, state, outcome, reason in plan.rows:
            identity = firing_id(alarm.id, due)
            going = state is FiringState.PENDING
            flags = plan.flags if going else 0
            self._rows.append((alarm.id, identity, due, int(state), int(outcome), reason, flags))
            changed.append(identity)
            if going:
                if flags & SINGLE and overlapping(alarm.trigger) is Overlapping.CANCEL_OTHER:
                    self._cancelling[alarm.id] = identity
                queued_firings.append(
                    QueuedFiring(
                        id=identity,
                        tenant=alarm.tenant,
                        alarm=alarm.id,
                        shard=alarm.shard,
                        due=due,
                        ready=now,
                        priority=alarm.priority,
                        action=alarm.action,
                        retry=alarm.retry,
                        traceparent=alarm.traceparent,
                        flags=flags,
                    )
                )

    def leave_out(self, alarms: set[str]) -> None:
        """Forgets what was planned for these alarms."""
        self.fired.next = [pending for pending in self.fired.next if pending.id not in alarms]
        self.fired.queued_firings = [queued for queued in self.fired.queued_firings if queued.alarm not in alarms]
        self.raised = [(alarm, due) for alarm, due in self.raised if alarm not in alarms]
        self._moves = [move for move in self._moves if move[0] not in alarms]
        self._paused = [paused for paused in self._paused if paused[0] not in alarms]
        self._keep_rows({row[1] for row in self._rows if row[0] not in alarms})

    async def lock_signals(self, connection: AsyncConnection) -> None:
        """Locks the alarms that wait for something from outside; what came for one since it was read wins."""
        if not self.signals:
            return
        same = {alarm: (due, version) for alarm, due, version in await _LOCK.rows(connection, sorted(self.signals))}
        other = {alarm for alarm, read in self.signals.items() if same.get(alarm) != read}
        self.leave_out(other)
        await self._come_again(connection, other)

    async def write(self, connection: AsyncConnection, *, retry: bool) -> None:
        """Moves the alarms, and writes their rows.

        Args:
            connection: in a transaction that `begin_change` began.
            retry: leave out rows whose occurrence is in the ledger. It costs a look at every unique index, and the case is rare.

        Raises:
            IntegrityError: an occurrence is in the ledger, and it is no ``retry``; it leaves the transaction as ConstraintBroken.
        """
        if is_sqlite(connection):
            written = await self._write_each(connection)
        elif [move[0] for move in self._moves] == [row[0] for row in self._rows]:
            written = await self._write_pairs(connection, _IGNORE_PRESENT if retry else "")
        else:
            written = await self._write_some(connection, _IGNORE_PRESENT if retry else "")
        if self._paused:
            await _PAUSE.many(connection, [(alarm, reason, self._now) for alarm, reason in self._paused])
        if self._caught_up:
            await _CAUGHT_UP.run(connection, self._caught_up)
        if written < len(self._rows):
            await self._keep_written(connection)
        if self._cancelling:
            await self._cancel_others(connection)
        self.fired.outcomes = Counter({Outcome(number): count for number, count in Counter(row[4] for row in self._rows).items()})
        self.fired.tenants = {tenant for tenant, ids in self._changed.items() if ids}
        await note(connection, {tenant: self._changed[tenant] for tenant in self.fired.tenants}, now=self._now)

    async def _cancel_others(self, connection: AsyncConnection) -> None:
        """Gives up the firings of the same alarms that are not over (overlap CANCEL_OTHER)."""
        written = {row[1] for row in self._rows}
        by = sorted((alarm, firing) for alarm, firing in self._cancelling.items() if firing in written)
        for tenant, identity in await _CANCEL.pairs(connection, by, self._now):
            self._changed[tenant].append(identity)
            self.fired.cancelled.append(identity)

    async def _write_each(self, connection: AsyncConnection) -> int:
        """On SQLite what was read cannot have changed: one transaction writes at a time, and this one read it."""
        if self._moves:
            await connection.exec_driver_sql(_MOVE.sqlite, list(self._moves))
        if not self._rows:
            return 0
        return (await connection.exec_driver_sql(_INSERT.sqlite, [(*row, self._now) for row in self._rows])).rowcount

    async def _write_pairs(self, connection: AsyncConnection, tail: str) -> int:
        """Each alarm has one row, as nearly always."""
        if not self._moves:
            return 0
        await plan_anew(connection)
        _, firings, _, *rest = _columns(self._rows)
        moves = _columns(self._moves)
        return (await connection.exec_driver_sql(_FIRE.of(connection) + tail, (*moves, firings, *rest, self._now))).rowcount

    async def _write_some(self, connection: AsyncConnection, tail: str) -> int:
        """An alarm that catches up has several rows, and one that waits for something from outside has none here."""
        moves = _columns(self._moves)
        moved = {row[0] for row in (await connection.exec_driver_sql(_MOVE.postgresql, moves)).fetchall()}
        rows = [row for row in self._rows if row[0] in moved]
        if not rows:
            return 0
        return (await connection.exec_driver_sql(_INSERT.of(connection) + tail, (*_columns(rows), self._now))).rowcount

    async def _keep_written(self, connection: AsyncConnection) -> None:
        """Fires only what was written: not what was changed meanwhile, and not twice what a rule means again that was changed back."""
        there = await present(connection, [row[1] for row in self._rows])
        missing = {row[0] for row in self._rows if row[1] not in there}
        self._keep_rows(there)
        await self._come_again(connection, missing)

    async def _come_again(self, connection: AsyncConnection, alarms: set[str]) -> None:
        """These alarms come when the store says that they are due."""
        self.fired.next = [pending for pending in self.fired.next if pending.id not in alarms]
        rows = await _STILL.rows(connection, sorted(alarms))
        self.fired.next += [Pending(*row) for row in rows if row[1] is not None]

    def _keep_rows(self, ids: set[str]) -> None:
        self._rows = [row for row in self._rows if row[1] in ids]
        self.fired.queued_firings = [queued for queued in self.fired.queued_firings if queued.id in ids]
        for tenant, changed in self._changed.items():
            self._changed[tenant] = [identity for identity in changed if identity in ids]

    def add_raised(self, firings: Sequence[Firing]) -> None:
        """Adds the firings of signals that were raised, which are in the ledger already."""
        self.fired.outcomes.update(firing.outcome for firing in firings)
        self.fired.tenants.update(firing.tenant for firing in firings)
        self.fired.queued_firings += [QueuedFiring.of(firing) for firing in firings if firing.state is FiringState.PENDING]


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """The columns of rows, each as `array`."""
    columns: Iterable[tuple[Any, ...]] = zip(*rows, strict=True)
    return tuple(map(array, columns))
