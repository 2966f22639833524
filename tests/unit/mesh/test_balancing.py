"""What a replica costs, and which one gets a call."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from grpc import ChannelConnectivity
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.mesh.test_replicas import Connection
from tocsin.mesh.client.balancing import EndpointLoad, SlowStart, cheaper
from tocsin.mesh.client.replicas import Replicas


class Time:
    """Monotonic seconds that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Balanced:
    """Replicas, each with a connection and a load, and a random source that repeats itself."""

    def __init__(self, names: Sequence[str], *, seed: int = 1) -> None:
        self.time = Time()
        self.connections = {name: Connection(name) for name in names}
        self.loads = {name: EndpointLoad(self.time) for name in names}
        self.refused: set[str] = set()
        draw = random.Random(seed).random
        self._replicas = Replicas(
            endpoints=self._endpoints, channel=self.connections.__getitem__, fixed=tuple(names), now=self.time, draw=draw
        )

    async def _endpoints(self) -> Sequence[str]:
        return tuple(self.connections)

    async def pick(self, tried: set[str] | None = None, *, in_turn: bool = False) -> str | None:
        found = await self._replicas.pick(
            set() if tried is None else tried,
            connection=lambda each: each,
            admits=lambda each: each.name not in self.refused,
            cost=None if in_turn else lambda each: self.loads[each.name].cost(),
        )
        return None if found is None else found.name

    def know(self, **seconds: float) -> None:
        """Each replica has answered once, after so many seconds."""
        for name, took in seconds.items():
            self.loads[name].started()
            self.loads[name].ended(took)

    async def count(self, calls: int, *, in_turn: bool = False) -> Counter[str | None]:
        """How often each is picked."""
        return Counter([await self.pick(in_turn=in_turn) for _ in range(calls)])


def test_a_peak_counts_at_once_and_is_forgotten_over_seconds() -> None:
    """100 ms among answers of 1 ms; after ten seconds of e times less, and long after the ordinary again."""
    time = Time()
    load = EndpointLoad(time)
    for seconds in (0.001, 0.001, 0.1):
        load.started()
        load.ended(seconds)
    assert load.cost() == pytest.approx(0.101)
    time.seconds = 10.0
    assert load.cost() == pytest.approx(0.001 + 0.1 / 2.71828, rel=1e-3), "nobody called"
    time.seconds = 60.0
    load.started()
    load.ended(0.001)
    assert load.cost() == pytest.approx(0.002, rel=0.2)


def test_a_peak_among_many_answers_is_forgotten_at_once() -> None:
    """A hundred answers within the same second."""
    load = EndpointLoad(Time())
    for seconds in (0.1, *(0.001,) * 100):
        load.started()
        load.ended(seconds)
    assert load.cost() < 0.003


def test_calls_under_way_make_a_replica_cost_more() -> None:
    """By the root of their number, the next one counted."""
    load = EndpointLoad(Time())
    load.started()
    load.ended(0.009)
    for _ in range(8):
        load.started()
    assert load.cost() == pytest.approx(0.03)
    for _ in range(5):
        load.given_up(0.0)
    assert load.cost() == pytest.approx(0.02)


def test_what_has_not_answered_yet_gets_one_call_and_no_second() -> None:
    """A replica that hangs from the start is not flooded."""
    load = EndpointLoad(Time())
    assert load.cost() == 0.0
    load.started()
    assert load.cost() > 1000.0


def test_a_quick_refusal_draws_no_calls_and_an_abandoned_call_counts_as_slow() -> None:
    """Both make the replica cost more; a refusal no more than the method's timeout."""
    load = EndpointLoad(Time())
    load.started()
    load.ended(0.009)
    load.started()
    load.refused(0.0001, most=2.0)
    assert load.cost() == pytest.approx(0.041)
    for _ in range(20):
        load.started()
        load.refused(0.0001, most=2.0)
    assert load.cost() == pytest.approx(2.001)
    other = EndpointLoad(Time())
    other.started()
    other.given_up(0.5)
    assert other.cost() == pytest.approx(0.501)


async def test_the_slow_one_of_three_is_left_out_until_its_latency_is_forgotten() -> None:
    """50 times slower: no call at once; after a minute it is tried again."""
    service = Balanced(["a", "b", "c"])
    service.know(a=0.1, b=0.002, c=0.002)
    counts = await service.count(300)
    assert counts["a"] == 0
    assert min(counts["b"], counts["c"]) > 100
    service.time.seconds = 60.0
    assert (await service.count(300))["a"] > 50


