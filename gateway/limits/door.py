"""Which limit a call counts against, and for whom."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from gateway.limits.rules import CREDENTIALS, PUBLIC
from gateway.metrics import LimitMetrics
from tocsin.client_network import client_network
from tocsin.mesh.limits import LimitRule, RateLimited, RateLimiter
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.tokens import Principal

Tell: TypeAlias = Callable[[bytes, bytes], None]
"""Takes a field of the answer, whatever the answer will be: its name in lower case, and its value."""

Owner: TypeAlias = Literal["tenant", "address"]

_RATE_LIMIT: Final = b"ratelimit"
_RATE_LIMIT_POLICY: Final = b"ratelimit-policy"


def ignore(name: bytes, value: bytes) -> None:
    """Tells nobody."""
    del name, value


class DoorLimits:
    """The limits at the door, the same for every protocol."""

    def __init__(
        self, *, limiter: RateLimiter, tenants: Mapping[str, LimitRule], addresses: Mapping[str, LimitRule], metrics: LimitMetrics
    ) -> None:
        """Takes the limits.

        Args:
            limiter: counts.
            tenants: limits of a tenant, by rate class.
            addresses: limits of a client address: "credentials", "public", and rate classes.
            metrics: told of refusals.
        """
        self._limiter = limiter
        self._tenants = tenants
        self._addresses = addresses
        self._metrics = metrics

    async def count(self, policy: MethodPolicy, principal: Principal | None, *, address: str, tell: Tell) -> None:
        """Counts a call: of its tenant, or, where anybody may call, of the client's address, whatever credential it has.

        Raises:
            RateLimited: the limit is reached.
        """
        if policy.public or principal is None:
            rule = self._addresses.get(policy.rate_class) or self._addresses.get(PUBLIC)
            await self._take(rule, client_network(address), "address", tell)
        else:
            self._metrics.called(principal.tenant)
            await self._take(self._tenants.get(policy.rate_class), principal.tenant, "tenant", tell)

    def check_credentials(self, address: str, *, tell: Tell) -> None:
        """Returns if the address has not shown too many credentials that are not valid.

        Raises:
            RateLimited: it has.
        """
        if (rule := self._addresses.get(CREDENTIALS)) is None:
            return
        try:
            self._limiter.check(rule, client_network(address))
        except RateLimited as error:
            self._refuse(error, rule, "address", tell)
            raise

    async def count_refused_credential(self, address: str) -> None:
        """Counts a credential that is not valid; the next one learns whether they are too many."""
        if (rule := self._addresses.get(CREDENTIALS)) is not None:
            with contextlib.suppress(RateLimited):
                await self._limiter.take(rule, client_network(address))

    async def _take(self, rule: LimitRule | None, key: str, of: Owner, tell: Tell) -> None:
        if rule is None:
            return
        try:
            left = await self._limiter.take(rule, key)
        except RateLimited as error:
            self._refuse(error, rule, of, tell)
            raise
        tell(_RATE_LIMIT, left)
        tell(_RATE_LIMIT_POLICY, rule.policy)

    def _refuse(self, error: RateLimited, rule: LimitRule, of: Owner, tell: Tell) -> None:
        self._metrics.refused(rule.name, of)
        tell(_RATE_LIMIT, error.standing)
        tell(_RATE_LIMIT_POLICY, rule.policy)
