"""Broken variants of what takes the steps of incidents; see `tests.simulation.mutants`."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from scheduler_svc import escalating
from scheduler_svc.domain import incidents
from scheduler_svc.domain.escalation import EscalationPlan
from scheduler_svc.domain.incident_words import IncidentTally
from scheduler_svc.domain.incidents import Incident, IncidentChange
from scheduler_svc.domain.rules import TenantRules
from scheduler_svc.ports.incidents import Act, Acted, Fence
from scheduler_svc.store import escalation_policies, incident_tables
from scheduler_svc.store import incident_work as store
from scheduler_svc.store.incidents import IncidentWriter
from scheduler_svc.store.sql import begin_change
from tests.simulation.broken import everywhere, replaced

_HOUR: Final = 3_600_000_000


def _step_after_an_answer() -> None:
    """An acknowledgement does not take away the step that comes next."""
    before = incidents.acknowledged

    def careless(incident: Incident, *given: Any) -> IncidentChange:
        change = before(incident, *given)
        return change._replace(incident=structs.replace(change.incident, step_at=incident.step_at))

    everywhere(before, careless)


def _answer_before_it_is_kept() -> None:
    """An acknowledgement is answered, and once in a while its transaction is not made."""
    before, count = IncidentWriter.act, [0]

    async def act(self: IncidentWriter, batch: Sequence[Act], fence: Fence) -> Acted:
        made = [one for one in batch if one.change.__name__ == "at_the_time"]
        count[0] += bool(made)
        if not made or count[0] % 3:
            return await before(self, batch, fence)
        return Acted([await self.get(one.tenant, one.incident) for one in batch], (), IncidentTally())  # pyright: ignore[reportAttributeAccessIssue]

    replaced(IncidentWriter, "act", act)


def _row_in_another_transaction() -> None:
    """The ledger gets a step after the incident was moved on: whoever dies in between loses it."""
    before = store.insert_ad_hoc

    async def later(connection: Any, firings: Any) -> set[str]:
        del connection
        return {firing.id for firing in firings}

    def splitting(name: str) -> Callable[..., Any]:
        whole: Callable[..., Any] = getattr(IncidentWriter, name)

        async def split(self: IncidentWriter, batch: Any, fence: Fence) -> Acted:
            acted = await whole(self, batch, fence)
            if acted.firings:
                async with vars(self)["_database"].transaction() as connection:
                    await begin_change(connection)
                    await before(connection, acted.firings)
            return acted

        return split

    for name in ("act", "trigger"):
        replaced(IncidentWriter, name, splitting(name))
    replaced(store, "insert_ad_hoc", later)


def _step_again_when_it_is_taken_on() -> None:
    """Steps get other ids at each attempt, and their rows are kept before the incident moves on: who takes it on takes the step again."""
    before, whole = escalating.firing_of_slot, IncidentWriter.act
    parts, salt = {name: vars(store)[name] for name in ("write_incidents", "INSERT_EVENTS")}, [""]

    async def twice(self: IncidentWriter, batch: Sequence[Act], fence: Fence) -> Acted:
        salt[0] = os.urandom(4).hex()
        if all(one.change.__name__ == "_nothing" for one in batch):
            for name in parts:
                setattr(store, name, _Nothing())
            try:
                await whole(self, batch, fence)
            finally:
                for name, part in parts.items():
                    setattr(store, name, part)
        return await whole(self, batch, fence)

    everywhere(before, lambda incident, slot: before(incident, slot + salt[0]))
    replaced(IncidentWriter, "act", twice)


class _Nothing:
    """A statement, or what runs one, that changes nothing."""

    async def many(self, connection: object, rows: object) -> int:
        """See `scheduler_svc.store.sql.Statement`."""
        return 0

    async def __call__(self, connection: object, **given: object) -> None:
        """See `scheduler_svc.store.incident_rows.write_incidents`."""


def _once_too_often() -> None:
    """The steps of a policy that repeats are gone through once more than it says."""
    replaced(EscalationPlan, "length", property(lambda self: len(self.steps) * (self.repeat + 1 + bool(self.repeat))))


def _silence_without_end() -> None:
    """What a silence holds back is not looked at any more when it is over."""
    before = TenantRules.silenced

    def endless(*given: Any) -> Any:
        hold = before(*given)
        return None if hold is None else hold._replace(until=hold.until + 24 * _HOUR)

    replaced(TenantRules, "silenced", endless)


def _silence_unheeded() -> None:
    """A silence holds nothing back."""
    replaced(TenantRules, "silenced", lambda *given: None)


def _wait_from_the_plan() -> None:
    """The wait after a step that came late counts from when it was due."""
    replaced(incidents, "ON_TIME", _HOUR)


def _wait_from_the_look() -> None:
    """The wait after a step counts from when somebody looked, and not from when it was due."""
    replaced(incidents, "ON_TIME", -1)


def _given_back_in_the_middle() -> None:
    """Who gives an incident back goes on where it was, instead of from the first step on."""
    before = vars(incidents)["_again"]

    def going_on(incident: Incident, at: int) -> Incident:
        after = before(incident, at)
        return structs.replace(after, step=incident.step) if 0 < incident.step < incident.plan.length else after

    replaced(incidents, "_again", going_on)


def _part_goes_on() -> None:
    """An incident that is part of another one goes on asking people."""
    before = incidents.merged

    def merged(incident: Incident, *given: Any, **named: Any) -> IncidentChange:
        change = before(incident, *given, **named)
        return change._replace(incident=structs.replace(change.incident, step_at=incident.step_at))

    replaced(Incident, "open", property(lambda self: self.state is not incidents.IncidentState.RESOLVED))
    everywhere(before, merged)


def _snooze_forgotten() -> None:
    """Nobody looks at an incident again when its snooze is over."""
    wake = vars(Incident)["wake"]
    replaced(Incident, "wake", property(lambda self: None if self.snoozed_until is not None else wake.fget(self)))


def _never_given_back() -> None:
    """An acknowledgement lasts for ever, whatever its policy says."""
    replaced(Incident, "given_back", property(lambda self: None))


def _resolved_too_soon() -> None:
    """An incident ends so long after its first trigger, and not after its last."""
    before = incidents.triggered_again

    def again(incident: Incident, *given: Any) -> IncidentChange:
        change = before(incident, *given)
        return change._replace(incident=structs.replace(change.incident, triggered=incident.triggered))

    everywhere(before, again)


def _trigger_counted_twice() -> None:
    """A request that comes again is taken for another one."""

    async def unknown(self: Any, requests: Any) -> dict[Any, Any]:
        return {}

    replaced(store.IncidentWork, "requested", unknown)
    for index in [index for index in incident_tables.incident_events.indexes if index.unique]:
        incident_tables.incident_events.indexes.discard(index)


def _always_the_first() -> None:
    """Of a policy whose targets take turns, it is always the first one's."""
    replaced(escalation_policies.Plans, "next", _without_turns(escalation_policies.Plans.next))


