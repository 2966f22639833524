"""Messages to brokers: what is sent, what each answer means, and what is wrong with an action before it runs."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from processor_svc.actions.publish import PublishAction, PublishKind
from processor_svc.brokers import BrokerAway, BrokerMessage, Brokers, MessageRefused, parse_brokers
from processor_svc.domain import Job, JobFailed, JobReleased, JobSucceeded
from processor_svc.turns import TenantTurns
from tests.unit.processor.kinds import publish_kind
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.mesh.validation import RequestValidator
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

TO: dict[str, Any] = {"broker": "r", "to": "orders"}
BROKERS = "r=redis://h?prefix= a=amqp://h?prefix= k=kafka://h?prefix= mine=redis://h?tenants=t9"


class Far:
    """A broker in memory."""

    kind: ClassVar[str] = "far"

    def __init__(self, *ends: Exception | str) -> None:
        """Answers with ``ends`` in turn, the last one for ever: an error, "" for a confirmation, "never"."""
        self.ends = list(ends) or [""]
        self.sent: list[BrokerMessage] = []
        self.opened = self.closed = 0
        self.fails_to_open: Exception | None = None

    async def open(self) -> None:
        """Connects."""
        self.opened += 1
        if self.fails_to_open is not None:
            raise self.fails_to_open

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Answers."""
        self.sent.append(message)
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if end == "never":
            await asyncio.Event().wait()
        if isinstance(end, Exception):
            raise end
        return {"id": "1-0"}

    async def close(self) -> None:
        """Goes."""
        self.closed += 1


def brokers_of(far: Far, clock: FakeClock) -> Brokers:
    """Every broker is ``far``."""
    return Brokers(
        parse_brokers(BROKERS),
        clock=clock,
        breaker=lambda name: Breaker(id=name, target=name, rule=BreakerRule(), clock=clock),
        make=lambda spec: far,
    )


def kind_of(far: Far, clock: FakeClock, **parts: Any) -> PublishKind:
    """The kind before it."""
    return publish_kind(clock, brokers_of(far, clock), **parts)


def action(kind: PublishKind, **fields: Any) -> PublishAction:
    """The action of a message, to the stream of the broker r unless given."""
    body = fields.pop("body", None)
    message = alarm_pb2.Publish(**{**TO, **fields})
    if body is not None:
        message.body.update(body)
    return kind.decode(message)


