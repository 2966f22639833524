from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from scheduler_svc.dispatch import Lanes
from scheduler_svc.dispatch.lanes import cost
from scheduler_svc.dispatch.spill import Spill
from scheduler_svc.domain import Action, Parcel


def _parcel(number: int, *, tenant: str = "t", priority: int = 2, size: int = 0, ready: int = 0, shard: int = 0) -> Parcel:
    return Parcel(
        id=f"f{number}", tenant=tenant, alarm="a", shard=shard, due=0, ready=ready, priority=priority, action=Action("task", bytes(size))
    )


class LanesMachine(RuleBasedStateMachine):
    """The lanes against one queue for each priority and tenant."""

    parcels = Bundle("parcels")

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(limit=10)
        self.model: dict[tuple[int, str], deque[Parcel]] = {}
        self.count = 0

    def _queue(self, parcel: Parcel) -> deque[Parcel]:
        return self.model.setdefault((parcel.priority, parcel.tenant), deque())

    def _waiting(self, parcel: Parcel) -> bool:
        return any(parcel is other for other in self._queue(parcel))

    @rule(target=parcels, tenant=st.sampled_from("abc"), priority=st.integers(1, 3), size=st.sampled_from([0, 5000, 100_000]))
    def push(self, tenant: str, priority: int, size: int) -> Parcel:
        self.count += 1
        parcel = _parcel(self.count, tenant=tenant, priority=priority, size=size, shard=self.count % 2)
        self.lanes.push(parcel)
        self._queue(parcel).append(parcel)
        return parcel

    @rule(parcel=parcels)
    def put_back(self, parcel: Parcel) -> None:
        if not self._waiting(parcel):
            self._queue(parcel).appendleft(parcel)
        self.lanes.push(parcel, first=True)

    @rule(parcel=parcels)
    def discard(self, parcel: Parcel) -> None:
        waiting = self._waiting(parcel)
        if waiting:
            self._queue(parcel).remove(parcel)
        assert (self.lanes.discard(parcel.id) is parcel) == waiting

    @rule(most=st.integers(0, 5))
    def take(self, most: int) -> None:
        taken = self.lanes.take(most)
        waiting = sum(map(len, self.model.values()))
        assert len(taken) == min(most, waiting)
        assert [parcel.priority for parcel in taken] == sorted(parcel.priority for parcel in taken)
        for parcel in taken:
            assert parcel in self._queue(parcel)
            self._queue(parcel).remove(parcel)
        for (priority, _), queue in self.model.items():
            assert not (queue and any(parcel.priority > priority for parcel in taken)), "a less urgent lane went first"

    @rule()
    def lose_a_shard(self) -> None:
        self.lanes.drop_shards({1})
        for key, queue in self.model.items():
            self.model[key] = deque(parcel for parcel in queue if parcel.shard != 1)

    @invariant()
    def nothing_is_lost_and_nothing_is_twice(self) -> None:
        assert Counter(parcel.id for parcel in self.lanes) == Counter(parcel.id for queue in self.model.values() for parcel in queue)
        for priority in (1, 2, 3):
            assert self.lanes.size(priority) == sum(len(queue) for (lane, _), queue in self.model.items() if lane == priority)


TestLanes = LanesMachine.TestCase


def test_a_tenant_gets_its_firings_in_their_order() -> None:
    """Within a tenant and lane it is first in, first out."""
    lanes = Lanes(limit=100)
    for number in range(20):
        lanes.push(_parcel(number, tenant="ab"[number % 2]))
    taken = lanes.take(20)
    for tenant in "ab":
        numbers = [int(parcel.id[1:]) for parcel in taken if parcel.tenant == tenant]
        assert numbers == sorted(numbers)


@given(st.lists(st.integers(1, 300), min_size=2, max_size=5), st.sampled_from([0, 4096, 40_000]), st.integers(1, 40))
def test_tenants_that_wait_share_what_is_taken(counts: list[int], size: int, step: int) -> None:
    """While all of them have something waiting, no tenant is ahead of another by more than a turn."""
    lanes = Lanes(limit=10_000)
    for tenant, count in enumerate(counts):
        for number in range(count):
            lanes.push(_parcel(number + 1000 * tenant, tenant=str(tenant), size=size))
    served = dict.fromkeys(map(str, range(len(counts))), 0)
    price = cost(_parcel(0, size=size))
    while True:
        for parcel in lanes.take(step):
            served[parcel.tenant] += price
        if any(spent >= counts[int(tenant)] * price for tenant, spent in served.items()):
            break
        assert max(served.values()) - min(served.values()) <= 8 + 2 * price


def test_a_tenant_that_fills_a_lane_leaves_room_for_others() -> None:
    """The limit holds for the one that fills it; another still gets in, up to its small share."""
    lanes = Lanes(limit=32)
    for number in range(32):
        lanes.push(_parcel(number, tenant="loud"))
    assert not lanes.admits(_parcel(100, tenant="loud"))
    admitted = 0
    while lanes.admits(_parcel(200 + admitted, tenant="quiet")):
        lanes.push(_parcel(200 + admitted, tenant="quiet"))
        admitted += 1
    assert admitted == 2
    assert lanes.admits(_parcel(300, tenant="loud", priority=1))


@pytest.mark.parametrize("most", [1, 2, 7])
@given(readies=st.lists(st.integers(0, 20), max_size=30), added=st.lists(st.integers(0, 20), max_size=8), room=st.integers(1, 40))
def test_what_is_in_the_store_alone_is_found(readies: list[int], added: list[int], room: int, most: int) -> None:
    """Reading page by page from the cursor finds every firing, whatever is spilled meanwhile and however little room there is."""
    stored = sorted((ready, f"f{number}") for number, ready in enumerate(readies))
    late = deque(added)
    spill, memory = Spill(), set[str]()
    spill.all()
    for _ in range(500):
        if spill.after is None:
            break
        after = spill.begin()
        page = [_parcel(int(name[1:]), ready=ready) for ready, name in stored if (ready, name) > after][:most]
        if late:
            ready = late.popleft()
            stored = sorted([*stored, (ready, f"f{1000 + len(late)}")])
            spill.add(ready)
        taken = 0
        for parcel in page:
            if parcel.id not in memory and taken >= room:
                break
            memory.add(parcel.id)
            taken += 1
        spill.read(page, asked=most, taken=taken)
    assert memory == {name for _, name in stored}
