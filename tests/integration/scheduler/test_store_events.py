"""Events on each database."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from msgspec import structs

from scheduler_svc.domain import COUNTED, SERIAL, AlarmState, FiringState, Origin, Outcome, Succeeded
from scheduler_svc.service import signals as service
from tests.integration.scheduler.outside import Outside, event, neighbour, on
from tests.integration.scheduler.stores import ACTION, NOW, SECOND, Stores
from tocsin.database import GroupCommit
from tocsin.errors import InvalidInput, Unavailable
from tocsin.recurrence import Event, Overlapping, Trigger
from tocsin.testing.clock import FakeClock


@pytest.fixture
def outside(stores: Stores) -> Outside:
    """Whoever takes events."""
    return Outside(stores)


async def test_an_event_lets_go_what_waits_for_it(stores: Stores, outside: Outside) -> None:
    """Exact topics, patterns and filters decide; another tenant's alarms hear nothing. The firing says what it is about."""
    hit = [on("a.b"), on("a.*", "data.n>1"), on("**", auto_pause_after=3, overlap=Overlapping.QUEUE)]
    miss = [on("a"), on("a.*", "data.n>2"), on("a.b", tenant="t2"), on("*.b", start=NOW + 1), on("b.**")]
    await stores.add(*hit, *miss)
    (answer,) = await outside.publish(event(id="e1", n=2))
    fired = await stores.all_firings()
    assert {firing.alarm for firing in fired} == {alarm.id for alarm in hit}
    assert (answer.matched, set(answer.firings), answer.duplicate) == (3, {firing.id for firing in fired}, False)
    assert await stores.all_firings("t2") == []
    first = next(firing for firing in fired if firing.alarm == hit[0].id)
    assert (first.origin, first.state, first.outcome, first.due, first.action) == (
        Origin.EVENT, FiringState.PENDING, Outcome.FIRED, NOW, ACTION,
    )  # fmt: skip
    assert {firing.alarm: firing.flags for firing in fired}[hit[2].id] == COUNTED | SERIAL
    assert MessageToDict(Struct.FromString(first.context)) == {
        "event": {"id": "e1", "topic": "a.b", "time": "2026-01-01T00:00:00Z", "source": "test", "data": {"n": 2.0}}
    }
    assert {firing.id for firing in outside.offered} == {firing.id for firing in fired}


async def test_a_known_event_does_nothing(stores: Stores, outside: Outside) -> None:
    """Published again, in the same batch or later, it tells how many firings it had caused; other tenants have ids of their own."""
    await stores.add(on("a.b"), on("a.b", tenant="t2"))
    twice = await outside.publish(event(id="e1"), event(id="e1"))
    later = await outside.publish(event(id="e1"), event(id="e1", tenant="t2"))
    assert [(answer.matched, answer.duplicate) for answer in (*twice, *later)] == [(1, False), (1, True), (1, True), (1, False)]
    assert len(await stores.all_firings()) == 1
    assert (await outside.store.counts("t1")).events == 1


async def test_two_replicas_fire_an_event_once(stores: Stores, clock: FakeClock, database_url: str) -> None:
    """The same events come to two replicas at the same time, over and over: each fires what it fires once."""
    await stores.add(on("a.b"), on("a.*"))
    async with neighbour(stores, clock, database_url) as other:
        mine = Outside(stores)
        answers = await asyncio.gather(*(side.publish(*(event(id=f"e{n}") for n in range(20))) for _ in range(4) for side in (mine, other)))
    fresh = [answer.id for batch in answers for answer in batch if not answer.duplicate]
    assert sorted(fresh) == sorted(f"e{n}" for n in range(20))
    fired = await stores.all_firings()
    assert len(fired) == 40
    assert Counter(firing.id for firing in mine.offered + other.offered) == Counter(firing.id for firing in fired)
    assert all(firing.shard in side.held for side in (mine, other) for firing in side.offered)
    assert (await mine.store.counts("t1")).event_firings == 40