async def test_equal_replicas_share_evenly() -> None:
    """Differences below the noise say nothing: each of three gets a third."""
    service = Balanced(["a", "b", "c"])
    service.know(a=0.0021, b=0.002, c=0.0023)
    assert all(80 <= count <= 120 for count in (await service.count(300)).values())


async def test_turns_are_taken_whatever_it_costs() -> None:
    """Round robin knows no latency."""
    service = Balanced(["a", "b", "c"])
    service.know(a=0.1, b=0.002, c=0.002)
    await service.count(3, in_turn=True)
    service.time.seconds = 11.0  # all are warm
    assert await service.count(300, in_turn=True) == {"a": 100, "b": 100, "c": 100}


@pytest.mark.parametrize("in_turn", [True, False])
async def test_a_new_replica_gets_its_share_little_by_little(in_turn: bool) -> None:
    """Two are warm, one begins to serve: a tenth of its share first, then half, then all of it."""
    service = Balanced(["a", "b"])
    service.know(a=0.002, b=0.002)
    service.connections["b"].become(ChannelConnectivity.TRANSIENT_FAILURE)
    await service.count(20, in_turn=in_turn)
    service.time.seconds = 20.0
    service.connections["b"].become(ChannelConnectivity.READY)
    await service.count(2, in_turn=in_turn)
    cold = (await service.count(400, in_turn=in_turn))["b"]
    service.time.seconds = 40.0
    service.know(a=0.002, b=0.002)
    warm = (await service.count(400, in_turn=in_turn))["b"]
    assert cold <= 60 <= 160 <= warm


async def test_two_are_enough_for_an_ejection() -> None:
    """The circuit of one of two is open: all calls go to the other, however slow; when both are open the call is refused there."""
    service = Balanced(["a", "b"])
    service.know(a=0.001, b=1.0)
    service.refused = {"a"}
    assert await service.count(50) == {"b": 50}
    service.refused = {"a", "b"}
    assert (await service.count(50)).keys() <= {"a", "b"}


@given(
    costs=st.lists(st.floats(0, 100), min_size=2, max_size=9),
    down=st.sets(st.integers(0, 8)),
    refused=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 1000),
)
async def test_a_call_goes_to_one_that_serves_and_each_attempt_to_another(
    costs: list[float], down: set[int], refused: set[int], seed: int
) -> None:
    """Whatever they cost: first all that serve and admit, each once, then those whose circuits are open, then nobody."""
    names = [f"r{number}" for number in range(len(costs))]
    service = Balanced(names, seed=seed)
    service.know(**dict(zip(names, costs, strict=True)))
    for number in down & set(range(len(names))):
        service.connections[names[number]].become(ChannelConnectivity.TRANSIENT_FAILURE)
    service.time.seconds = 5.0
    service.refused = {f"r{number}" for number in refused}
    good = {name for number, name in enumerate(names) if number not in down and name not in service.refused}
    serving = {name for number, name in enumerate(names) if number not in down}
    tried: set[str] = set()
    picked = [await service.pick(tried) for _ in good]
    assert set(picked) == good
    assert {await service.pick(tried) for _ in serving - good} == serving - good


@given(one=st.floats(0, 1e9), other=st.floats(0, 1e9), drawn=st.floats(0, 1, exclude_max=True))
def test_the_dearer_of_two_is_chosen_only_within_the_noise(one: float, other: float, drawn: float) -> None:
    """And the choice does not depend on the order when it matters."""
    first = cheaper(one, other, lambda: drawn)
    if max(one, other) > 1.25 * min(one, other):
        assert first == (one < other)
        assert cheaper(other, one, lambda: drawn) != first


def test_replicas_that_begin_together_are_equally_warm() -> None:
    """At the start of a process nobody is preferred."""
    time = Time()
    start = SlowStart(time)
    assert not start.ongoing
    for name in ("a", "b"):
        start.seen(name, serving=True)
    assert start.ongoing
    assert start.warmth("a") == start.warmth("b") == 0.1
    time.seconds = 5.0
    assert start.warmth("a") == 0.5
    start.seen("a", serving=False)
    assert start.warmth("a") == 0.1
    time.seconds = 10.0
    assert start.warmth("b") == 1.0
    assert not start.ongoing
