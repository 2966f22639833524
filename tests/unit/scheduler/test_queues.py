from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from scheduler_svc.dispatch import PriorityQueues
from scheduler_svc.dispatch.backlog import Overflow
from scheduler_svc.dispatch.queues import cost
from scheduler_svc.domain import Action, QueuedFiring


def _queued(number: int, *, tenant: str = "t", priority: int = 2, size: int = 0, ready: int = 0, shard: int = 0) -> QueuedFiring:
    return QueuedFiring(
        id=f"f{number}", tenant=tenant, alarm="a", shard=shard, due=0, ready=ready, priority=priority, action=Action("task", bytes(size))
    )


class LanesMachine(RuleBasedStateMachine):
    """The queues against one queue for each priority and tenant."""

    queued_firings = Bundle("queued_firings")

    def __init__(self) -> None:
        super().__init__()
        self.queues = PriorityQueues(limit=10)
        self.model: dict[tuple[int, str], deque[QueuedFiring]] = {}
        self.count = 0

    def _queue(self, queued: QueuedFiring) -> deque[QueuedFiring]:
        return self.model.setdefault((queued.priority, queued.tenant), deque())

    def _waiting(self, queued: QueuedFiring) -> bool:
        return any(queued is other for other in self._queue(queued))

    @rule(target=queued_firings, tenant=st.sampled_from("abc"), priority=st.integers(1, 3), size=st.sampled_from([0, 5000, 100_000]))
    def push(self, tenant: str, priority: int, size: int) -> QueuedFiring:
        self.count += 1
        queued = _queued(self.count, tenant=tenant, priority=priority, size=size, shard=self.count % 2)
        self.queues.push(queued)
        self._queue(queued).append(queued)
        return queued

    @rule(queued=queued_firings)
    def put_back(self, queued: QueuedFiring) -> None:
        if not self._waiting(queued):
            self._queue(queued).appendleft(queued)
        self.queues.push(queued, first=True)

    @rule(queued=queued_firings)
    def discard(self, queued: QueuedFiring) -> None:
        waiting = self._waiting(queued)
        if waiting:
            self._queue(queued).remove(queued)
        assert (self.queues.discard(queued.id) is queued) == waiting

    @rule(most=st.integers(0, 5))
    def take(self, most: int) -> None:
        taken = self.queues.take(most)
        waiting = sum(map(len, self.model.values()))
        assert len(taken) == min(most, waiting)
        assert [queued.priority for queued in taken] == sorted(queued.priority for queued in taken)
        for queued in taken:
            assert queued in self._queue(queued)
            self._queue(queued).remove(queued)
        for (priority, _), queue in self.model.items():
            assert not (queue and any(queued.priority > priority for queued in taken)), "a less urgent queue went first"

    @rule()
    def lose_a_shard(self) -> None:
        self.queues.drop(lambda queued: queued.shard == 1)
        for key, queue in self.model.items():
            self.model[key] = deque(queued for queued in queue if queued.shard != 1)

    @invariant()
    def nothing_is_lost_and_nothing_is_twice(self) -> None:
        assert Counter(queued.id for queued in self.queues) == Counter(queued.id for queue in self.model.values() for queued in queue)
        for priority in (1, 2, 3):
            assert self.queues.size(priority) == sum(len(queue) for (number, _), queue in self.model.items() if number == priority)


TestLanes = LanesMachine.TestCase


def test_a_tenant_gets_its_firings_in_their_order() -> None:
    """Within a tenant and number it is first in, first out."""
    queues = PriorityQueues(limit=100)
    for number in range(20):
        queues.push(_queued(number, tenant="ab"[number % 2]))
    taken = queues.take(20)
    for tenant in "ab":
        numbers = [int(queued.id[1:]) for queued in taken if queued.tenant == tenant]
        assert numbers == sorted(numbers)


@given(st.lists(st.integers(1, 300), min_size=2, max_size=5), st.sampled_from([0, 4096, 40_000]), st.integers(1, 40))
def test_tenants_that_wait_share_what_is_taken(counts: list[int], size: int, step: int) -> None:
    """While all of them have something waiting, no tenant is ahead of another by more than a turn."""
    queues = PriorityQueues(limit=10_000)
    for tenant, count in enumerate(counts):
        for number in range(count):
            queues.push(_queued(number + 1000 * tenant, tenant=str(tenant), size=size))
    served = dict.fromkeys(map(str, range(len(counts))), 0)
    price = cost(_queued(0, size=size))
    while True:
        for queued in queues.take(step):
            served[queued.tenant] += price
        if any(spent >= counts[int(tenant)] * price for tenant, spent in served.items()):
            break
        assert max(served.values()) - min(served.values()) <= 8 + 2 * price


def test_a_tenant_that_fills_a_lane_leaves_room_for_others() -> None:
    """The limit holds for the one that fills it; another still gets in, up to its small share."""
    queues = PriorityQueues(limit=32)
    for number in range(32):
        queues.push(_queued(number, tenant="loud"))
    assert not queues.admits(_queued(100, tenant="loud"))
    admitted = 0
    while queues.admits(_queued(200 + admitted, tenant="quiet")):
        queues.push(_queued(200 + admitted, tenant="quiet"))
        admitted += 1
    assert admitted == 2
    assert queues.admits(_queued(300, tenant="loud", priority=1))


@pytest.mark.parametrize("most", [1, 2, 7])
@given(readies=st.lists(st.integers(0, 20), max_size=30), added=st.lists(st.integers(0, 20), max_size=8), room=st.integers(1, 40))
def test_what_is_in_the_store_alone_is_found(readies: list[int], added: list[int], room: int, most: int) -> None:
    """Reading page by page from the cursor finds every firing, whatever is spilled meanwhile and however little room there is."""
    stored = sorted((ready, f"f{number}") for number, ready in enumerate(readies))
    late = deque(added)
    overflow, memory = Overflow(), set[str]()
    overflow.all()
    for _ in range(500):
        if overflow.after is None:
            break
        after = overflow.begin()
        page = [_queued(int(name[1:]), ready=ready) for ready, name in stored if (ready, name) > after][:most]
        if late:
            ready = late.popleft()
            stored = sorted([*stored, (ready, f"f{1000 + len(late)}")])
            overflow.add(ready)
        taken = 0
        for queued in page:
            if queued.id not in memory and taken >= room:
                break
            memory.add(queued.id)
            taken += 1
        overflow.read(page, asked=most, taken=taken)
    assert memory == {name for _, name in stored}
