"""Which version of a service gets a call: shares, what is gone round, and rules that make no sense."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from grpc import ChannelConnectivity

from tests.integration.mesh.support import METHODS, path
from tests.unit.mesh.test_live_policy import Rules
from tests.unit.mesh.test_replicas import Connection
from tocsin.mesh.client.preference import Preference
from tocsin.mesh.client.replicas import Replicas
from tocsin.mesh.labels import EndpointLabels
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_rules import parse
from tocsin.mesh.policy_view import view_of
from tocsin.testing.clock import FakeClock

SAY, PUT = path("Say"), path("Put")
CALLS = 20_000


class Versions:
    """Replicas "version/zone/number", called from zone "a" by weights that a test sets."""

    def __init__(self, *names: str, zone: str = "", **weights: float) -> None:
        labels = {name: EndpointLabels(version=name.split("/")[0], zone=name.split("/")[1]) for name in names}
        self.weights = {version.removeprefix("v"): percent for version, percent in weights.items()}
        self.connections = {name: Connection(name) for name in names}
        draw = random.Random(11).random
        self._replicas = Replicas(
            endpoints=self._endpoints, channel=self.connections.__getitem__, fixed=names, now=lambda: -60.0, draw=draw
        )
        self.preference = Preference(zone=zone, labels=lambda: labels, weights=lambda: self.weights, now=lambda: 0.0, draw=draw)

    async def _endpoints(self) -> tuple[str, ...]:
        return tuple(self.connections)

    def away(self, *names: str) -> None:
        for name in names:
            self.connections[name].become(ChannelConnectivity.TRANSIENT_FAILURE)

    async def pick(self, tried: set[str] | None = None, *, in_turn: bool = False) -> str:
        found = await self._replicas.pick(
            set() if tried is None else tried,
            connection=lambda each: each,
            admits=lambda _: True,
            cost=None if in_turn else lambda _: 0.001,
            preference=self.preference,
        )
        return "" if found is None else found.name

    async def shares(self, part: slice = slice(0, 1), *, in_turn: bool = False) -> Mapping[str, float]:
        """Percent of many calls, by version; or by what else a name has."""
        counts = Counter(["/".join((await self.pick(in_turn=in_turn)).split("/")[part]) for _ in range(CALLS)])
        return {name: 100 * count / CALLS for name, count in counts.items()}


@pytest.mark.parametrize("in_turn", [True, False])
@pytest.mark.parametrize("percent", [0.5, 5.0, 50.0])
async def test_a_version_gets_its_share(percent: float, in_turn: bool) -> None:
    """One replica of four, over 20,000 calls, within what a fair draw gives in 9,999 of 10,000 runs; the rest is shared evenly."""
    versions = Versions("1/a/0", "1/a/1", "1/a/2", "2/a/0", v2=percent)
    shares = await versions.shares(slice(0, 3), in_turn=in_turn)
    assert shares["2/a/0"] == pytest.approx(percent, abs=4 * (percent * (100 - percent) / CALLS) ** 0.5)
    assert all(shares[f"1/a/{number}"] == pytest.approx((100 - percent) / 3, abs=2) for number in range(3))


async def test_shares_of_all_versions_leave_nothing_to_others() -> None:
    """A replica without a version, or of one that no rule names, gets what is left over, here nothing."""
    versions = Versions("1/a/0", "2/a/0", "3/a/0", "/a/0", v1=90, v2=10)
    assert set(await versions.shares()) == {"1", "2"}
    versions.weights = {"1": 60.0, "2": 10.0}
    versions.preference.adopt()
    shares = await versions.shares()
    assert shares["1"] == pytest.approx(60, abs=2)
    assert shares["3"] + shares[""] == pytest.approx(30, abs=2)


async def test_a_version_that_nobody_serves_is_gone_round() -> None:
    """The canary is away, then everything else: no call is lost."""
    versions = Versions("1/a/0", "1/a/1", "2/a/0", v2=5)
    versions.away("2/a/0")
    assert await versions.shares() == {"1": 100.0}
    versions.connections["2/a/0"].become(ChannelConnectivity.READY)
    versions.away("1/a/0", "1/a/1")
    assert await versions.shares() == {"2": 100.0}


async def test_a_share_of_nothing_means_no_call_ever() -> None:
    """Not even when nobody else serves: then a call fails where it may go."""
    versions = Versions("1/a/0", "2/a/0", v2=0)
    assert await versions.shares() == {"1": 100.0}
    versions.away("1/a/0")
    assert {await versions.pick() for _ in range(100)} == {"1/a/0"}


async def test_a_further_attempt_may_go_to_the_other_version() -> None:
    """The canary refused: each further attempt goes to a replica that was not tried."""
    versions = Versions("1/a/0", "1/a/1", "2/a/0", v2=100)
    tried: set[str] = set()
    assert [await versions.pick(tried), {await versions.pick(tried), await versions.pick(tried)}] == ["2/a/0", {"1/a/0", "1/a/1"}]


async def test_within_a_version_the_own_zone_comes_first() -> None:
    """Shares are of versions; a version that is in another zone alone gets its share there."""
    versions = Versions("1/a/0", "1/b/0", "2/b/0", zone="a", v2=20)
    shares = await versions.shares(slice(0, 2))
    assert shares == {"1/a": pytest.approx(80, abs=2), "2/b": pytest.approx(20, abs=2)}


# -- rules -----------------------------------------------------------------------------------------------------------------------


class Splits(Rules):
    """The live policies of a process whose targets have versions 1 and 2."""

    def __init__(self, clock: FakeClock, file: Path) -> None:
        super().__init__(clock, file)
        self.live = LivePolicies(caller="front", known=lambda: METHODS, file=file, clock=clock, versions=lambda: ("1", "2"))
        self.live.on_change(self._changed)

    def weights(self, method: str = SAY) -> Mapping[str, float]:
        return self.live.weights_of(METHODS[method])


@pytest.fixture
async def rules(clock: FakeClock, tmp_path: Path) -> Splits:
    """With a file that splits nothing."""
    made = Splits(clock, tmp_path / "policy.yaml")
    await made.write("rules: []")
    return made


def split(name: str = "canary", **fields: Any) -> dict[str, Any]:
    """Five percent of the calls to Say to version 2, as JSON has it."""
    return {"name": name, "methods": [SAY], "versions": [{"version": "2", "percent": 5}], **fields}


def order(**fields: Any) -> Any:
    """The same, as an order brings it."""
    return parse(json.dumps({"splits": [split(**fields)]})).splits[0]


def share(version: Any = "2", percent: Any = 5) -> dict[str, Any]:
    """One share."""
    return {"version": version, "percent": percent}


async def test_an_order_stands_in_the_place_of_the_file_and_ends(rules: Splits) -> None:
    """File, trial, order, its end; the source is shown; another order, taken back."""
    await rules.write(json.dumps({"splits": [split()]}))
    assert (rules.live.problem, rules.weights(), rules.weights(PUT)) == ("", {"2": 5.0}, {})
    assert [(one.source, one.methods, one.split.name) for one in view_of(rules.live, SAY).named] == [("file", 1, "canary")]
    new, before = order(versions=[share("1", 50), share("2", 50)], methods=["*"], notMethods=[PUT]), await rules.live.digest()
    about = len(METHODS) - 1
    lines = rules.live.order_named(rules.live.splits, new, seconds=60, dry_run=True)
    assert (lines, rules.weights()) == ([f"canary: replaces a rule, about {about} methods"], {"2": 5.0})
    assert rules.live.order_named(rules.live.splits, new, seconds=60) == lines
    assert (rules.weights(), rules.weights(PUT)) == ({"1": 50.0, "2": 50.0}, {})
    view = view_of(rules.live, "")
    assert [(one.source, one.split.versions[0].percent) for one in view.named] == [("order", 50.0)]
    assert view.orders[0].expire_time.ToDatetime(UTC) > datetime.fromtimestamp(0, UTC)
    assert await rules.live.digest() != before
    await rules.clock.advance(61)
    await rules.live.look()
    assert (rules.weights(), await rules.live.digest()) == ({"2": 5.0}, before)
    rules.live.order_named(rules.live.splits, order(versions=[share("2", 0)]), seconds=60)
    assert rules.weights() == {"2": 0.0}
    assert rules.live.reset_named("canary") == ["canary"]
    assert rules.weights() == {"2": 5.0}


BAD = [
    ({"versions": []}, "versions: it must name 1 to 16 versions"),
    ({"versions": [share(f"{number}", 1) for number in range(17)]}, "versions: it must name 1 to 16 versions"),
    ({"versions": [share("2", -1)]}, "versions[0].percent: it must be 0 to 100, and is -1"),
    ({"versions": [share("2", 100.1)]}, "versions[0].percent: it must be 0 to 100"),
    ({"versions": [share("2", "NaN")]}, "versions[0].percent: it must be 0 to 100, and is nan"),
    ({"versions": [share("2", "Infinity")]}, "versions[0].percent: it must be 0 to 100, and is inf"),
    ({"versions": [share("2", "five")]}, "percent"),
    ({"versions": [share("1", 60), share("2", 50)]}, "versions: they are 110 % together; 100 are the most"),
    ({"versions": [share("2", 1), share("2", 2)]}, "versions[1].version: '2' stands there twice"),
    ({"versions": [share("3")]}, "versions[0].version: no target of this process has the version '3'; there are 1, 2"),
    ({"versions": [share("")]}, "versions[0].version: '' is no version"),
    ({"versions": [share("v 2")]}, "versions[0].version: 'v 2' is no version: letters, digits"),
    ({"versions": [share("2\n")]}, "is no version"),
    ({"versions": [share("a" * 64)]}, "63 at most"),
    ({"name": ""}, "name: it must be a name"),
    ({"name": "Canary!"}, "name: it must be a name"),
    ({"methods": []}, "methods: it must name methods"),
    ({"methods": ["/no.Such/Method"]}, "there is no method or service '/no.Such/Method'"),
    ({"methods": ["/tocsin.api.mesh.v1.MeshService/GetStatus"]}, "no rule is about methods of tocsin.api.mesh.v1"),
    ({"methods": [SAY], "versionz": []}, "versionz"),
]


@pytest.mark.parametrize(("fields", "reason"), BAD)
async def test_nonsense_is_refused_with_its_place_and_what_held_holds(rules: Splits, fields: dict[str, Any], reason: str) -> None:
    """In the file, and by order."""
    await rules.write(json.dumps({"splits": [split(name="held")]}))
    await rules.write(json.dumps({"splits": [{**split(), **fields}]}))
    assert reason in rules.live.problem
    assert rules.weights() == {"2": 5.0}
    await rules.write("rules: []")
    with pytest.raises(RuleInvalid) as caught:
        rules.live.order_named(rules.live.splits, order(**fields), seconds=60)
    assert reason in caught.value.message
    assert rules.weights() == {}


async def test_a_method_has_one_split(rules: Splits) -> None:
    """Both names are told, in a file and when an order comes beside the file's."""
    await rules.write(json.dumps({"splits": [split("one"), split("other", methods=["/tocsin.test.v1.EchoService/"])]}))
    assert f"one and other are both about {SAY}; a method has one split" in rules.live.problem
    await rules.write(json.dumps({"splits": [split("one")]}))
    with pytest.raises(RuleInvalid, match="a method has one split"):
        rules.live.order_named(rules.live.splits, order(name="other", methods=["*"]), seconds=60)


async def test_ten_thousand_rules_are_refused_as_one(rules: Splits) -> None:
    """All about the same methods: told by two names, and what held holds."""
    many = [split(f"rule-{number}", methods=["*"]) for number in range(10_000)]
    await rules.write(json.dumps({"splits": many}))
    assert "rule-0 and rule-1 are both about" in rules.live.problem
    assert rules.weights() == {}
