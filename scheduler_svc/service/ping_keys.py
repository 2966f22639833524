"""Who may ping by slugs, and how often anybody may ping."""

import secrets
from collections import OrderedDict
from typing import Final

from scheduler_svc.ports.status import PingKey, PingKeyStore
from scheduler_svc.triggers import TooManyPings
from tocsin.clock import Clock
from tocsin.errors import NotFound

MOST_BY_SLUG: Final = 1000
"""How many heartbeats with a slug a tenant may have before pings make no further ones."""

_REMEMBERED: Final = 50_000
_SECRET_BYTES: Final = 16
_MINUTE: Final = 60.0


class PingKeyNotFound(NotFound):
    """The tenant has no ping key yet."""


class PingLimit:
    """A bucket of tokens for each heartbeat, in this replica: a flood of pings costs its heartbeat alone, and no transaction."""

    def __init__(self, *, per_minute: int, clock: Clock) -> None:
        """Takes ``per_minute`` pings of one, as many of them at once; 0 takes all."""
        self._most = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, heartbeat: str) -> None:
        """Returns if one more is taken.

        Raises:
            TooManyPings: it has had too many.
        """
        if not self._most:
            return
        now = self._clock.monotonic()
        left, since = self._buckets.pop(heartbeat, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / _MINUTE)
        self._buckets[heartbeat] = (max(0.0, left - 1), now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyPings(retry_after=(1 - left) * _MINUTE / self._most)


class PingKeys:
    """The key of each tenant."""

    def __init__(self, *, store: PingKeyStore) -> None:
        self._store = store

    async def get(self, tenant: str) -> PingKey:
        """The tenant's key.

        Raises:
            PingKeyNotFound: there is none yet.
        """
        found = await self._store.key_of(tenant)
        if found is None:
            raise PingKeyNotFound
        return found

    async def update(self, tenant: str, *, secret: str, policy: str, rotate: bool) -> PingKey:
        """Makes it, or changes it; an empty ``secret`` stays, is made, or with ``rotate`` is made anew.

        Raises:
            PingKeyTaken: another tenant has this key.
        """
        before = await self._store.key_of(tenant)
        kept = before.secret if before is not None and not rotate else ""
        made = PingKey(tenant=tenant, secret=secret or kept or secrets.token_urlsafe(_SECRET_BYTES), policy=policy)
        await self._store.put_key(made)
        return made

    async def find(self, secret: str) -> PingKey | None:
        """The key, and whose it is; None when it is nobody's."""
        return await self._store.find_key(secret)

    async def may_make(self, tenant: str) -> bool:
        """Whether a ping may make another heartbeat."""
        return await self._store.slugs(tenant) < MOST_BY_SLUG
