"""Rows of the ledger: how they are written and read."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Action, DeliveryEnd, FailedDelivery, Firing, FiringState, Origin, Outcome, Priority, QueuedFiring
from scheduler_svc.store.sql import CHANGE, Fields, Statement, insert
from scheduler_svc.store.tables import firings
from tocsin.stored import known

_COLUMNS: Final = (
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
INSERT_FIRINGS: Final = insert(firings, _COLUMNS, extra="change_no", extra_value=CHANGE, ignore=True)
"""Inserts rows of `_COLUMNS`, and leaves out those whose occurrence is in the ledger."""

_PRESENT: Final = Statement(
    sqlite=f"SELECT id FROM firings WHERE id IN (SELECT value FROM json_each(?1)) AND change_no = {CHANGE.sqlite}",  # noqa: S608  constants
    postgresql=f"SELECT id FROM firings WHERE id = ANY($1::text[]) AND change_no = {CHANGE.postgresql}",  # noqa: S608  constants
)


async def present(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Those of the firings that the current transaction has inserted."""
    return {row[0] for row in await _PRESENT.rows(connection, list(ids))}


def row_of(firing: Firing) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
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
        action=Action(row.kind, row.action),
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
        return {name: FailedDelivery(DeliveryEnd(state), str(reason)) for name, (state, reason) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):  # damaged: the firing is shown without them
        return {}


def queue_entry_of(firing: Firing) -> QueuedFiring:
    """A firing on its way to a processor for the first time."""
    return QueuedFiring(
        id=firing.id,
        tenant=firing.tenant,
        alarm=firing.alarm,
        shard=firing.shard,
        due=firing.due,
        ready=firing.ready or 0,
        priority=int(firing.priority),
        action=firing.action,
        retry=firing.retry,
        traceparent=firing.traceparent,
        origin=int(firing.origin),
        flags=firing.flags,
        context=firing.context,
    )


QUEUED_FIELDS: Final = (
    "id, tenant, alarm, shard, due_at, ready_at, priority, kind, action, retry, traceparent, attempts, origin, flags, context"
)


def queued_firing_of(row: Fields) -> QueuedFiring:
    """The queued firing in a row of `QUEUED_FIELDS`."""
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