def _without_turns(before: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, tenant, policy: before(self, tenant, policy)._replace(turn=0)


def _nobody_hears() -> None:
    """Those who were told do not hear that somebody has it."""
    before = vars(incidents)["_told"]
    replaced(incidents, "_told", lambda *given: before(*given)._replace(updates=()))


INCIDENTS: Final[Mapping[str, Callable[[], None]]] = {
    "step-after-an-answer": _step_after_an_answer,
    "answer-before-it-is-kept": _answer_before_it_is_kept,
    "step-in-another-transaction": _row_in_another_transaction,
    "step-again-when-taken-on": _step_again_when_it_is_taken_on,
    "steps-once-too-often": _once_too_often,
    "incident-silence-without-end": _silence_without_end,
    "incident-silence-unheeded": _silence_unheeded,
    "wait-from-the-plan": _wait_from_the_plan,
    "wait-from-the-look": _wait_from_the_look,
    "given-back-in-the-middle": _given_back_in_the_middle,
    "part-goes-on": _part_goes_on,
    "snooze-forgotten": _snooze_forgotten,
    "never-given-back": _never_given_back,
    "resolved-too-soon": _resolved_too_soon,
    "trigger-counted-twice": _trigger_counted_twice,
    "always-the-first": _always_the_first,
    "nobody-hears": _nobody_hears,
}
