"""Incidents: what happens to one is a function of it and of an instant."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from scheduler_svc.domain.escalation import EscalationPlan, EscalationStep, WeeklyHours
from scheduler_svc.domain.incident_words import By, EventKind, Hold, IncidentState
from scheduler_svc.domain.incidents import (
    Incident,
    IncidentChange,
    IncidentOver,
    acknowledged,
    advance,
    merged,
    opened,
    reassigned,
    resolved,
    snoozed,
    triggered_again,
    unacknowledged,
)
from tests.integration.states import drawn
from tocsin.clock import HOUR, MINUTE, SECOND, to_micros

T0 = to_micros(datetime(2026, 3, 2, 12, tzinfo=UTC))
ANN = By("recipients/ann", "link")
ONE, TWO, THREE = (EscalationStep(targets=(f"recipients/{name}",)) for name in ("ann", "bea", "cid"))
PLAN = EscalationPlan(steps=(ONE, TWO, THREE))


def incident(plan: EscalationPlan = PLAN, **fields: Any) -> Incident:
    """An incident that begins at T0."""
    return Incident(id="i", tenant="t", shard=0, key="k", title="Disk full", plan=plan, created=T0, triggered=T0, **fields)


def begun(plan: EscalationPlan = PLAN, **fields: Any) -> IncidentChange:
    """One that was opened, with what was due at once."""
    return opened(incident(plan, **fields), By("users/1")).then(lambda one: advance(one, T0))


def kinds(change: IncidentChange) -> list[str]:
    """The names of what happened."""
    return [happened.kind.name for happened in change.happened]


def told(change: IncidentChange) -> list[str]:
    """Who was told by the steps that were taken."""
    return [target for step in change.steps if not step.skipped for target in step.step.targets]


def test_the_first_step_is_taken_at_once_and_the_others_after_their_waits() -> None:
    """Each exactly when its turn has come."""
    first = begun()
    assert kinds(first) == ["TRIGGERED", "STEP"]
    assert told(first) == ["recipients/ann"]
    assert first.incident.wake == T0 + 5 * MINUTE
    assert advance(first.incident, T0 + 5 * MINUTE - 1).steps == ()
    second = advance(first.incident, T0 + 5 * MINUTE)
    assert told(second) == ["recipients/bea"]
    third = advance(second.incident, T0 + 10 * MINUTE)
    assert kinds(third) == ["STEP", "EXHAUSTED"]
    assert third.incident.wake is None
    assert third.incident.waiting


def test_nobody_is_told_twice_as_long_as_nothing_is_due() -> None:
    """To ask again changes nothing."""
    first = begun().incident
    assert advance(first, T0) == IncidentChange(first)


def test_steps_repeat_and_then_end() -> None:
    """As often as the policy says."""
    change = begun(EscalationPlan(steps=(ONE, TWO), repeat=2))
    names = told(change)
    while change.incident.wake is not None:
        change = advance(change.incident, change.incident.wake)
        names += told(change)
    assert names == ["recipients/ann", "recipients/bea"] * 3


def test_a_step_that_is_late_moves_the_next_ones() -> None:
    """After an outage people are not all told at once."""
    first = begun().incident
    late = advance(first, T0 + 20 * MINUTE)
    assert told(late) == ["recipients/bea"], "who has just been told is waited for"
    assert late.steps[0].due == T0 + 5 * MINUTE
    assert late.incident.wake == T0 + 25 * MINUTE


def test_an_acknowledgement_stops_the_steps_and_tells_who_was_told() -> None:
    """A second one changes nothing."""
    change = acknowledged(begun().incident, ANN, T0 + MINUTE)
    assert change.incident.state is IncidentState.ACKNOWLEDGED
    assert change.incident.wake is None
    assert [update.kind for update in change.updates] == [EventKind.ACKNOWLEDGED]
    assert advance(change.incident, T0 + 100 * HOUR).steps == ()
    again = acknowledged(change.incident, By("recipients/bea"), T0 + 2 * MINUTE)
    assert again == IncidentChange(change.incident), "it is Ann's"


def test_nobody_hears_of_an_end_who_heard_of_no_beginning() -> None:
    """Without steps there is nobody to tell."""
    change = resolved(begun(EscalationPlan()).incident, ANN, T0 + MINUTE)
    assert kinds(change) == ["RESOLVED"]
    assert change.updates == ()


def test_a_resolution_is_final() -> None:
    """No act brings it back."""
    over = resolved(begun().incident, ANN, T0 + MINUTE).incident
    for change in (acknowledged(over, ANN, T0), unacknowledged(over, ANN, T0), resolved(over, ANN, T0), advance(over, T0 + HOUR)):
        assert change == IncidentChange(over)
    with pytest.raises(IncidentOver):
        snoozed(over, ANN, T0, until=T0 + HOUR)
    with pytest.raises(IncidentOver):
        reassigned(over, ANN, T0, policy="p", plan=PLAN)


def test_a_further_trigger_counts_and_begins_nothing_anew() -> None:
    """It is one more entry of the timeline."""
    change = triggered_again(begun().incident, By("alarms/1"), T0 + MINUTE)
    assert (change.incident.count, change.incident.triggered) == (2, T0 + MINUTE)
    assert advance(change.incident, T0 + MINUTE).steps == ()
    assert kinds(change) == ["TRIGGERED"]


def test_an_acknowledgement_without_a_resolution_lasts_as_long_as_the_policy_says() -> None:
    """Then the steps begin again."""
    plan = EscalationPlan(steps=(ONE, TWO), unacknowledge_after=HOUR)
    held = acknowledged(begun(plan).incident, ANN, T0 + MINUTE).incident
    assert held.wake == T0 + MINUTE + HOUR
    back = advance(held, T0 + MINUTE + HOUR)
    assert kinds(back) == ["UNACKNOWLEDGED", "STEP"]
    assert told(back) == ["recipients/ann"]
    assert back.steps[0].slot != begun(plan).steps[0].slot, "it is another row of the ledger"


def test_an_incident_that_nobody_triggers_again_resolves_itself() -> None:
    """Each trigger puts that off."""
    plan = EscalationPlan(steps=(ONE,), resolve_after=HOUR)
    again = triggered_again(begun(plan).incident, By("alarms/1"), T0 + MINUTE).incident
    assert advance(again, T0 + HOUR).incident.open
    over = advance(again, T0 + HOUR + MINUTE)
    assert (over.incident.state, over.incident.resolved_by) == (IncidentState.RESOLVED, "policy")


def test_a_snooze_ends_with_the_first_step_unless_somebody_answers_before() -> None:
    """Nobody is told meanwhile."""
    asleep = snoozed(begun().incident, ANN, T0 + MINUTE, until=T0 + HOUR).incident
    assert not asleep.waiting
    assert advance(asleep, T0 + HOUR - 1).steps == ()
    awake = advance(asleep, T0 + HOUR)
    assert kinds(awake) == ["UNSNOOZED", "STEP"]
    answered = acknowledged(asleep, ANN, T0 + 2 * MINUTE).incident
    assert answered.wake is None
    assert (answered.state, answered.snoozed_until) == (IncidentState.ACKNOWLEDGED, None)


def test_a_part_of_another_incident_takes_no_step() -> None:
    """It belongs to one alone."""
    part = merged(begun().incident, ANN, T0 + MINUTE, into="j").incident
    assert part.wake is None
    assert not part.waiting
    assert merged(part, ANN, T0 + MINUTE, into="j") == IncidentChange(part)
    with pytest.raises(IncidentOver, match="incidents/j"):
        merged(part, ANN, T0 + MINUTE, into="other")
    assert resolved(part, ANN, T0 + HOUR).incident.state is IncidentState.RESOLVED


def test_another_policy_begins_with_its_first_step() -> None:
    """At once."""
    change = reassigned(begun().incident, ANN, T0 + MINUTE, policy="q", plan=EscalationPlan(steps=(THREE,)))
    taken = change.then(lambda one: advance(one, T0 + MINUTE))
    assert kinds(taken) == ["REASSIGNED", "STEP", "EXHAUSTED"]
    assert told(taken) == ["recipients/cid"]


@pytest.mark.parametrize(("hour", "step"), [(8, "recipients/bea"), (9, "recipients/ann"), (17, "recipients/ann"), (18, "recipients/bea")])
def test_a_step_counts_in_its_hours_and_otherwise_the_next_comes_at_once(hour: int, step: str) -> None:
    """Both ends of the hours."""
    hours = (WeeklyHours(start=9 * 60, end=18 * 60, days=(1, 2, 3, 4, 5)),)
    plan = EscalationPlan(steps=(EscalationStep(targets=ONE.targets, hours=hours), TWO), zone="UTC")
    at = to_micros(datetime(2026, 3, 2, hour, tzinfo=UTC))
    change = opened(structs.replace(incident(plan), created=at), ANN).then(lambda one: advance(one, at))
    assert told(change) == [step]


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    """Both ends, and both days."""
    night = WeeklyHours(start=22 * 60, end=6 * 60, days=(5,))
    friday, saturday = datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 3, 7, tzinfo=UTC)
    assert not night.holds(friday.replace(hour=5))
    assert night.holds(friday.replace(hour=23))
    assert night.holds(saturday.replace(hour=5, minute=59))
    assert not night.holds(saturday.replace(hour=6))
    assert not night.holds(saturday.replace(hour=23))


def test_a_step_counts_from_a_number_of_triggers_on() -> None:
    """Within a window."""
    step = EscalationStep(targets=TWO.targets, occurrences=3, window=10 * MINUTE)
    plan = EscalationPlan(steps=(ONE, step, THREE))
    few = triggered_again(begun(plan).incident, ANN, T0 + MINUTE).incident
    assert told(advance(few, T0 + 5 * MINUTE)) == ["recipients/cid"]
    many = triggered_again(few, ANN, T0 + 2 * MINUTE).incident
    assert told(advance(many, T0 + 5 * MINUTE)) == ["recipients/bea"]
    assert len(triggered_again(many, ANN, T0 + 3 * MINUTE).incident.recent) == 3, "no more is remembered than the plan needs"


def test_incidents_take_turns() -> None:
    """Of the first step's targets."""
    step = EscalationStep(targets=("recipients/ann", "recipients/bea"))
    plan = EscalationPlan(steps=(step, step), round_robin=True)
    assert [told(begun(plan, turn=turn)) for turn in range(3)] == [["recipients/ann"], ["recipients/bea"], ["recipients/ann"]]
    assert told(advance(begun(plan).incident, T0 + 5 * MINUTE)) == ["recipients/ann", "recipients/bea"], "the first step alone"


