"""Routes and dependencies of the caller's tenant."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple

import msgspec

from scheduler_svc.domain import new_id
from scheduler_svc.domain.dependencies import IncidentDependency, check_dependency
from scheduler_svc.domain.grouping import group_key
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import IncidentRuleChanged
from scheduler_svc.ports.incidents import EscalationPolicyStore, IncidentRuleStore, IncidentStore, Rule
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_ATTEMPTS: Final = 5


class RouteMatch(NamedTuple):
    """Which route a trigger would take.

    Attributes:
        route: None: none fits.
        group: key of the incident that groups it; empty: nothing does.
        missed: the routes before, each with its first matcher that does not fit.
    """

    route: IncidentRoute | None
    group: str
    missed: Sequence[tuple[IncidentRoute, SilenceMatcher]]


class IncidentRuleCases(Generic[Rule]):
    """What routes and dependencies have in common: they are made, read and changed."""

    def __init__(self, *, store: "IncidentRuleStore[Rule]", woken: Callable[[], None], clock: Clock) -> None:
        """Takes what it stands on; ``woken`` tells the loop that takes steps that some may be due."""
        self._store = store
        self._woken = woken
        self._clock = clock

    async def create(self, rule: Rule) -> Rule:
        """Makes one; its id is made if none is given.

        Raises:
            InvalidInput: it cannot be followed.
            IncidentRuleExists: there is one of this id.
            TooManyIncidentRules: the tenant has as many as it may have.
        """
        now = self._clock.micros()
        made = msgspec.structs.replace(rule, id=rule.id or new_id(now).lower(), created=now, updated=now, version=1)
        await self._check(made)
        await self._store.create(made, check=lambda others: self._check_beside(made, others))
        return made

    async def get(self, tenant: str, rule: str) -> Rule:
        """The one of an id.

        Raises:
            IncidentRuleNotFound: the tenant has none of that id.
        """
        return await self._store.get(tenant, rule)

    async def update(self, tenant: str, rule: str, *, etag: str, change: Callable[[Rule], Rule]) -> Rule:
        """Makes of it what ``change`` makes of it.

        Raises:
            InvalidInput: it cannot be followed.
            IncidentRuleNotFound: the tenant has none of that id.
            IncidentRuleChanged: ``etag`` is given, and not its own; or others changed it again and again.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            stored = await self._store.get(tenant, rule)
            if etag and etag != stored.etag:
                raise IncidentRuleChanged("It was changed since; its etag is another one now.")
            kept = {"id": stored.id, "tenant": tenant, "version": stored.version + 1, "created": stored.created}
            changed = msgspec.structs.replace(change(stored), **kept, updated=self._clock.micros())
            await self._check(changed)
            try:
                await self._store.replace(
                    changed, version=stored.version, check=lambda others, changed=changed: self._check_beside(changed, others)
                )
            except IncidentRuleChanged:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._woken()
                return changed
        raise IncidentRuleChanged

    async def delete(self, tenant: str, rule: str, *, etag: str) -> None:
        """Removes it.

        Raises:
            IncidentRuleNotFound: the tenant has none of that id.
            IncidentRuleChanged: ``etag`` is given, and not its own.
        """
        await self._store.delete(tenant, rule, etag=etag, now=self._clock.micros())
        self._woken()

    async def _check(self, rule: Rule) -> None:
        """Refuses what cannot be followed."""

    def _check_beside(self, rule: Rule, others: Sequence[Rule]) -> None:
        """Refuses what cannot be followed beside those that there are."""


class IncidentRoutes(IncidentRuleCases[IncidentRoute]):
    """Routes."""

    def __init__(
        self,
        *,
        store: "IncidentRuleStore[IncidentRoute]",
        policies: EscalationPolicyStore,
        incidents: IncidentStore,
        woken: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Takes what it stands on; ``incidents`` knows the routes as triggers ask them."""
        super().__init__(store=store, woken=woken, clock=clock)
        self._policies = policies
        self._incidents = incidents

    async def page(self, tenant: str, *, after: tuple[int, str] | None, size: int) -> Sequence[IncidentRoute]:
        """Routes behind a place (position, id), in the order in which they are asked."""
        found = sorted(await self._store.all(tenant), key=lambda route: (route.position, route.id))
        return [route for route in found if after is None or (route.position, route.id) > after][:size]

    async def match(self, tenant: str, said: Mapping[str, str], *, labels: Mapping[str, str]) -> RouteMatch:
        """Which route something with these words, and labels among them, would take, and why none before it."""
        rules = await self._incidents.rules(tenant, now=self._clock.micros())
        route, missed = rules.explain(said)
        return RouteMatch(route, group_key(route, labels) if route is not None and route.group_by else "", missed)

    async def _check(self, rule: IncidentRoute) -> None:
        if rule.policy and await self._policies.missing([(rule.tenant, rule.policy)]):
            raise InvalidInput.at("incidentRoute.escalationPolicy", f"there is no escalationPolicies/{rule.policy}")


class IncidentDependencies(IncidentRuleCases[IncidentDependency]):
    """Dependencies."""

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[IncidentDependency]:
        """Dependencies behind an id, by id."""
        return [one for one in await self._store.all(tenant) if one.id > after][:size]

    def _check_beside(self, rule: IncidentDependency, others: Sequence[IncidentDependency]) -> None:
        check_dependency(rule, others)
