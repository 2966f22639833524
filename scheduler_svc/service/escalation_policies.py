"""Escalation policies of the caller's tenant."""

from collections.abc import Callable, Sequence

import msgspec

from scheduler_svc.domain import new_id
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy, EscalationPolicyChanged
from scheduler_svc.ports.incidents import EscalationPolicyStore
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import zone
from tocsin.recurrence.errors import UnknownZone
from tocsin.searching import mentions, search

_ATTEMPTS = 5


class EscalationPolicies:
    """Makes, reads and changes them."""

    def __init__(self, *, store: EscalationPolicyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, tenant: str, *, policy: str, display_name: str, plan: EscalationPlan) -> EscalationPolicy:
        """Makes a policy; its id is made if none is given.

        Raises:
            InvalidInput: its plan cannot be followed.
            EscalationPolicyExists: there is one of this id.
        """
        _check(plan)
        now = self._clock.micros()
        made = EscalationPolicy(
            id=policy or new_id(now).lower(), tenant=tenant, display_name=display_name, plan=plan, created=now, updated=now
        )
        await self._store.create(made)
        return made

    async def get(self, tenant: str, policy: str) -> EscalationPolicy:
        """The policy.

        Raises:
            EscalationPolicyNotFound: the tenant has none of that id.
        """
        return await self._store.get(tenant, policy)

    async def page(self, tenant: str, *, after: str, size: int, text: str = "") -> tuple[Sequence[EscalationPolicy], str | None]:
        """Policies behind an id, by id, with ``text`` in their ids or names.

        With fewer than ``size`` comes where to go on; None: they were the last.
        """
        if not text:
            return await self._store.page(tenant, after=after, size=size), None
        return await search(
            lambda behind, most: self._store.page(tenant, after=behind, size=most),
            meets=lambda policy: mentions(text, policy.id, policy.display_name),
            place=lambda policy: policy.id,
            after=after,
            limit=size,
        )

    async def update(
        self, tenant: str, policy: str, *, etag: str, change: Callable[[EscalationPolicy], tuple[str, EscalationPlan]]
    ) -> EscalationPolicy:
        """Gives a policy the name and the plan that ``change`` makes of it.

        Raises:
            InvalidInput: its plan cannot be followed.
            EscalationPolicyNotFound: the tenant has none of that id.
            EscalationPolicyChanged: ``etag`` is given, and not its own; or others changed it again and again.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            stored = await self._store.get(tenant, policy)
            if etag and etag != stored.etag:
                raise EscalationPolicyChanged("The policy was changed since; its etag is another one now.")
            display_name, plan = change(stored)
            _check(plan)
            changed = msgspec.structs.replace(
                stored, display_name=display_name, plan=plan, version=stored.version + 1, updated=self._clock.micros()
            )
            try:
                await self._store.replace(changed, version=stored.version)
            except EscalationPolicyChanged:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return changed
        raise EscalationPolicyChanged

    async def delete(self, tenant: str, policy: str, *, etag: str) -> None:
        """Removes it; open incidents keep the steps that they began with.

        Raises:
            EscalationPolicyNotFound: the tenant has none of that id.
            EscalationPolicyChanged: ``etag`` is given, and not its own.
        """
        await self._store.delete(tenant, policy, etag=etag)


def _check(plan: EscalationPlan) -> None:
    """Refuses what the contract cannot see.

    Raises:
        InvalidInput: an unknown zone, a window in which nothing is counted, or steps that all come at once and again.
    """
    if plan.zone:
        try:
            zone(plan.zone)
        except UnknownZone:
            raise InvalidInput.at("escalationPolicy.timeZone", f"{plan.zone!r} is no IANA time zone") from None
    for number, step in enumerate(plan.steps):
        if step.window and not step.occurrences:
            raise InvalidInput.at(f"escalationPolicy.steps[{number}].occurrenceWindow", "needs minOccurrences, which it is the window of")
    if plan.repeat and not any(step.wait for step in plan.steps):
        raise InvalidInput.at("escalationPolicy.repeat", "would repeat steps of which none waits: all of them would come at once")