async def test_an_alarm_counts_as_soon_as_it_is_made_anywhere(stores: Stores, clock: FakeClock, database_url: str) -> None:
    """What another replica has found before is never used again once an alarm was made, changed or removed."""
    async with neighbour(stores, clock, database_url) as other:
        assert (await other.publish(event()))[0].matched == 0
        alarm = on("a.b")
        await stores.add(alarm)
        assert (await other.publish(event()))[0].matched == 1
        moved = structs.replace(alarm, version=2, trigger=Trigger(spec=Event("c.d")), rule_since=NOW + 1)
        assert await stores.alarms.update(moved, reschedule=True)
        assert [answer.matched for answer in await other.publish(event(), event("c.d"))] == [0, 1]
        await stores.alarms.pause("t1", alarm.id, now=NOW)
        assert (await other.publish(event("c.d")))[0].matched == 0
        await stores.alarms.resume("t1", alarm.id, now=NOW)
        assert (await other.publish(event("c.d")))[0].matched == 1
        await stores.alarms.delete("t1", alarm.id, version=None, now=NOW)
        assert (await other.publish(event("c.d")))[0].matched == 0


async def test_a_failed_transaction_leaves_nothing(stores: Stores, outside: Outside) -> None:
    """A replica that has lost its shard fires nothing and logs nothing: published again, the event is new."""
    await stores.add(on("a.b"))
    frozen = Outside(stores, held=dict.fromkeys(stores.held, 99))
    with pytest.raises(Unavailable):
        await frozen.publish(event(id="e1"))
    with pytest.raises(Unavailable):
        await Outside(stores, held={}).publish(event(id="e1"))
    assert await outside.store.page("t1", conditions=(), before=None, size=9) == []
    assert (await outside.publish(event(id="e1")))[0].duplicate is False


async def test_a_thousand_alarms_wait_for_one_event(stores: Stores, outside: Outside) -> None:
    """All of them go, in one transaction; the answer names the first hundred."""
    await stores.add(*(on("a.b") for _ in range(1000)))
    (answer,) = await outside.publish(event())
    assert (answer.matched, len(answer.firings)) == (1000, 100)
    assert len({firing.alarm for firing in await stores.all_firings()}) == 1000


