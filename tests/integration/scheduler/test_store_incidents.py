"""Incidents in the store: on either database, under competition, and with rows that nobody can read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from scheduler_svc.domain import FiringState, new_id, shard_of
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy, EscalationStep
from scheduler_svc.domain.incident_words import By
from scheduler_svc.domain.incidents import (
    Incident,
    IncidentChange,
    acknowledged,
    merged,
    resolved,
)
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.silences import Silence, SilenceNotFound, TooManySilences
from scheduler_svc.ports.incidents import Act, Fence, TriggerDraft
from scheduler_svc.store import SqlEscalationPolicyStore, SqlIncidentStore, SqlSilenceStore
from tests.integration.scheduler.stores import NOW, OWNER, Stores
from tocsin.clock import MINUTE
from tocsin.errors import Aborted, DataLoss, Unavailable

ANN = By("recipients/ann")


class Kept:
    """The stores of incidents beside the others."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.incidents = SqlIncidentStore(stores.database)
        self.policies = SqlEscalationPolicyStore(stores.database)
        self.silences = SqlSilenceStore(stores.database)

    def fence(self, now: int = NOW, held: Any = None) -> Fence:
        """This replica."""
        return Fence(OWNER, self.stores.held if held is None else held, now)

    async def policy(self, **fields: Any) -> None:
        """Two steps, named "p"."""
        steps = tuple(EscalationStep(targets=(f"recipients/{name}",)) for name in ("ann", "bea"))
        await self.policies.create(EscalationPolicy(id="p", tenant="t1", plan=EscalationPlan(steps=steps, **fields)))

    async def trigger(self, *keys: str, now: int = NOW) -> Sequence[Any]:
        """Triggers incidents in one transaction, again when somebody else was first."""
        drafts = [TriggerDraft(incident(key), By("users/1")) for key in keys]
        for _ in range(5):
            try:
                return (await self.incidents.trigger(drafts, self.fence(now))).answers
            except Aborted:
                continue
        raise AssertionError

    async def act(self, identity: str, change: Any, *, now: int = NOW, **fields: Any) -> Any:
        """One act."""
        acted = await self.incidents.act([Act("t1", identity, lambda one, _: change(one), **fields)], self.fence(now))
        return acted.answers[0]

    async def due(self, now: int) -> list[str]:
        """Ids of what is due, after doing it."""
        found = await self.incidents.due(range(256), until=now, most=100)
        acts = [Act(tenant, identity, lambda one, _: IncidentChange(one)) for tenant, identity, _ in found]
        await self.incidents.act(acts, self.fence(now))
        return [identity for _, identity, _ in found]


def incident(key: str) -> Incident:
    """One that begins now and follows the policy "p"."""
    identity = new_id(NOW)
    return Incident(id=identity, tenant="t1", shard=shard_of(identity), key=key, title=key, policy="p", created=NOW, triggered=NOW)


@pytest.fixture
def kept(stores: Stores) -> Kept:
    """The stores."""
    return Kept(stores)


async def test_those_who_open_the_same_at_once_open_one(kept: Kept) -> None:
    """Each trigger counts, and the first step is taken once."""
    await kept.policy()
    await asyncio.gather(*(kept.trigger("a", f"own{number}", "b") for number in range(8)))
    found = {one.key: one.count for one in await kept.incidents.page("t1", conditions=(), before="", size=100)}
    assert found == {"a": 8, "b": 8, **{f"own{number}": 1 for number in range(8)}}
    assert len(await kept.stores.all_firings()) == 10


async def test_a_step_and_an_acknowledgement_come_one_after_the_other(kept: Kept) -> None:
    """Whoever is first: no step after the answer, and each in the ledger once."""
    await kept.policy(repeat=5)
    keys = [f"k{number}" for number in range(30)]
    ids = [one.id for one in await kept.trigger(*keys)]
    later = NOW + 5 * MINUTE

    async def answer(identity: str) -> None:
        await kept.act(identity, lambda one: acknowledged(one, ANN, later), now=later)

    await asyncio.gather(*(kept.due(later) for _ in range(3)), *map(answer, ids))
    assert await kept.due(later + 100 * MINUTE) == []
    for identity in ids:
        events = [event.kind.name for event in await kept.incidents.timeline("t1", identity, after=-1, size=100)]
        assert events[:2] == ["TRIGGERED", "STEP"]
        assert events[-2:] == ["ACKNOWLEDGED", "UPDATE_SENT"]
        assert events.count("STEP") in (1, 2)
    rows = await kept.stores.all_firings()
    assert len(rows) == len({row.id for row in rows})


