"""Messages of sources: what becomes of each, and in which order the scheduler and the broker are told."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from processor_svc.brokers import BrokerAway, SourceMessage, SourceReader, parse_sources
from processor_svc.brokers.events import Unfit, event_of
from processor_svc.domain import SourceEvent
from tocsin.errors import DeadlineExceeded, Internal, InvalidInput, PermissionDenied, ResourceExhausted, TocsinError, Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

(SPEC,) = parse_sources("o=redis://h/orders?tenant=t1&event=orders.paid")


def message(body: bytes | dict[bytes, bytes] = b"{}", identity: str = "1-0", happened: float | None = None) -> SourceMessage:
    """One message."""
    return SourceMessage(id=identity, body=body, happened=happened)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"a": [1, null, "\xc3\xa4"]}', {"a": [1, None, "ä"]}),
        (b"[1]", {"value": [1]}),
        (b'"x"', {"value": "x"}),
        (b"null", {"value": None}),
        ({b"order": b"7", b"\xc3\xa4": b"x"}, {"order": "7", "ä": "x"}),
        (b'{"n": ' + b"9" * 300 + b"}", {"n": int("9" * 300)}),
    ],
)
def test_a_message_becomes_the_data_of_an_event(body: Any, data: dict[str, Any]) -> None:
    """An object as it is, any other value under a name of ours, fields by theirs."""
    event = event_of(SPEC, message(body, happened=5.5))
    assert (event.data, event.id, event.topic, event.source, event.happened) == (data, "o/1-0", "orders.paid", "sources/o", 5.5)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        ({b"a": b"\xff"}, "not UTF-8"),
        (b'{"n": NaN}', "number or a text"),
        (b'{"n": Infinity}', "number or a text"),
        (b'{"n": 1e999}', "number or a text"),
        (b'{"n": ' + b"9" * 5000 + b"}", "number or a text"),
        (b'{"s": "\\ud800"}', "number or a text"),
        (b"[" * 100_00 + b"]" * 100_00, "too deep"),
        (b"[" * 95 + b"]" * 95, "too deep"),
        (b'{"s": "' + b"x" * 65_536 + b'"}', "more than 65536 bytes"),
        (b"x" * 10_000_000, "more than 65536 bytes"),
        ({b"a": b"x" * 65_536}, "more than 65536 bytes"),
    ],
    ids=range(15),
)
def test_what_cannot_be_an_event_is_told(body: Any, words: str) -> None:
    """Each with its reason, in little time."""
    with pytest.raises(Unfit, match=words):
        event_of(SPEC, message(body))


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [("1-0", "o/1-0"), ("", ""), ("x" * 126, "o/" + "x" * 126), ("x" * 127, None), ("a\nb", None), ("a\0b", None), ("\ud800", None)],
)
def test_the_id_of_an_event_is_that_of_its_message(identity: str, wanted: str | None) -> None:
    """What the contract does not take becomes a digest, the same each time; none stays none."""
    first, second = (event_of(SPEC, message(identity=identity)).id for _ in range(2))
    assert first == second
    assert len(first) <= 128
    assert wanted == first if wanted is not None else first.startswith("o/")


@pytest.mark.parametrize("happened", [-1.0, 0.0, 1e15, float("nan"), float("inf"), None])
def test_a_time_that_is_none_is_left_out(happened: float | None) -> None:
    """A sender may write any number."""
    assert event_of(SPEC, message(happened=happened)).happened is None


class Stream:
    """A source in memory: batches that come again until they are done."""

    def __init__(self, *batches: Sequence[SourceMessage], buries: bool = True) -> None:
        self.left = list(batches)
        self.log: list[str] = []
        self.buries = buries
        self.breaks = 0
        self.opened = self.closed = 0

    async def open(self) -> None:
        """Connects."""
        self.opened += 1

    async def take(self, most: int) -> Sequence[SourceMessage]:
        """The first batch that is not done."""
        if not self.left:
            await asyncio.Event().wait()
        return self.left[0]

    async def done(self, messages: Sequence[SourceMessage]) -> None:
        """It does not come again, unless the connection breaks."""
        if self.breaks:
            self.breaks -= 1
            raise BrokerAway("lost in the middle of an acknowledgement")
        self.log.append(f"done {len(messages)}")
        self.left.pop(0)

    async def bury(self, message: SourceMessage, reason: str) -> bool:
        """Keeps it among the dead."""
        self.log.append(f"bury {message.id}: {reason}")
        return self.buries

    async def close(self) -> None:
        """Goes."""
        self.closed += 1


class Scheduler:
    """Takes events, each id once; answers with errors first, by id."""

    def __init__(self) -> None:
        self.events: dict[str, SourceEvent] = {}
        self.errors: dict[str, list[TocsinError]] = {}
        self.asked = Counter[str]()
        self.log: Callable[[str], None] = lambda words: None

    async def publish(self, tenant: str, event: SourceEvent) -> bool:
        """Answers."""
        assert tenant == "t1"
        self.asked[event.id] += 1
        if left := self.errors.get(event.id):
            raise left[0] if len(left) == 1 else left.pop(0)
        self.log(f"event {event.id}")
        known, self.events[event.id] = event.id in self.events, event
        return known


class Meter(Counter[str]):
    """Counts."""

    def taken(self, source: str, end: str) -> None:
        """Counts."""
        assert source == "o"
        self[end] += 1


Begin = Callable[[Stream], Awaitable[SourceReader]]


@pytest.fixture
def scheduler() -> Scheduler:
    """A scheduler."""
    return Scheduler()


@pytest.fixture
def meter() -> Meter:
    """A meter."""
    return Meter()


@pytest.fixture
async def begin(clock: FakeClock, scheduler: Scheduler, meter: Meter) -> AsyncGenerator[Begin]:
    """Starts a reader of a stream."""
    readers: list[SourceReader] = []

    async def start(stream: Stream) -> SourceReader:
        scheduler.log = stream.log.append
        reader = SourceReader(SPEC, make=lambda: stream, events=scheduler, meter=meter, clock=clock)
        readers.append(reader)
        await reader.start()
        return reader

    yield start
    for reader in readers:
        await reader.stop()


async def test_the_broker_is_told_after_the_scheduler_has_answered(begin: Begin, meter: Meter) -> None:
    """All of a batch first; what is no event is buried, and stops nothing."""
    stream = Stream([message(identity="1"), message(b"no", "2"), message(identity="3")], [message(identity="4")])
    await begin(stream)
    await eventually(lambda: not stream.left)
    assert stream.log == ["event o/1", "event o/3", "bury 2: it is not JSON", "done 3", "event o/4", "done 1"]
    assert meter == {"event": 3, "dead": 1}


async def test_what_the_broker_does_not_take_among_the_dead_is_dropped_and_counted(begin: Begin, meter: Meter) -> None:
    """It stops nothing either."""
    stream = Stream([message(b"no"), message(identity="2")], buries=False)
    await begin(stream)
    await eventually(lambda: not stream.left)
    assert meter == {"event": 1, "dropped": 1}


@pytest.mark.parametrize(
    "error", [Unavailable("away"), DeadlineExceeded("late"), ResourceExhausted("quota"), PermissionDenied("no"), Internal("odd")]
)
async def test_while_the_scheduler_takes_nothing_it_waits(
    clock: FakeClock, begin: Begin, scheduler: Scheduler, meter: Meter, error: TocsinError
) -> None:
    """Nothing is lost, nothing is acknowledged, and health says so; then all goes on."""
    scheduler.errors["o/1"] = [error] * 4
    stream = Stream([message(identity="1"), message(identity="2")])
    reader = await begin(stream)
    await eventually(lambda: scheduler.asked["o/1"] == 1)
    assert "takes no events" in reader.fault
    assert "done 2" not in stream.log
    scheduler.errors["o/1"] = scheduler.errors["o/1"][:2]
    del scheduler.errors["o/1"]
    await clock.advance(20)
    await eventually(lambda: not stream.left)
    await eventually(lambda: not reader.fault)
    assert meter == {"event": 2}


@pytest.mark.parametrize(("error", "asked"), [(InvalidInput("event.topic: too odd"), 1), (Internal("it breaks the scheduler"), 5)])
async def test_a_message_that_the_scheduler_never_takes_is_buried(
    clock: FakeClock, begin: Begin, scheduler: Scheduler, meter: Meter, error: TocsinError, asked: int
) -> None:
    """At once when it says what is wrong, after some tries when it fails by it."""
    scheduler.errors["o/1"] = [error]
    stream = Stream([message(identity="1")], [message(identity="2")])
    await begin(stream)
    for _ in range(asked):
        await clock.advance(20)
    await eventually(lambda: not stream.left)
    assert scheduler.asked["o/1"] == asked
    assert meter == {"dead": 1, "event": 1}


async def test_a_connection_that_breaks_before_the_acknowledgement_brings_them_again(
    clock: FakeClock, begin: Begin, scheduler: Scheduler, meter: Meter
) -> None:
    """They are known by their ids: each is one event."""
    stream = Stream([message(identity="1"), message(identity="2")])
    stream.breaks = 2
    await begin(stream)
    for _ in range(4):
        await clock.advance(1)
    await eventually(lambda: not stream.left)
    assert (stream.opened, stream.closed) == (3, 2)
    assert scheduler.events.keys() == {"o/1", "o/2"}
    assert meter == {"event": 2, "duplicate": 4}


async def test_without_an_id_each_try_of_one_time_is_the_same_event(clock: FakeClock, begin: Begin, scheduler: Scheduler) -> None:
    """A queue that names nothing: what was perhaps taken is said again under the same id."""
    stream = Stream([message(identity="")])
    scheduler.errors = {}
    tried: list[str] = []
    publish = scheduler.publish

    async def late(tenant: str, event: SourceEvent) -> bool:
        tried.append(event.id)
        if len(tried) < 3:
            raise DeadlineExceeded("perhaps")
        return await publish(tenant, event)

    scheduler.publish = late
    await begin(stream)
    for _ in range(3):
        await clock.advance(20)
    await eventually(lambda: not stream.left)
    assert len(tried) == 3
    assert len(set(tried)) == 1
