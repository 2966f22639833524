"""Who waits for events of a topic, remembered in memory and yet never out of date.

Every transaction that makes alarms wait for other events than before counts up a number of the tenant, and every transaction that takes
events reads it: what was found under another number is found anew. So an alarm counts for every event that is published after its create
was answered, on whatever replica. Only ids and conditions are kept, of a bounded number of alarms; whether one is active, and its action,
is read when it fires.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.store.signals import LISTENERS
from scheduler_svc.store.sql import Statement, both
from scheduler_svc.store.triggered import readable
from scheduler_svc.triggers import Published, Subscription, conditions_of, topic_matches
from tocsin.recurrence import Event, Trigger

Versions: TypeAlias = Mapping[str, int]
"""The number of each tenant."""

_VERSIONS: Final = Statement(
    sqlite=f"SELECT tenant, value FROM tenant_counts WHERE name = '{LISTENERS}' AND tenant IN (SELECT value FROM json_each(?1))",  # noqa: S608  a constant
    postgresql=f"SELECT tenant, value FROM tenant_counts WHERE name = '{LISTENERS}' AND tenant = ANY($1::text[])",  # noqa: S608  likewise
)
_PATTERNS: Final = both("SELECT DISTINCT topic FROM signals WHERE tenant = $1 AND kind = 4")
_FIND: Final = Statement(
    sqlite=(
        "SELECT a.id, a.rule_since, a.trigger_rule FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = ?1 "
        "AND (s.kind = 1 AND s.topic = ?2 OR s.kind = 4 AND s.topic IN (SELECT value FROM json_each(?3))) ORDER BY a.id"
    ),
    postgresql=(
        "SELECT a.id, a.rule_since, a.trigger_rule FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = $1 "
        "AND (s.kind = 1 AND s.topic = $2 OR s.kind = 4 AND s.topic = ANY($3::text[])) ORDER BY a.id"
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
    patterns = [pattern for (pattern,) in await _PATTERNS.rows(connection, tenant) if topic_matches(pattern, topic)]
    rows = await _FIND.rows(connection, tenant, topic, patterns)
    triggers = [(alarm, since, readable(rule, alarm=alarm)) for alarm, since, rule in rows]
    return tuple(
        Subscription(alarm, since, conditions_of(_filter_of(trigger))) for alarm, since, trigger in triggers if trigger is not None
    )


def _filter_of(trigger: Trigger) -> str:
    return trigger.spec.filter if isinstance(trigger.spec, Event) else ""
