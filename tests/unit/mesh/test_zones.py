"""Which replicas get the calls of a zone: its own, as long as they are enough."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from grpc import ChannelConnectivity

from tests.unit.mesh.test_replicas import Connection
from tocsin.mesh.client.preference import Preference
from tocsin.mesh.client.replicas import Replicas
from tocsin.mesh.labels import EndpointLabels

CALLS = 4000


class Zones:
    """Replicas in zones, called from zone "a": ``Zones(a=2, b=1)`` has "a0", "a1" and "b0"."""

    def __init__(self, **replicas: int) -> None:
        self.seconds = 0.0
        labels = {f"{zone}{number}": EndpointLabels(zone=zone) for zone, count in replicas.items() for number in range(count)}
        self.connections = {name: Connection(name) for name in labels}
        self.refused: set[str] = set()
        draw = random.Random(7).random
        self._replicas = Replicas(
            endpoints=self._endpoints, channel=self.connections.__getitem__, fixed=tuple(labels), now=lambda: -60.0, draw=draw
        )
        self._preference = Preference(zone="a", labels=lambda: labels, weights=dict, now=lambda: self.seconds, draw=draw)

    async def _endpoints(self) -> tuple[str, ...]:
        return tuple(self.connections)

    def away(self, *names: str) -> None:
        """These serve no more."""
        for name in names:
            self.connections[name].become(ChannelConnectivity.TRANSIENT_FAILURE)

    async def pick(self, tried: set[str] | None = None, *, in_turn: bool = True) -> str | None:
        found = await self._replicas.pick(
            set() if tried is None else tried,
            connection=lambda each: each,
            admits=lambda each: each.name not in self.refused,
            cost=None if in_turn else lambda _: 0.001,
            preference=self._preference,
        )
        return None if found is None else found.name

    async def shares(self, *, in_turn: bool = True) -> Mapping[str, float]:
        """Which share of many calls each zone gets."""
        self.seconds += 1.0
        counts = Counter([str(await self.pick(in_turn=in_turn))[0] for _ in range(CALLS)])
        return {zone: count / CALLS for zone, count in counts.items()}


@pytest.mark.parametrize("in_turn", [True, False])
async def test_calls_stay_in_their_zone_while_it_has_its_share(in_turn: bool) -> None:
    """Two of four replicas, two zones: all calls; each of the two gets half of them."""
    zones = Zones(a=2, b=2)
    assert await zones.shares(in_turn=in_turn) == {"a": 1.0}
    counts = Counter([await zones.pick(in_turn=in_turn) for _ in range(CALLS)])
    assert counts["a0"] / CALLS == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("replicas", "away", "share"),
    [
        ({"a": 1, "b": 3}, (), 0.5),
        ({"a": 3, "b": 3}, ("a0",), 0.8),
        ({"a": 3, "b": 3}, ("a0", "a1"), 0.5),
        ({"a": 2, "b": 2, "c": 2}, ("b0", "b1"), 1.0),
        ({"a": 3, "b": 1}, ("b0",), 1.0),
        ({"a": 2, "b": 2, "c": 2}, ("a0", "a1"), 0.0),
    ],
)
async def test_what_a_zone_lacks_goes_elsewhere(replicas: Mapping[str, int], away: tuple[str, ...], share: float) -> None:
    """As many calls leave it as it is short of, by its share of the replicas that serve."""
    zones = Zones(**replicas)
    zones.away(*away)
    assert (await zones.shares()).get("a", 0.0) == pytest.approx(share, abs=0.03)


async def test_open_breakers_count_as_replicas_that_do_not_serve() -> None:
    """Two of three are ejected; closed again, all calls are back."""
    zones = Zones(a=3, b=3)
    zones.refused |= {"a0", "a1"}
    assert (await zones.shares())["a"] == pytest.approx(0.5, abs=0.03)
    zones.refused.clear()
    assert await zones.shares() == {"a": 1.0}


async def test_while_most_replicas_are_away_zones_count_for_nothing() -> None:
    """Two of five: the one in the zone would get all calls of the zone, and is one of two now."""
    zones = Zones(a=2, b=2, c=1)
    zones.away("a0", "b0", "c0")
    assert 0.3 < (await zones.shares(in_turn=False))["a"] < 0.7


async def test_a_further_attempt_leaves_the_zone_when_nothing_is_left_there() -> None:
    """Its own zone first, and then the others."""
    zones = Zones(a=2, b=2)
    tried: set[str] = set()
    picked = [await zones.pick(tried) for _ in range(4)]
    assert {str(name)[0] for name in picked[:2]} == {"a"}
    assert {str(name)[0] for name in picked[2:]} == {"b"}
    assert await zones.pick(tried) is None


async def test_a_zone_without_replicas_prefers_none() -> None:
    """All of them share evenly."""
    zones = Zones(b=1, c=1)
    assert (await zones.shares())["b"] == pytest.approx(0.5, abs=0.05)


async def test_where_no_way_leads_to_all_the_call_goes_to_one_of_them() -> None:
    """A list of names is no target of gRPC: while none serves the call fails at a replica, and a single one is called."""
    away, only = Connection("a:1"), Connection("b:1")
    known = ["a:1", "b:1"]
    away.become(ChannelConnectivity.TRANSIENT_FAILURE)
    only.become(ChannelConnectivity.TRANSIENT_FAILURE)

    async def endpoints() -> list[str]:
        return known

    named = {"a:1": away, "b:1": only}
    replicas = Replicas(endpoints=endpoints, channel=named.__getitem__, fixed=None, now=lambda: 0.0, whole=False)
    assert replicas.balanced
    assert await replicas.pick(set(), connection=lambda each: each, admits=lambda _: True) in (away, only)
