"""Pages of a tenant's alarms: found by one index, checked against the rest, in a bounded number of steps.

A filter of several conditions has no index of its own. It is answered from the index of the condition that fewest alarms meet, and what
that gives is checked against the others. Where many alarms meet each condition and few meet all, that could read the whole table; so a page
looks at so many alarms at most, and may be short, or empty, with a token to go on (AIP-158).
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Row, Select, Text, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import AlarmState, Priority
from scheduler_svc.ports import AlarmHead, Page
from scheduler_svc.store.mapping import alarm_of, where
from scheduler_svc.store.tables import PAUSABLE, alarm_labels, alarms
from tocsin.listing import Condition
from tocsin.stored import readable

EXAMINED: Final = 1000
"""Alarms that one page looks at, at most."""

_UNIQUE: Final = ("key", "display_name")


async def find_page(connection: AsyncConnection, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> Page:
    """The newest alarms that meet all conditions, with ids below ``before``."""
    rows, following = await _page(connection, select(alarms), tenant, conditions=conditions, before=before, size=size)
    return Page(readable(rows, alarm_of), following)


async def find_heads(
    connection: AsyncConnection, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int, pausable: bool
) -> tuple[list[AlarmHead], str | None]:
    """The same page, without what is in the alarms; with ``pausable`` only those that a pause would pause."""
    query = select(*(alarms.c[name] for name in AlarmHead._fields))
    rows, following = await _page(connection, query, tenant, conditions=conditions, before=before, size=size, pausable=pausable)
    return [AlarmHead._make(row) for row in rows], following


async def _page(
    connection: AsyncConnection,
    query: Select[Any],
    tenant: str,
    *,
    conditions: Sequence[Condition],
    before: str | None,
    size: int,
    pausable: bool = False,
) -> tuple[Sequence[Row[Any]], str | None]:
    driver, others = await _driver(connection, tenant, conditions, before)
    rest = [where(tenant, condition) for condition in others]
    if pausable:
        rest.append(literal_column(PAUSABLE))
    looked_at = driver.limit(_most(EXAMINED if rest else size + 1))
    inner = looked_at.subquery()
    wanted = query.join(inner, alarms.c.id == inner.c.id).where(*rest)
    found = (await connection.execute(wanted.order_by(inner.c.id.desc()).limit(_most(size + 1)))).all()
    if len(found) > size:
        return found[:size], found[size - 1].id
    if not rest:
        return found, None
    count, last = (await connection.execute(select(func.count(), func.min(inner.c.id)).select_from(inner))).one()
    return found, last if count == EXAMINED else None


async def _driver(
    connection: AsyncConnection, tenant: str, conditions: Sequence[Condition], before: str | None
) -> tuple[Select[Any], list[Condition]]:
    """The ids by the index that gives the fewest, the newest first, and the conditions that it does not answer."""
    indexed = [condition for condition in conditions if _is_indexed(condition)]
    if not indexed:
        return _ids(tenant, None, before), list(conditions)
    best = indexed[0]
    if len(indexed) > 1 and not any(condition.field in _UNIQUE for condition in indexed):
        counts = await _counts(connection, [_ids(tenant, condition, before) for condition in indexed])
        best = indexed[counts.index(min(counts))]
    else:
        best = next((condition for name in _UNIQUE for condition in indexed if condition.field == name), best)
    return _ids(tenant, best, before), [condition for condition in conditions if condition is not best]


def _most(rows: int) -> ColumnElement[int]:
    """A limit that stands in the statement: PostgreSQL plans for a parameter as if it were a tenth of the table."""
    return _number(rows)


def _is_indexed(condition: Condition) -> bool:
    if condition.operator != "=":
        return False
    if condition.field in _UNIQUE:
        return condition.value != ""  # those indexes leave out what has no value
    return condition.field in ("labels", "state") or (condition.field == "priority" and condition.value != Priority.NORMAL.name)


async def _counts(connection: AsyncConnection, candidates: Sequence[Select[Any]]) -> list[int]:
    """How many there are of each, up to what a page looks at."""
    inner = [ids.limit(_most(EXAMINED)).subquery() for ids in candidates]
    counts = [select(func.count()).select_from(found).scalar_subquery() for found in inner]
    return list((await connection.execute(select(*counts))).one())


def _ids(tenant: str, condition: Condition | None, before: str | None) -> Select[Any]:
    """The ids of alarms that meet a condition, the newest first, from an index alone."""
    if condition is not None and condition.field == "labels":
        column = alarm_labels.c.alarm
        found = select(column.label("id")).where(
            alarm_labels.c.tenant == tenant, alarm_labels.c.name == condition.key, alarm_labels.c.value == condition.value
        )
    else:
        column = alarms.c.id
        found = select(column).where(alarms.c.tenant == tenant, *_indexed(condition))
    if before is not None:
        found = found.where(column < before)
    return found.order_by(column.desc())


def _indexed(condition: Condition | None) -> list[ColumnElement[bool]]:
    """The condition in the words of its index: a partial one is used when the query itself, not a parameter, says what it leaves out."""
    if condition is None:
        return []
    column: ColumnElement[Any] = alarms.c[condition.field]
    match condition.field:
        case "state":
            return [column == _number(AlarmState[str(condition.value)])]
        case "priority":
            return [column == _number(Priority[str(condition.value)]), column != _number(Priority.NORMAL)]
        case _:
            return [column == condition.value, column != literal_column("''", Text)]


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(int(value)), Integer)
