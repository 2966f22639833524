"""How what was due lately went, on each kind of database and over the wire."""

import pytest

from scheduler_svc.domain import Firing, Outcome
from scheduler_svc.service import Caller, summaries
from scheduler_svc.service.summaries import EDGES, FiringSummaries
from scheduler_svc.store.summaries import SqlFiringCounts
from tests.integration.scheduler.stores import SECOND, Stores, firing
from tests.integration.scheduler.support import Rig, State
from tocsin.api.scheduler.v1 import firing_service_pb2
from tocsin.clock import MINUTE
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

DAY = 1440 * MINUTE
STEPS = {10_000: 0, 10_001: 1, 999_999: 4, SECOND: 4, SECOND + 1: 5, 11 * MINUTE: len(EDGES)}
"""Lateness in microseconds, and the step that it belongs to."""


def fired(due: int, late: int, **fields: object) -> Firing:
    """One that fired so late."""
    return firing(due=due, fired=due + late, ready=due, outcome=Outcome.FIRED if late <= SECOND else Outcome.LATE, **fields)


async def test_each_counts_once_where_it_belongs(stores: Stores, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """By outcome and by step; not what is too old, not due yet, or another tenant's; of too many the latest."""
    now = clock.micros()
    made = [fired(now - (number + 1) * MINUTE, late) for number, late in enumerate(STEPS)]
    made.append(firing(due=now - 30 * MINUTE, fired=None, ready=None, outcome=Outcome.SKIPPED))
    others = [fired(now - 2 * DAY, 0), fired(now + SECOND, 0), fired(now - SECOND, 0, tenant="t2")]
    await stores.ledger.enqueue([*made, *others], owner="me", held=stores.held)
    asked = FiringSummaries(counts=SqlFiringCounts(stores.database), clock=clock)
    found = await asked.summary(Caller(tenant="t1"), alarm="", minutes=0)
    assert (found.since, found.until, found.partial) == (now - DAY, now, False)
    assert found.outcomes == {Outcome.FIRED: 4, Outcome.LATE: 2, Outcome.SKIPPED: 1}
    assert found.lateness == [list(STEPS.values()).count(step) for step in range(len(EDGES) + 1)]
    few = await asked.summary(Caller(tenant="t1"), alarm="", minutes=3)
    assert sum(few.outcomes.values()) == 3
    assert not (await asked.summary(Caller(tenant="t1"), alarm="none", minutes=0)).outcomes
    monkeypatch.setattr(summaries, "MOST_COUNTED", 2)
    latest = await asked.summary(Caller(tenant="t1"), alarm="", minutes=0)
    assert (latest.partial, latest.since, sum(latest.outcomes.values())) == (True, made[1].due, 2)


async def test_over_the_wire(rig: Rig) -> None:
    """What fired is in a step, by its alarm as well; a week is the most."""
    alarm = await rig.create()
    await rig.normalized(alarm.name, State.PENDING)
    with rig.user():
        found = await rig.firings.SummarizeFirings(firing_service_pb2.SummarizeFiringsRequest(alarm=alarm.name))
        assert [(count.outcome, count.firings) for count in found.outcomes] == [(firing_service_pb2.Firing.FIRED, 1)]
        assert (len(found.lateness), sum(step.firings for step in found.lateness)) == (len(EDGES) + 1, 1)
        assert [step.HasField("at_most") for step in found.lateness] == [True] * len(EDGES) + [False]
        with pytest.raises(InvalidInput, match="minutes"):
            await rig.firings.SummarizeFirings(firing_service_pb2.SummarizeFiringsRequest(minutes=10_081))