def fired(clock: FakeClock, *, seconds_ago: int = 0) -> Job:
    """A job that was due so long ago."""
    return job("f1")._replace(due=clock.micros() // SECOND - seconds_ago, alarm="alarms/a1", tenant="t1")


@pytest.mark.parametrize(
    ("fields", "content_type", "body"),
    [
        ({"body": {"b": 1}}, "application/json", '{"b":1}'),
        ({"text": "now"}, "text/plain; charset=utf-8", "now"),
        ({"text": "<a/>", "content_type": "application/xml"}, "application/xml", "<a/>"),
    ],
)
async def test_what_is_sent(clock: FakeClock, fields: dict[str, Any], content_type: str, body: str) -> None:
    """The content is the user's, and the id is the firing's."""
    far = Far()
    kind = kind_of(far, clock)
    end = await kind.run(fired(clock), action(kind, headers={"x": "y"}, **fields))
    assert end == JobSucceeded({"broker": "r", "to": "orders", "id": "1-0"})
    (message,) = far.sent
    assert (message.id, message.to, message.headers, message.content_type) == ("f1", "orders", {"x": "y"}, content_type)
    assert message.body.decode() == body


async def test_without_content_it_says_what_fired_the_same_at_each_try(clock: FakeClock) -> None:
    """As a webhook does."""
    far = Far()
    kind = kind_of(far, clock)
    for ago in (0, 40):
        await kind.run(fired(clock, seconds_ago=ago), action(kind))
        await clock.advance(40)
    first, second = far.sent
    assert (first.body, first.id) == (second.body, second.id)
    assert json.loads(first.body)["data"]["firing"] == "firings/f1"


@pytest.mark.parametrize(
    ("end", "seconds_ago", "result"),
    [
        (BrokerAway("gone"), 0, "released"),
        (BrokerAway("gone"), 86_500, "BROKER_AWAY again"),
        (MessageRefused("UNROUTABLE", "no queue"), 0, "UNROUTABLE again"),
        (MessageRefused("TOO_LARGE", "no", retryable=False), 0, "TOO_LARGE for good"),
    ],
)
async def test_what_an_answer_means(clock: FakeClock, end: Exception, seconds_ago: int, result: str) -> None:
    """Away costs no attempt for a day; what the broker refuses is an attempt."""
    counted: list[tuple[str, str]] = []
    kind = kind_of(Far(end), clock, count=lambda broker, how: counted.append((broker, how)))
    ended = await kind.run(fired(clock, seconds_ago=seconds_ago), action(kind))
    if isinstance(ended, JobFailed):
        assert f"{ended.reason} {'again' if ended.retryable else 'for good'}" == result
    else:
        assert isinstance(ended, JobReleased)
        assert (result, 0.7 < ended.retry_after < 1.3) == ("released", True)
    assert counted == [("r", "away" if isinstance(end, BrokerAway) else "refused")]


async def test_a_connection_that_failed_is_closed_and_the_next_message_opens_another(clock: FakeClock) -> None:
    """One that stands is used again."""
    far = Far(BrokerAway("gone"), "")
    kind = kind_of(far, clock)
    ends = [await kind.run(fired(clock), action(kind)) for _ in range(3)]
    await asyncio.sleep(0)
    assert [end.name for end in ends] == ["released", "succeeded", "succeeded"]
    assert (far.opened, far.closed) == (2, 1)


@pytest.mark.parametrize("error", [BrokerAway("refused"), OSError("no such file"), RuntimeError("a fault of a library")])
async def test_one_that_cannot_be_opened_is_tried_again(clock: FakeClock, error: Exception) -> None:
    """Whatever the reason was."""
    far = Far()
    far.fails_to_open = error
    brokers = brokers_of(far, clock)
    message = BrokerMessage(id="f", to="x", body=b"")
    with pytest.raises(RuntimeError if isinstance(error, RuntimeError) else BrokerAway):
        await brokers.send("r", message)
    far.fails_to_open = None
    assert await brokers.send("r", message) == {"id": "1-0"}
    await brokers.stop()
    assert (far.opened, far.closed) == (2, 2)


async def test_a_broker_that_is_away_is_left_alone_for_a_while(clock: FakeClock) -> None:
    """Its breaker opens; others are as they were."""
    far = Far(BrokerAway("gone"))
    kind = kind_of(far, clock)
    for _ in range(8):
        assert isinstance(await kind.run(fired(clock), action(kind)), JobReleased)
    assert len(far.sent) == 5
    await kind.run(fired(clock), action(kind, broker="k"))
    assert len(far.sent) == 6


async def test_one_that_never_ends_holds_nobody_else(clock: FakeClock) -> None:
    """A tenant whose messages hang has its share of turns, and what comes beyond it is released; another one is served."""
    far = Far("never", "never", "")
    kind = kind_of(far, clock, turns=TenantTurns(total=10, each=2, seconds=0.0))
    hanging = [asyncio.create_task(kind.run(fired(clock), action(kind))) for _ in range(2)]
    await eventually(lambda: len(far.sent) == 2)
    assert isinstance(await kind.run(fired(clock), action(kind)), JobReleased)
    assert isinstance(await kind.run(fired(clock)._replace(tenant="t2"), action(kind)), JobSucceeded)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize(
    ("fields", "field", "tentative"),
    [
        ({"broker": "none"}, "broker", True),
        ({"broker": "mine"}, "broker", False),
        ({"to": "tocsin:events:x"}, "to", False),
        ({"exchange": "ex"}, "exchange", False),
        ({"key": "k"}, "key", False),
        ({"headers": {"Body": "x"}}, "headers", False),
        ({"headers": {"ID": "x"}}, "headers", False),
        ({"broker": "a", "headers": {"CC": "other"}}, "headers", False),
        ({"broker": "a", "headers": {"bcc": "other"}}, "headers", False),
        ({"broker": "k", "headers": {"message-id": "x"}}, "headers", False),
        ({"broker": "k", "to": "a:b"}, "to", False),
    ],
)
async def test_what_is_wrong_is_told_when_the_alarm_is_made_and_refused_when_it_runs(
    clock: FakeClock, fields: dict[str, Any], field: str, tentative: bool
) -> None:
    """A broker that is not named may be at another processor."""
    far = Far()
    kind = kind_of(far, clock)
    (problem,) = await kind.validate(action(kind, **fields), "t1")
    assert (problem.field, problem.tentative) == (field, tentative)
    end = await kind.run(fired(clock), action(kind, **fields))
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == (("NO_SUCH_BROKER", True) if tentative else ("DESTINATION_REFUSED", False))
    assert not far.sent


def hostile(**fields: Any) -> alarm_pb2.Publish:
    """A message of the contract."""
    return alarm_pb2.Publish(**{**TO, **fields})


def with_number(value: float) -> alarm_pb2.Publish:
    """With a number in its body."""
    message = hostile()
    message.body["n"] = value
    return message


@pytest.mark.parametrize(
    "message",
    [
        hostile(text="x" * 10_000_000),
        hostile(text="x" * 262_145),
        hostile(headers={"a\nb": "x"}),
        hostile(headers={"a": "x\r\nb: c"}),
        hostile(headers={"": "x"}),
        hostile(headers={"x" * 65: "x"}),
        hostile(headers={f"h{number}": "x" for number in range(33)}),
        hostile(to="or ders"),
        hostile(to="orders\n"),
        hostile(to=""),
        hostile(to="x" * 250),
        hostile(exchange="a b"),
        hostile(key="\0"),
        hostile(broker="Orders"),
        hostile(broker=""),
        hostile(content_type="text/plain"),
        hostile(text="x", content_type="a\nb"),
        with_number(float("nan")),
        with_number(float("inf")),
    ],
)
def test_the_contract_refuses_what_is_hostile(message: alarm_pb2.Publish) -> None:
    """Size, characters, numbers: before anything is stored."""
    alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(publish=message))
    alarm.trigger.every.FromSeconds(60)
    with pytest.raises(InvalidInput):
        RequestValidator().check(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))