def test_what_is_held_back_is_in_the_ledger_once_and_taken_afterwards() -> None:
    """However often it is looked at."""
    hold = Hold("silences/s", "SILENCED", T0 + HOUR)
    held = opened(incident(), ANN).then(lambda one: advance(one, T0, hold=hold))
    assert kinds(held) == ["TRIGGERED", "STEP_SKIPPED"]
    assert [step.skipped for step in held.steps] == ["SILENCED"]
    assert held.incident.wake == T0 + HOUR
    still = advance(held.incident, T0 + HOUR, hold=Hold("silences/s", "SILENCED", T0 + 2 * HOUR))
    assert still.steps == ()
    free = advance(still.incident, T0 + 2 * HOUR)
    assert told(free) == ["recipients/ann"]
    assert free.steps[0].slot != held.steps[0].slot


ACTS = st.sampled_from(["trigger", "ack", "unack", "resolve", "snooze", "wait"])


@settings(max_examples=300)
@given(
    acts=st.lists(st.tuples(ACTS, st.integers(min_value=0, max_value=20 * 60)), max_size=25),
    plan=st.builds(
        EscalationPlan,
        steps=st.lists(
            st.builds(
                EscalationStep, targets=st.just(("recipients/ann",)), wait=st.integers(min_value=0, max_value=600).map(SECOND.__mul__)
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
        repeat=st.integers(min_value=0, max_value=5),
        unacknowledge_after=st.sampled_from([0, 60 * SECOND]),
        resolve_after=st.sampled_from([0, 3600 * SECOND]),
    ),
)
def test_whatever_happens_the_promises_hold(acts: list[tuple[str, int]], plan: EscalationPlan) -> None:
    """No slot twice; no step while somebody has it or after its end; none before it is due."""
    change = begun(plan)
    one, now, slots = change.incident, T0, [step.slot for step in change.steps]
    for act, seconds in acts:
        now += seconds * SECOND
        before = one
        match act:
            case "trigger" if one.open:
                change = triggered_again(one, ANN, now)
            case "ack":
                change = acknowledged(one, ANN, now)
            case "unack":
                change = unacknowledged(one, ANN, now)
            case "resolve":
                change = resolved(one, ANN, now)
            case "snooze" if one.open:
                change = snoozed(one, ANN, now, until=now + 60 * SECOND)
            case _:
                change = IncidentChange(one)
        settled = change.incident
        change = change.then(lambda it, now=now: advance(it, now))
        one = change.incident
        slots += [step.slot for step in change.steps]
        assert all(step.due <= now for step in change.steps)
        if settled.state is IncidentState.RESOLVED or not settled.open:
            assert change.steps == ()
        if act == "ack" and before.open and not plan.unacknowledge_after:
            assert change.steps == ()
        assert one.wake is None or one.wake > now or one.held_by
    assert len(slots) == len(set(slots))


def test_the_states_are_those_of_the_page() -> None:
    """Whatever can be done in each state leads where the diagram says, and nowhere else."""
    plan = EscalationPlan(steps=(ONE,), unacknowledge_after=HOUR, resolve_after=10 * HOUR)
    fresh = begun(plan).incident
    held = acknowledged(fresh, ANN, T0).incident
    over = resolved(fresh, ANN, T0).incident
    seen = {("[*]", "TRIGGERED"), ("RESOLVED", "[*]")}
    for one in (fresh, held, over):
        later = [advance(one, T0 + hours * HOUR) for hours in (1, 11)]
        acts = [acknowledged(one, ANN, T0), unacknowledged(one, ANN, T0), resolved(one, ANN, T0), triggered_again(one, ANN, T0)]
        if one.open:
            asleep = snoozed(one, ANN, T0, until=T0 + 2 * HOUR).incident
            acts += [reassigned(one, ANN, T0, policy="q", plan=plan), advance(asleep, T0 + 2 * HOUR), merged(one, ANN, T0, into="j")]
        seen |= {(one.state.name, change.incident.state.name) for change in (*later, *acts) if change.incident.state is not one.state}
    assert seen == drawn("Incident")
