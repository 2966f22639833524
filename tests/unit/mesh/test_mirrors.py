"""Which calls are copied, what becomes of copies, and rules that make no sense."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import METHODS, path
from tests.unit.mesh.test_splits import SAY, Splits
from tocsin.background import Background
from tocsin.clock import SystemClock
from tocsin.errors import Unavailable
from tocsin.mesh.client.mirror import Mirror
from tocsin.mesh.labels import EndpointLabels
from tocsin.mesh.mirrors import CompiledMirror
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_rules import parse
from tocsin.mesh.policy_view import view_of
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

LOOK, PUT = path("Look"), path("Put")


@pytest.fixture
async def rules(clock: FakeClock, tmp_path: Path) -> Splits:
    """With a file that mirrors nothing."""
    made = Splits(clock, tmp_path / "policy.yaml")
    await made.write("rules: []")
    return made


def mirror(name: str = "shadow", **fields: Any) -> dict[str, Any]:
    """Every call to Look to version 2, as JSON has it."""
    return {"name": name, "methods": [LOOK], "version": "2", "percent": 100, **fields}


def compiled(**fields: Any) -> CompiledMirror:
    """The same, as it holds."""
    rule = parse(json.dumps({"mirrors": [mirror(**fields)]})).mirrors[0]
    return CompiledMirror.of(rule, "rule", versions=lambda: ("1", "2"), known=lambda: METHODS)


class Shadow:
    """A mirror to replicas of version 2, whose answers a test sets."""

    def __init__(self, background: Background, **fields: Any) -> None:
        self.counts = Counter[str]()
        self.asked: list[tuple[str, str]] = []
        self.away: set[str] = set()
        self.answer: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.rule: CompiledMirror | None = compiled(**fields)
        labels = {"a": EndpointLabels(version="1"), "b": EndpointLabels(version="2"), "c": EndpointLabels(version="2")}
        self.mirror = Mirror(
            rule=lambda: self.rule,
            labels=lambda: labels,
            ways=lambda name: None if name in self.away else lambda: self._call(name),
            count=lambda version, outcome: self.counts.update([f"{version} {outcome}"]),
            background=background,
            draw=random.Random(3).random,
        )

    def _call(self, name: str) -> Any:
        async def call(request: str, *, timeout: float, metadata: Any) -> str:
            assert (timeout, metadata) == (2.0, (("a", "b"),))
            self.asked.append((name, request))
            await self.gate.wait()
            if self.answer is not None:
                raise self.answer
            return "answer"

        return call

    def offer(self, request: str = "note") -> None:
        """A call is made."""
        self.mirror.offer(request, (("a", "b"),), 2.0)

    async def counted(self, count: int) -> Counter[str]:
        """What became of so many copies."""
        await eventually(lambda: self.counts.total() >= count, seconds=60)
        return self.counts


@pytest.fixture
async def background() -> AsyncGenerator[Background]:
    """Stopped at the end."""
    made = Background(SystemClock())
    yield made
    await made.stop()


async def test_a_share_of_the_calls_is_copied_to_replicas_of_the_version(background: Background) -> None:
    """A quarter of 2000, by a seeded draw; each replica of the version gets some, and nobody else."""
    shadow = Shadow(background, percent=25, maxInFlight=1000)
    for _ in range(2000):
        shadow.offer()
    assert shadow.mirror.on
    await eventually(lambda: shadow.counts.total() == len(shadow.asked) > 0, seconds=60)
    assert shadow.counts.keys() == {"2 OK"}
    assert len(shadow.asked) == pytest.approx(500, abs=80)
    assert min(Counter(name for name, _ in shadow.asked).values()) > 100
    assert {name for name, _ in shadow.asked} == {"b", "c"}


async def test_what_becomes_of_a_copy_is_only_counted(background: Background) -> None:
    """It fails, the process is stopping, nobody is connected."""
    shadow = Shadow(background)
    metadata = grpc.aio.Metadata()
    shadow.answer = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, metadata, metadata)
    shadow.offer()
    assert await shadow.counted(1) == {"2 INTERNAL": 1}
    shadow.answer = Unavailable("stopping")
    shadow.offer()
    assert await shadow.counted(2) == {"2 INTERNAL": 1, "2 AWAY": 1}
    shadow.away = {"b"}
    shadow.answer = None
    shadow.offer()
    shadow.offer()
    assert await shadow.counted(4) == {"2 INTERNAL": 1, "2 AWAY": 1, "2 OK": 2}
    shadow.away = {"b", "c"}
    shadow.offer()
    assert shadow.counts["2 AWAY"] == 2


async def test_no_more_copies_are_under_way_than_the_rule_allows(background: Background) -> None:
    """A version that hangs holds three; when they end, copies are made again."""
    shadow = Shadow(background, maxInFlight=3)
    shadow.gate.clear()
    for _ in range(10):
        shadow.offer()
    assert shadow.counts == {"2 FULL": 7}
    await eventually(lambda: len(shadow.asked) == 3, seconds=60)
    shadow.gate.set()
    assert await shadow.counted(10) == {"2 FULL": 7, "2 OK": 3}

    def again() -> bool:
        shadow.offer()
        return len(shadow.asked) > 3

    await eventually(again, seconds=60)
    shadow.rule = None
    shadow.mirror.adopt()
    assert not shadow.mirror.on
    before = len(shadow.asked), shadow.counts["2 FULL"]
    shadow.offer()
    assert (len(shadow.asked), shadow.counts["2 FULL"]) == before


async def test_of_a_pattern_the_reads_alone_are_mirrored(rules: Splits) -> None:
    """Those with one answer and NO_SIDE_EFFECTS; the number is told, and the source shown; an order replaces it and ends."""
    await rules.write(json.dumps({"mirrors": [mirror(methods=["/tocsin.test.v1.EchoService/"], percent=5)]}))
    assert rules.live.problem == ""
    found = {method: rules.live.mirror_of(declared) for method, declared in METHODS.items()}
    reads = {path("Look"), path("Try")}
    assert reads <= {method for method, one in found.items() if one is not None}
    assert all(METHODS[method].side_effect_free for method, one in found.items() if one is not None)
    assert found[path("Watch")] is found[PUT] is None
    (view,) = view_of(rules.live, "").named
    assert (view.source, view.mirror.percent, view.methods) == ("file", 5.0, sum(one is not None for one in found.values()))
    new = parse(json.dumps({"mirrors": [mirror(percent=50)]})).mirrors[0]
    assert rules.live.order_named(rules.live.mirrors, new, seconds=60) == ["shadow: replaces a rule, about 1 methods"]
    ordered = rules.live.mirror_of(METHODS[LOOK])
    assert ordered is not None
    assert (ordered.rule.percent, ordered.most) == (50.0, 16)
    await rules.clock.advance(61)
    await rules.live.look()
    ended = rules.live.mirror_of(METHODS[LOOK])
    assert ended is not None
    assert ended.rule.percent == 5.0


BAD = [
    ({"methods": [PUT]}, f"methods[0]: {PUT} cannot be mirrored: the contract does not say that it has no side effects"),
    (
        {"methods": [LOOK, path("Watch")]},
        "methods[1]: /tocsin.test.v1.EchoService/Watch cannot be mirrored: its requests or answers stream",
    ),
    ({"methods": ["*/Put"]}, "methods: none of them can be mirrored"),
    ({"methods": ["*/Nothing"]}, "there is no method or service '*/Nothing'"),
    ({"methods": []}, "methods: it must name methods"),
    ({"version": "3"}, "version: no target of this process has the version '3'; there are 1, 2"),
    ({"version": ""}, "version: '' is no version"),
    ({"version": "a/b"}, "version: 'a/b' is no version"),
    ({"percent": 0}, "percent: it must be more than 0"),
    ({"percent": -5}, "percent: it must be more than 0"),
    ({"percent": 101}, "percent: it must be more than 0 and at most 100, and is 101"),
    ({"percent": "NaN"}, "percent: it must be more than 0 and at most 100, and is nan"),
    ({"maxInFlight": -1}, "max_in_flight: it must be 1 to 1000"),
    ({"maxInFlight": 1001}, "max_in_flight: it must be 1 to 1000"),
    ({"maxInFlight": 1.5}, "maxInFlight"),
    ({"name": "Shadow"}, "name: it must be a name"),
]


@pytest.mark.parametrize(("fields", "reason"), BAD)
async def test_nonsense_is_refused_with_its_place_and_what_held_holds(rules: Splits, fields: dict[str, Any], reason: str) -> None:
    """In the file; nothing of it holds."""
    await rules.write(json.dumps({"mirrors": [mirror(name="held")]}))
    await rules.write(json.dumps({"mirrors": [{**mirror(), **fields}]}))
    assert reason in rules.live.problem
    held = rules.live.mirror_of(METHODS[LOOK])
    assert held is not None
    assert held.rule.name == "held"


async def test_a_method_has_one_mirror(rules: Splits) -> None:
    """Both names are told."""
    await rules.write(json.dumps({"mirrors": [mirror("one"), mirror("other", methods=["*"])]}))
    assert f"one and other are both about {LOOK}; a method has one mirror" in rules.live.problem
    await rules.write(json.dumps({"mirrors": [mirror("one")]}))
    other = parse(json.dumps({"mirrors": [mirror("other")]})).mirrors[0]
    with pytest.raises(RuleInvalid, match="a method has one mirror"):
        rules.live.order_named(rules.live.mirrors, other, seconds=60)
    assert rules.live.mirror_of(METHODS[SAY]) is None