async def test_parts_end_with_their_whole_however_deep(kept: Kept) -> None:
    """And nothing becomes part of what is a part."""
    await kept.policy()
    one, two, three = [found.id for found in await kept.trigger("1", "2", "3")]
    await kept.act(one, lambda it: merged(it, ANN, NOW, into=two), into=two)
    await kept.act(two, lambda it: merged(it, ANN, NOW, into=three), into=three)
    refused = await kept.act(three, lambda it: merged(it, ANN, NOW, into=one), into=one)
    assert "not open by itself" in refused.message
    await kept.act(three, lambda it: resolved(it, ANN, NOW))
    assert [(await kept.incidents.get("t1", identity)).state.name for identity in (one, two, three)] == ["RESOLVED"] * 3


async def test_a_row_that_cannot_be_read_costs_itself(kept: Kept) -> None:
    """Others are done with it in the same transaction; it is shown with what its columns say, and is looked at once."""
    await kept.policy()
    broken, whole = [found.id for found in await kept.trigger("broken", "whole")]
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE incidents SET document = '{' WHERE id = :id"), {"id": broken})
    later = NOW + 5 * MINUTE
    assert sorted(await kept.due(later)) == sorted([broken, whole])
    assert len(await kept.stores.all_firings()) == 3
    assert isinstance(await kept.act(broken, lambda one: acknowledged(one, ANN, later)), DataLoss)
    assert (await kept.incidents.get("t1", broken)).key == "broken"
    assert await kept.due(later) == []
    again = await kept.trigger("broken", "whole", "other")
    assert [type(answer).__name__ for answer in again] == ["DataLoss", "Incident", "Incident"]


async def test_a_policy_that_cannot_be_read_opens_nothing(kept: Kept) -> None:
    """It is named, and other policies of the batch are followed."""
    await kept.policy()
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE escalation_policies SET plan = '[]'"))
    [answer] = await kept.trigger("a")
    assert answer.error_reason == "ESCALATION_POLICY_NOT_FOUND"
    assert (await kept.policies.get("t1", "p")).plan.steps == ()


async def test_who_owns_no_shard_any_more_changes_nothing(kept: Kept) -> None:
    """Neither the incident nor its timeline nor the ledger."""
    await kept.policy()
    stale = {shard: epoch - 1 for shard, epoch in kept.stores.held.items()}
    for held in (stale, {}):
        with pytest.raises(Unavailable):
            await kept.incidents.trigger([TriggerDraft(incident("a"), ANN)], kept.fence(held=held))
    assert await kept.incidents.page("t1", conditions=(), before="", size=10) == []
    assert await kept.stores.all_firings() == []


async def test_turns_are_taken_one_by_one(kept: Kept) -> None:
    """However the incidents are spread over transactions."""
    step = EscalationStep(targets=("recipients/ann", "recipients/bea", "recipients/cid"))
    await kept.policies.create(EscalationPolicy(id="p", tenant="t1", plan=EscalationPlan(steps=(step,), round_robin=True)))
    await asyncio.gather(kept.trigger("1", "2", "3", "4"), kept.trigger("5"), kept.trigger("6"))
    found = await kept.incidents.page("t1", conditions=(), before="", size=10)
    assert sorted(one.turn % 3 for one in found) == [0, 0, 1, 1, 2, 2]


async def test_what_is_over_is_forgotten_in_time(kept: Kept) -> None:
    """With its timeline; what is open stays."""
    await kept.policy()
    over, going = [found.id for found in await kept.trigger("over", "going")]
    await kept.act(over, lambda one: resolved(one, ANN, NOW))
    assert await kept.stores.housekeeping.forget_incidents(before=NOW, most=100) == 0
    assert await kept.stores.housekeeping.forget_incidents(before=NOW + 1, most=100) == 1
    assert [one.id for one in await kept.incidents.page("t1", conditions=(), before="", size=10)] == [going]
    assert await kept.incidents.timeline("t1", over, after=-1, size=10) == []


async def test_a_step_that_is_left_out_is_in_the_ledger(kept: Kept) -> None:
    """With its reason, and with nothing to do."""
    steps = (EscalationStep(targets=("recipients/ann",), occurrences=2), EscalationStep(targets=("recipients/bea",)))
    await kept.policies.create(EscalationPolicy(id="p", tenant="t1", plan=EscalationPlan(steps=steps)))
    await kept.trigger("a")
    rows = {(row.reason, row.state) for row in await kept.stores.all_firings()}
    assert rows == {("TOO_FEW_OCCURRENCES", FiringState.CLOSED), ("", FiringState.PENDING)}


def silence(name: str = "s", *, end: int, start: int = NOW, value: str = "*") -> Silence:
    """One about incidents of some keys."""
    matcher = SilenceMatcher("dedupKey", value)
    return Silence(id=name, tenant="t1", matchers=(matcher,), start=start, end=end, comment="work", author="users/1", created=NOW)


