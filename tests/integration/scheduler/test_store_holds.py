"""Dependencies and windows in the store: what holds steps back, and what lets them go, on either database."""

import asyncio
from datetime import time

import pytest
from msgspec import structs
from sqlalchemy import text

from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.silences import Silence
from tests.integration.scheduler.groups import Kept, alone, draft
from tests.integration.scheduler.stores import NOW, Stores
from tocsin.clock import HOUR, MINUTE, SECOND
from tocsin.recurrence import Cron, TimeWindow


@pytest.fixture
async def kept(stores: Stores) -> Kept:
    """The stores."""
    made = Kept(stores)
    await made.start()
    return made


async def test_what_depends_is_held_back_while_its_source_is_open(kept: Kept) -> None:
    """With the reason, once in the ledger; its steps begin when the source has ended, and not those of another cluster's."""
    await kept.depend()
    warning = IncidentSeverity.WARNING
    [cause] = await kept.trigger(alone("down", labels={"alertname": "ClusterDown", "cluster": "a"}))
    held, free = await kept.trigger(alone("x", severity=warning), alone("y", severity=warning, labels={"cluster": "b"}))
    assert (held.held_by, held.step, free.step) == (f"incidents/{cause.id}", 0, 1)
    await kept.due(NOW + 4 * MINUTE)
    await kept.trigger(alone("down", ends=True), now=NOW + 4 * MINUTE)
    assert held.id in await kept.due(NOW + 4 * MINUTE)
    assert await kept.happened(held.id) == ["TRIGGERED", "STEP_SKIPPED", "RELEASED", "STEP"]
    assert (await kept.reasons()).count("DEPENDENCY") == 1


async def test_a_source_in_the_same_transaction_counts(kept: Kept) -> None:
    """Wherever it stands in it, and when it is an alert of a group."""
    await kept.depend()
    warning = IncidentSeverity.WARNING
    down = draft("down", labels={"alertname": "ClusterDown", "cluster": "a"})
    held, cause = await kept.trigger(alone("x", severity=warning), down)
    assert held.held_by == f"incidents/{cause.id}"
    assert cause.group is not None
    [again] = await kept.trigger(alone("z", severity=warning), now=NOW + SECOND)
    assert again.held_by == f"incidents/{cause.id}"
    await kept.trigger(draft("other"), now=NOW + SECOND)
    await kept.trigger(draft("down", ends=True), now=NOW + 2 * SECOND)
    assert (await kept.get(cause.id)).open
    assert set(await kept.due(NOW + 2 * SECOND)) == {held.id, again.id}
    assert [(await kept.get(one.id)).step for one in (held, again)] == [1, 1]


async def test_nothing_silences_itself(kept: Kept) -> None:
    """Neither itself, nor what fits both sides as it does."""
    both = SilenceMatcher("team", "x")
    await kept.depend(source=(both,), target=(both,), equal=())
    one, two = await kept.trigger(*(alone(key, labels={"team": "x"}) for key in ("one", "two")))
    assert (one.step, two.step) == (1, 1)


async def test_of_a_ring_the_first_is_told(kept: Kept) -> None:
    """Each would hold back the next one."""
    for name, following in (("a", "b"), ("b", "c"), ("c", "a")):
        await kept.depend(id=name, source=(SilenceMatcher("is", name),), target=(SilenceMatcher("is", following),), equal=())
    ids: dict[str, str] = {}
    for second, name in enumerate("abc"):
        [made] = await kept.trigger(alone(name, labels={"is": name}), now=NOW + second)
        ids[name] = made.id
    await kept.due(NOW + 5 * MINUTE + 2)
    assert [(await kept.get(ids[name])).step for name in "abc"] == [2, 0, 0]
    await kept.trigger(alone("a", ends=True), now=NOW + 6 * MINUTE)
    await kept.due(NOW + 6 * MINUTE)
    assert [(await kept.get(ids[name])).step for name in "bc"] == [1, 0]


async def test_of_a_ring_in_one_transaction_one_is_told(kept: Kept) -> None:
    """The first of them, whatever their order."""
    for name, following in (("a", "b"), ("b", "c"), ("c", "a")):
        await kept.depend(id=name, source=(SilenceMatcher("is", name),), target=(SilenceMatcher("is", following),), equal=())
    found = await kept.trigger(*(alone(name, labels={"is": name}) for name in "cab"))
    first = min(one.id for one in found)
    assert {one.id: one.step for one in found} == {one.id: int(one.id == first) for one in found}


