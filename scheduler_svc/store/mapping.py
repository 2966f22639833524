"""Alarms and firings as rows, conditions on them, and the labels of alarms."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Row, and_, case, exists, or_

from scheduler_svc.domain import (
    PLAIN_FIELDS,
    Action,
    Alarm,
    AlarmState,
    DeliveryEnd,
    FailedDelivery,
    Firing,
    FiringState,
    Origin,
    Outcome,
    Priority,
    QueuedFiring,
    RetryPolicy,
)
from scheduler_svc.store.searching import mentions
from scheduler_svc.store.sql import CHANGE, Fields, Statement, insert
from scheduler_svc.store.tables import RUNNING_ALONE, VERSION, alarm_labels, alarms, firings
from tocsin.database import DriverConnection, kinds_of, typed
from tocsin.listing import Condition
from tocsin.recurrence import At, Trigger
from tocsin.stored import NOT_READABLE, as_type, known, number, row_reader

_ENCODED: Final = ("trigger_rule", "labels", "retry")
_NAMED: Final = {
    "next_fire_at": "due",
    "anchor_at": "anchor",
    "created_at": "created",
    "updated_at": "updated",
    "kind": "action.kind",
    "action": "action.body",
}
_SIMPLE: Final = {column.name: _NAMED.get(column.name, column.name) for column in alarms.c if column.name not in _ENCODED}
"""The columns that hold an attribute of an alarm as it is, with the name of the attribute."""
ALARM_COLUMNS: Final = (*_SIMPLE, *_ENCODED)
SPEC_COLUMNS: Final = ("priority", "kind", "action", *_ENCODED, *PLAIN_FIELDS)
"""The columns of what a client says about an alarm."""
_simple_values: Final[Callable[[Alarm], tuple[Any, ...]]] = attrgetter(*_SIMPLE.values())

_READ: Final = {column: name for column, name in _SIMPLE.items() if column not in ("state", "priority", "kind", "action", "version")}
_read_values: Final[Callable[[Row[Any]], tuple[Any, ...]]] = attrgetter(*_READ)
UNREADABLE: Final = Trigger(spec=At(0))
"""Stands in the place of a trigger that nobody can read."""

Read = TypeVar("Read")
LABEL_COLUMNS: Final = ("tenant", "name", "value", "alarm")
_INSERT_LABELS: Final = insert(alarm_labels, LABEL_COLUMNS)
# The alarm says which labels it has: an index by alarm would be paid for with every label.
_DROP_LABELS: Final = Statement(
    sqlite=(
        "DELETE FROM alarm_labels WHERE (tenant, name, value, alarm) IN (SELECT a.tenant, t.key, t.value, a.id FROM json_each(?1) AS w "
        f"CROSS JOIN alarms a ON a.id = w.value ->> 0 AND {VERSION.format('a')} = w.value ->> 1 AND a.tenant = ?2 "
        "CROSS JOIN json_each(CASE WHEN a.labels LIKE '{%' THEN a.labels ELSE '{}' END) AS t) RETURNING alarm"
    ),
    postgresql=(
        "DELETE FROM alarm_labels AS l USING (SELECT a.tenant, t.key, t.value, a.id "
        "FROM unnest($1::text[], $2::bigint[]) AS w(id, version) "
        f"JOIN alarms a ON a.id = w.id AND {VERSION.format('a')} = w.version AND a.tenant = $3 "
        "CROSS JOIN json_each_text(CAST(CASE WHEN a.labels LIKE '{%' THEN a.labels ELSE '{}' END AS json)) AS t) AS k "
        "WHERE l.tenant = k.tenant AND l.name = k.key AND l.value = k.value AND l.alarm = k.id RETURNING l.alarm"
    ),
)


def _labels(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode() if labels else ""


def label_rows(made: Sequence[Alarm]) -> list[tuple[str, str, str, str]]:
    """The rows of their labels, in the order of `LABEL_COLUMNS`."""
    return [(alarm.tenant, name, value, alarm.id) for alarm in made for name, value in alarm.labels.items()]


async def drop_labels(connection: DriverConnection, tenant: str, changing: Sequence[tuple[str, int]]) -> None:
    """Removes the labels of a tenant's alarms of these (id, version), before those are changed or removed."""
    await _DROP_LABELS.pairs(connection, changing, tenant)