async def test_a_silence_holds_steps_back_and_its_end_lets_them_go(kept: Kept) -> None:
    """Each is in the ledger once as SILENCED, is the next one still, and is taken when the silence is over; other incidents go on."""
    await kept.policy()
    await kept.silences.create(silence(end=NOW + 10 * MINUTE, value="quiet"), now=NOW)
    quiet, loud = await kept.trigger("quiet", "loud")
    assert (quiet.step, quiet.held_by, loud.step) == (0, "silences/s", 1)
    assert await kept.due(NOW + 5 * MINUTE) == [loud.id]
    await kept.due(NOW + 10 * MINUTE)
    rows = [(row.reason, row.state.name) for row in await kept.stores.all_firings()]
    assert sorted(rows) == [("", "PENDING"), ("", "PENDING"), ("", "PENDING"), ("SILENCED", "CLOSED")]
    found = await kept.incidents.get("t1", quiet.id)
    assert (found.step, found.held_by, found.step_at) == (1, "", NOW + 15 * MINUTE)


async def test_a_silence_that_begins_later_stops_later_steps(kept: Kept) -> None:
    """The first one has gone out by then; and another silence behind it goes on holding."""
    await kept.policy()
    [one] = await kept.trigger("a")
    await kept.silences.create(silence("first", end=NOW + 10 * MINUTE, start=NOW + MINUTE), now=NOW)
    await kept.silences.create(silence("second", end=NOW + 20 * MINUTE, start=NOW + 9 * MINUTE), now=NOW)
    for minute, holder in ((5, "silences/first"), (10, "silences/second"), (20, "")):
        await kept.due(NOW + minute * MINUTE)
        assert (await kept.incidents.get("t1", one.id)).held_by == holder
    rows = [row.reason for row in await kept.stores.all_firings()]
    assert sorted(rows) == ["", "", "SILENCED", "SILENCED"]


async def test_a_silence_that_is_ended_lets_its_steps_go_at_once(kept: Kept) -> None:
    """To end it again changes nothing; an answer meanwhile leaves nothing to let go."""
    await kept.policy()
    await kept.silences.create(silence(end=NOW + 60 * MINUTE), now=NOW)
    waiting, answered = [found.id for found in await kept.trigger("waiting", "answered")]
    await kept.act(answered, lambda one: acknowledged(one, ANN, NOW))
    ended = await kept.silences.expire("t1", "s", now=NOW + MINUTE)
    assert ended.end == NOW + MINUTE
    assert await kept.silences.expire("t1", "s", now=NOW + 2 * MINUTE) == ended
    assert await kept.due(NOW + MINUTE) == [waiting]
    assert (await kept.incidents.get("t1", waiting)).step == 1
    assert await kept.due(NOW + MINUTE) == []
    events = [event.kind.name for event in await kept.incidents.timeline("t1", waiting, after=-1, size=100)]
    assert events == ["TRIGGERED", "STEP_SKIPPED", "RELEASED", "STEP"]


async def test_a_silence_that_cannot_be_read_silences_nothing(kept: Kept) -> None:
    """It is shown without matchers; a tenant has a bounded number of them, and no other tenant's counts."""
    await kept.policy()
    await kept.silences.create(silence(end=NOW + MINUTE), now=NOW)
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE silences SET matchers = 'x'"))
    [one] = await kept.trigger("a")
    assert (one.step, one.held_by) == (1, "")
    assert (await kept.silences.get("t1", "s")).matchers == ()
    with pytest.raises(SilenceNotFound):
        await kept.silences.get("t2", "s")


async def test_silences_that_are_over_are_forgotten_in_time(kept: Kept) -> None:
    """Those that hold, or will, stay."""
    await kept.silences.create(silence("over", end=NOW + MINUTE), now=NOW)
    await kept.silences.create(silence("going", end=NOW + 9 * MINUTE), now=NOW)
    assert await kept.stores.housekeeping.forget_silences(before=NOW + 2 * MINUTE, most=100) == 1
    assert [found.id for found in await kept.silences.page("t1", before="", size=10)] == ["going"]


async def test_silences_are_bounded(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are over do not count."""
    monkeypatch.setattr("scheduler_svc.store.silences.MOST_SILENCES", 2)
    await kept.silences.create(silence("a", end=NOW + MINUTE), now=NOW)
    await kept.silences.create(silence("b", end=NOW + MINUTE), now=NOW)
    with pytest.raises(TooManySilences):
        await kept.silences.create(silence("c", end=NOW + MINUTE), now=NOW)
    await kept.silences.create(silence("d", end=NOW + 9 * MINUTE), now=NOW + 2 * MINUTE)
    assert [found.id for found in await kept.silences.page("t1", before="", size=10)] == ["d", "b", "a"]