async def test_the_worse_holds_back_the_less_bad(kept: Kept) -> None:
    """However many open ones there are, and only of the same name: sources are found by their severity."""
    critical, warning = (SilenceMatcher("severity", name) for name in ("critical", "warning"))
    await kept.depend(source=(critical,), target=(warning,), equal=("alertname",))
    worse = [alone(f"c{number}", severity=IncidentSeverity.CRITICAL, labels={"alertname": f"n{number}"}) for number in range(1100)]
    await kept.trigger(*worse)
    names = ("n1099", "n0", "other")
    found = await kept.trigger(*(alone(name, severity=IncidentSeverity.WARNING, labels={"alertname": name}) for name in names))
    assert [bool(one.held_by) for one in found] == [True, True, False]


async def test_a_dependency_that_goes_lets_go(kept: Kept) -> None:
    """Deleted, or changed so that it does not fit any more."""
    await kept.depend()
    down = alone("down", labels={"alertname": "ClusterDown", "cluster": "a"})
    _, held = await kept.trigger(down, alone("x", severity=IncidentSeverity.WARNING))
    stored = await kept.dependencies.get("t1", "d")
    await kept.dependencies.replace(structs.replace(stored, display_name="other", version=2), version=1, check=lambda _: None)
    await kept.due(NOW + SECOND)
    assert (await kept.get(held.id)).held_by
    await kept.dependencies.delete("t1", "d", etag="2", now=NOW + SECOND)
    assert held.id in await kept.due(NOW + SECOND)
    assert (await kept.get(held.id)).step == 1


async def test_an_end_and_what_depends_on_it_at_the_same_moment(kept: Kept) -> None:
    """Whoever is first: what was held back goes on, and is never forgotten."""
    await kept.depend()
    for number in range(10):
        cluster = f"c{number}"
        await kept.trigger(alone(f"down{number}", labels={"alertname": "ClusterDown", "cluster": cluster}))
        targets = [alone(f"t{number}-{one}", severity=IncidentSeverity.WARNING, labels={"cluster": cluster}) for one in range(5)]
        answers = await asyncio.gather(
            *(kept.trigger(target, now=NOW + SECOND) for target in targets),
            kept.trigger(alone(f"down{number}", ends=True), now=NOW + SECOND),
        )
        await kept.due(NOW + SECOND)
        await kept.due(NOW + SECOND)
        for [made] in answers[:5]:
            assert (await kept.get(made.id)).step == 1, "held back for good"


async def test_a_window_of_maintenance_holds_steps_back_each_time(kept: Kept) -> None:
    """Between two windows people are told; what one held back is let go together at its end; later steps are stopped too."""
    window = TimeWindow(spec=Cron("0 * * * *"), until=None, length=10 * MINUTE)
    silence = Silence(
        id="m",
        tenant="t1",
        matchers=(SilenceMatcher("cluster", "a"),),
        start=NOW,
        end=NOW + 24 * HOUR,
        comment="work",
        author="users/1",
        created=NOW,
        window=window,
        zone="Europe/Berlin",
    )
    await kept.silences.create(silence, now=NOW)
    assert await kept.silences.get("t1", "m") == silence
    [one, two] = await kept.trigger(alone("one"), alone("two"))
    assert (one.held_by, two.held_by) == ("silences/m", "silences/m")
    assert await kept.due(NOW + 10 * MINUTE - 1) == []
    assert sorted(await kept.due(NOW + 10 * MINUTE)) == sorted([one.id, two.id])
    [late] = await kept.trigger(alone("late"), now=NOW + 56 * MINUTE)
    assert late.step == 1
    await kept.due(NOW + 61 * MINUTE)
    assert (await kept.get(late.id)).held_by == "silences/m"
    await kept.due(NOW + 70 * MINUTE)
    assert await kept.happened(late.id) == ["TRIGGERED", "STEP", "STEP_SKIPPED", "RELEASED", "STEP"]


async def test_windows_that_cannot_be_read_hold_nothing_back(kept: Kept) -> None:
    """Nor do rules that nobody can read: each costs itself."""
    silence = Silence(
        id="m", tenant="t1", matchers=(SilenceMatcher("cluster", "*"),), start=NOW, end=NOW + HOUR, comment="", author="", created=NOW
    )
    window = TimeWindow(spec=Cron("* * * * *"), until=time(7).hour * 3600)
    await kept.silences.create(structs.replace(silence, window=window), now=NOW)
    await kept.depend()
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE silences SET windows = '[1]'"))
        await connection.execute(text("UPDATE incident_rules SET document = '{' WHERE id = 'd'"))
    [one] = await kept.trigger(draft("x"))
    assert (one.route, one.held_by) == ("r", "")
    assert (await kept.silences.get("t1", "m")).window is None
    assert await kept.dependencies.all("t1") == []