async def insert_labels(connection: DriverConnection, made: Sequence[Alarm]) -> None:
    """Writes the labels of new alarms, or of alarms whose labels were removed."""
    await _INSERT_LABELS.many(connection, label_rows(made))


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def where(tenant: str, condition: Condition) -> ColumnElement[bool]:
    """A condition of a filter as SQL."""
    if condition.field == "labels":
        return exists().where(
            and_(
                alarm_labels.c.tenant == tenant,
                alarm_labels.c.name == condition.key,
                alarm_labels.c.value == condition.value,
                alarm_labels.c.alarm == alarms.c.id,
            )
        )
    if condition.field == "text":
        return or_(mentions(alarms.c.display_name, str(condition.value)), mentions(alarms.c.key, str(condition.value)))
    column: ColumnElement[Any] = alarms.c[condition.field]
    value: Any = condition.value
    if condition.field == "pause_reason":  # of one that is not paused it is shown empty, whatever is left in its row
        column = case((alarms.c.state == AlarmState.PAUSED, column), else_="")
    elif condition.field == "state":
        value = AlarmState[str(value)]
    elif condition.field == "priority":
        value = Priority[str(value)]
    return _OPERATORS[condition.operator](column, value)


def alarm_row(alarm: Alarm, *, rule: str | None = None) -> tuple[Any, ...]:
    """The values of `ALARM_COLUMNS`; ``rule`` is its trigger as text, if that is known already."""
    return (
        *_simple_values(alarm),
        alarm.trigger.encode() if rule is None else rule,
        _labels(alarm.labels),
        "" if alarm.retry is None else alarm.retry.encode(),
    )


_ALARM_KINDS: Final = kinds_of(alarms.c[name] for name in ALARM_COLUMNS)
_AlarmRow: Any = namedtuple("_AlarmRow", ALARM_COLUMNS)  # pyright: ignore[reportUntypedNamedTuple]  its fields are those of the table


def alarm_of_fields(fields: Sequence[Any]) -> Alarm:
    """The alarm in the values of `ALARM_COLUMNS`, as a driver gives them; see `alarm_of`."""
    return alarm_of(_AlarmRow._make(typed(fields, _ALARM_KINDS)))


@row_reader(lambda row: f"alarms/{row.id}")
def alarm_of(row: Row[Any]) -> Alarm:
    """The alarm in a row of the table; what of it nobody can read is named in ``damaged``."""
    damaged: list[str] = []
    trigger = _read("trigger", Trigger.decode, row.trigger_rule, UNREADABLE, damaged)
    labels = _read("labels", _labels_of, row.labels, {}, damaged)
    return Alarm(
        trigger,
        Action(row.kind or "", row.action or b""),
        labels,
        known(Priority, number(row.priority)),
        RetryPolicy.decode(row.retry) if row.retry else None,
        version=number(row.version),
        **dict(zip(_READ.values(), _read_values(row), strict=True)),
        state=known(AlarmState, row.state),
        damaged=tuple(damaged),
    )


def decoded_trigger(rule: str) -> Trigger:
    """A stored trigger; `UNREADABLE` for one that nobody can read."""
    return _read("trigger", Trigger.decode, rule, UNREADABLE, [])


def _read(name: str, decode: Callable[[str], Read], text: str, otherwise: Read, damaged: list[str]) -> Read:
    try:
        return decode(text)
    except Exception:  # noqa: BLE001  whatever somebody stored: the row is told of, and holds up no page
        damaged.append(name)
        return otherwise


def _labels_of(text: str) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in msgspec.json.decode(text).items()} if text else {}


_FIRING_COLUMNS: Final = (
    "id",
    "tenant",
    "alarm",
    "slot",
    "shard",
    "origin",
    "priority",
    "due_at",
    "fired_at",
    "outcome",
    "reason",
    "state",
    "ready_at",
    "completed_at",
    "kind",
    "action",
    "retry",
    "traceparent",
    "flags",
    "context",
)
INSERT_FIRINGS: Final = insert(firings, _FIRING_COLUMNS, extra="change_no", extra_value=CHANGE, ignore=True)
"""Inserts rows of `_FIRING_COLUMNS`, and leaves out those whose occurrence is in the ledger."""