async def test_more_than_fit_go_in_several_transactions(stores: Stores, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is answered when all are gone, each once; a batch of events is cut where it fits."""
    monkeypatch.setattr(service, "MOST_FIRINGS", 10)
    await stores.add(*(on("a.b") for _ in range(25)), *(on("c") for _ in range(4)))
    answers = await outside.publish(event("c"), event(id="many"), event("c"), event("c"), event("c"))
    assert [answer.matched for answer in answers] == [4, 25, 4, 4, 4]
    fired = await stores.all_firings()
    assert len(fired) == 41
    assert len({firing.id for firing in fired}) == 41
    (entry,) = [entry for entry in await outside.store.page("t1", conditions=(), before=None, size=9) if entry.id == "many"]
    assert entry.matched == 25


async def test_an_event_whose_taker_died_is_finished(stores: Stores, outside: Outside) -> None:
    """Whoever finds it goes on behind the last one that went; so does whoever is told of it again."""
    await stores.add(*(on("a.b") for _ in range(25)))
    for number in (1, 2):
        caused = await outside.store.publish([event(id=f"e{number}")], owner=outside.owner, held=outside.held, now=NOW, most=10)
        assert len(caused.firings) == 10
    assert await outside.store.unfinished(before=NOW, most=9) == []
    first, _ = await outside.store.unfinished(before=NOW + 1, most=9)
    assert await outside.intake.finish(first) == 15
    (again,) = await outside.publish(event(id="e2"))
    assert (again.duplicate, again.matched) == (True, 25)
    assert await outside.store.unfinished(before=NOW + 1, most=9) == []
    assert Counter(firing.alarm for firing in await stores.all_firings()).most_common(1)[0][1] == 2
    assert len(await stores.all_firings()) == 50


async def test_an_alarm_that_still_runs_is_skipped_if_it_wants(stores: Stores, outside: Outside) -> None:
    """With overlap SKIP a firing beside one that is not over gets its row, and does no work."""
    alarm = on("a.b", overlap=Overlapping.SKIP)
    await stores.add(alarm, on("a.b"))
    await outside.publish(event(), event())
    await outside.publish(event())
    mine = [firing for firing in await stores.all_firings() if firing.alarm == alarm.id]
    assert sorted((firing.outcome.name, firing.reason, firing.state.name) for firing in mine) == [
        ("FIRED", "", "PENDING"),
        ("SKIPPED", "OVERLAP", "CLOSED"),
        ("SKIPPED", "OVERLAP", "CLOSED"),
    ]
    (running,) = [firing.id for firing in mine if firing.state is FiringState.PENDING]
    await stores.ledger.record(done={running: Succeeded()}, failed_attempts=(), now=NOW)
    await outside.publish(event())
    assert sum(firing.state is FiringState.PENDING for firing in await stores.all_firings() if firing.alarm == alarm.id) == 1


async def test_an_alarm_listens_until_its_end(stores: Stores, outside: Outside) -> None:
    """At its end it hears nothing more, and housekeeping completes it."""
    alarm = on("a.b", end=NOW + SECOND)
    await stores.add(alarm)
    assert (await outside.publish(event()))[0].matched == 1
    await outside.clock.advance(1)
    assert (await outside.publish(event()))[0].matched == 0
    assert await stores.housekeeping.complete_listeners(now=NOW + SECOND - 1, most=9) == 0
    assert await stores.housekeeping.complete_listeners(now=NOW + SECOND, most=9) == 1
    assert (await stores.alarms.get("t1", alarm.id)).state is AlarmState.COMPLETED
    assert await stores.housekeeping.complete_listeners(now=NOW + SECOND, most=9) == 0


async def test_the_log_is_forgotten_in_small_steps(stores: Stores, outside: Outside) -> None:
    """What is too old goes, and with it the memory of its id; counts stay, of the topics with the most events."""
    old = [event(id=f"old{n}", now=NOW - SECOND) for n in range(5)]
    await outside.publish(*old, event(id="new"))
    assert [await stores.housekeeping.forget_inbound(before=NOW, most=3) for _ in range(3)] == [3, 2, 0]
    assert [entry.id for entry in await outside.store.page("t1", conditions=(), before=None, size=9)] == ["new"]
    assert [answer.duplicate for answer in await outside.publish(event(id="new"), event(id="old1"))] == [True, False]
    assert (await outside.store.counts("t1")).topics == {"a.b": 7}


async def test_knowing_events_again_costs_what_there_are(stores: Stores, outside: Outside) -> None:
    """Thousands that are known cost no more than thousands that are new; were each compared with each, this would never end."""
    await stores.add(on("a.b", "data.n=1"))
    for duplicate in (False, True):
        for begin in range(0, 4000, 500):
            answers = await outside.publish(*(event(id=f"e{begin + n}", n=n) for n in range(500)))
            assert {answer.duplicate for answer in answers} == {duplicate}
    assert (await outside.store.counts("t1")).event_firings == 8


async def test_an_event_that_no_database_takes_fails_alone(stores: Stores, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent callers share transactions and no fault, also when the batch takes several; each good event fires once."""
    monkeypatch.setattr(service, "MOST_FIRINGS", 4)
    await stores.add(on("a.b"), on("a.*"))
    publish = GroupCommit(flush=outside.intake.events)
    await publish.start()
    events = [event(id=f"e{number}") for number in range(21)]
    events[13] = replace(events[13], source="\ud800")
    answers = await asyncio.gather(*(publish.submit(one) for one in events), return_exceptions=True)
    await publish.stop()
    assert isinstance(answers.pop(13), InvalidInput)
    assert [(answer.matched, answer.duplicate) for answer in answers if not isinstance(answer, BaseException)] == [(2, False)] * 20
    assert len(await stores.all_firings()) == 40
    assert (await outside.store.counts("t1")).events == 20