_RUNNING: Final = Statement(
    sqlite=f"SELECT DISTINCT alarm FROM firings WHERE alarm IN (SELECT value FROM json_each(?1)) AND {RUNNING_ALONE}",
    postgresql=f"SELECT DISTINCT alarm FROM firings WHERE alarm = ANY($1::text[]) AND {RUNNING_ALONE}",
)
_PRESENT: Final = Statement(
    sqlite=f"SELECT id FROM firings WHERE id IN (SELECT value FROM json_each(?1)) AND change_no = {CHANGE.sqlite}",
    postgresql=f"SELECT id FROM firings WHERE id = ANY($1::text[]) AND change_no = {CHANGE.postgresql}",
)


async def present(connection: DriverConnection, ids: Sequence[str]) -> set[str]:
    """Those of the firings that the current transaction has inserted."""
    return {row[0] for row in await _PRESENT.rows(connection, list(ids))}


async def still_running(connection: DriverConnection, alarms: Sequence[str]) -> set[str]:
    """Those of the alarms that have an unfinished firing during which their due times are skipped (overlap SKIP)."""
    return {row[0] for row in await _RUNNING.rows(connection, list(alarms))}


def firing_row(firing: Firing) -> tuple[Any, ...]:
    """The values of `_FIRING_COLUMNS`."""
    return (
        firing.id,
        firing.tenant,
        firing.alarm,
        "" if firing.origin in (Origin.SCHEDULE, Origin.BACKFILL) else firing.id,
        firing.shard,
        int(firing.origin),
        int(firing.priority),
        firing.due,
        firing.fired,
        int(firing.outcome),
        firing.reason,
        int(firing.state),
        firing.ready,
        firing.completed,
        firing.action.kind,
        firing.action.body,
        firing.retry,
        firing.traceparent,
        firing.flags,
        firing.context or None,
    )


@row_reader(lambda row: f"firings/{row.id}")
def firing_of(row: Row[Any]) -> Firing:
    """The firing in a row with every column."""
    return Firing(
        id=row.id,
        tenant=row.tenant,
        alarm=row.alarm,
        shard=row.shard,
        origin=known(Origin, row.origin),
        priority=known(Priority, row.priority),
        due=row.due_at,
        fired=row.fired_at,
        outcome=known(Outcome, row.outcome),
        reason=row.reason,
        state=known(FiringState, row.state),
        attempts=row.attempts,
        ready=row.ready_at,
        completed=row.completed_at,
        action=Action(row.kind or "", row.action or b""),
        retry=row.retry,
        result=row.result or b"",
        error=row.error,
        traceparent=row.traceparent,
        change=row.change_no,
        flags=row.flags,
        context=row.context or b"",
        failed=failed_of(row.failed),
    )


def failed_of(text: str | None) -> dict[str, FailedDelivery]:
    """The messages that went wrong, as they are stored."""
    if not text:
        return {}
    try:
        return {name: FailedDelivery(DeliveryEnd(state), str(reason)) for name, (state, reason) in msgspec.json.decode(text).items()}
    except NOT_READABLE:  # damaged: the firing is shown without them
        return {}


QUEUED_FIELDS: Final = (
    "id, tenant, alarm, shard, due_at, ready_at, priority, kind, action, retry, traceparent, attempts, origin, flags, context"
)


_QUEUED_KINDS: Final = (str, str, str, int, int, int, int, str, bytes, str, str, int, int, int, bytes)
_QUEUED_TYPES: Final = frozenset({_QUEUED_KINDS, (*_QUEUED_KINDS[:-1], type(None))})
"""Of the values of `QUEUED_FIELDS`, in order."""


def queued_firing_of(row: Fields) -> QueuedFiring:
    """The queued firing in a row of `QUEUED_FIELDS`.

    SQLite holds anything in any column, and what waits is counted, priced and compared together with the firings of others: a value of
    another type becomes one of the right type here, with which the firing fails by itself.
    """
    if tuple(map(type, row)) not in _QUEUED_TYPES:
        row = tuple(kind() if value is None else as_type(kind, value) for kind, value in zip(_QUEUED_KINDS, row, strict=True))
    identity, tenant, alarm, shard, due, ready, priority, kind, action, retry, traceparent, attempts, origin, flags, context = row
    return QueuedFiring(
        id=identity,
        tenant=tenant,
        alarm=alarm,
        shard=shard,
        due=due,
        ready=ready,
        priority=priority,
        action=Action(kind, action),
        retry=retry,
        traceparent=traceparent,
        attempts=attempts,
        origin=origin,
        flags=flags,
        context=context or b"",
    )
