"""What all providers have alike that are spoken to by HTTP, against a server that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailer_svc.channels.answers import by_status, sent
from mailer_svc.channels.http import HttpProviderConfig, http_kind
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from tests.integration.mailer.far_ends import Attempts, job, parts
from tocsin.egress.client import HttpAnswer, HttpRequest
from tocsin.errors import InvalidInput, Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.waiting import eventually


class Config(HttpProviderConfig):
    base: str = ""


def build(message: SendJob, config: Config) -> HttpRequest:
    """A request to the server of the configuration, or to the address."""
    if message.to == "odd":
        raise InvalidInput.at("to", "cannot be written")
    if message.to == "broken":
        raise KeyError("secret")
    return HttpRequest.of_json(
        message.to if message.to.startswith("http") else f"{config.base}/{message.to}", {"text": message.content.text}
    )


def classify(answer: HttpAnswer) -> SendOutcome:
    """By the rules of HTTP."""
    return sent(answer, "ref") if answer.ok else by_status(answer, gone=(404,))


KIND = http_kind(name="probe", config=Config, build=build, classify=classify, base=lambda config: config.base)
REPEATABLE = http_kind(name="probe", config=Config, build=build, classify=classify, base=lambda config: config.base, idempotent=True)


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """The far end."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def made(sink: HttpSink, clock: FakeClock) -> AsyncIterator[Any]:
    """Makes providers, and stops them."""
    all_made: list[Attempts] = []

    def make(kind: Any = KIND, *, own: bool = True, egress: str = "127.0.0.1", trusted: bool = True, **config: Any) -> Attempts:
        fields: dict[str, Any] = {"base": sink.url if own else "", "timeout_seconds": 1.0, **config}
        values = Config(**fields)
        attempts = Attempts(kind, values, parts(clock=clock, egress=egress, trusted=trusted))
        all_made.append(attempts)
        return attempts

    yield make
    for attempts in all_made:
        await attempts.provider.stop()


async def silence(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
    """Nothing, for ever."""
    await asyncio.Event().wait()


ANSWERS = [
    (Reply(status=201), SendResult.SENT), (Reply(status=302, headers={"location": "/x"}), SendResult.REFUSED),
    (Reply(status=400), SendResult.REFUSED), (Reply(status=401), SendResult.MISCONFIGURED), (Reply(status=403), SendResult.MISCONFIGURED),
    (Reply(status=404), SendResult.GONE), (Reply(status=408), SendResult.DEFERRED), (Reply(status=413), SendResult.REFUSED),
    (Reply(status=429), SendResult.PROVIDER_DOWN), (Reply(status=500), SendResult.DEFERRED), (Reply(status=503), SendResult.PROVIDER_DOWN),
    (silence, SendResult.UNKNOWN), (Reply(raw=b""), SendResult.UNKNOWN), (Reply(raw=b"HTTP/1.1 2"), SendResult.UNKNOWN),
    (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx"), SendResult.UNKNOWN), (Reply(raw=b"nonsense\r\n\r\n"), SendResult.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "result"), ANSWERS)
async def test_an_answer_becomes_an_outcome(sink: HttpSink, made: Any, reply: Any, result: SendResult) -> None:
    """Late, torn and malformed ones as well; the message was handed over before the first byte."""
    sink.script(reply)
    attempts = made()
    outcome = await attempts.send(job("x"))
    assert (outcome.result, attempts.marks, len(sink.requests)) == (result, 1, 1)
    assert outcome.reference == ("ref" if result is SendResult.SENT else "")


@pytest.mark.parametrize("reply", [silence, Reply(raw=b"")])
async def test_silence_is_no_riddle_where_the_far_end_knows_the_message(sink: HttpSink, made: Any, reply: Any) -> None:
    """It is sent again."""
    sink.script(reply)
    assert (await made(REPEATABLE).send(job("x"))).result is SendResult.DEFERRED


@pytest.mark.parametrize("to", ["odd", "broken", "http://127.0.0.1:1/\x00", "http://[::1", "http://u:p@127.0.0.1/"])
async def test_what_cannot_be_written_is_refused(sink: HttpSink, made: Any, to: str) -> None:
    """It costs this message alone, and its words hold no secret."""
    attempts = made()
    outcome = await attempts.send(job(to))
    assert (outcome.result, attempts.marks, sink.connections) == (SendResult.REFUSED, 0, 0)
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(
    "to", ["http://10.0.0.1/x", "http://[::1]:{port}/", "http://localhost:{port}/", "http://example.com/", "https://10.0.0.1/"]
)
async def test_a_users_url_does_not_lead_inside(sink: HttpSink, made: Any, to: str) -> None:
    """Neither to what is not public nor, unencrypted, to what the operator did not open."""
    attempts = made(own=False)
    outcome = await attempts.send(job(to.format(port=sink.port)))
    assert (outcome.result, attempts.marks, sink.connections) == (SendResult.REFUSED, 0, 0)


async def test_the_url_of_a_stored_provider_is_a_users_url(sink: HttpSink, made: Any) -> None:
    """Only settings may lead anywhere."""
    assert (await made(egress="").send(job("x"))).result is SendResult.SENT
    assert (await made(egress="", trusted=False).send(job("x"))).result is SendResult.REFUSED


async def test_a_message_that_is_no_longer_ours_is_not_sent(sink: HttpSink, made: Any) -> None:
    """Whether the mark says so or cannot be stored; the far end sees no byte of it."""
    attempts = made()
    attempts.ours = False

    async def fail() -> bool:
        raise Unavailable("the database is away")

    assert (await attempts.send(job("x"))).result is SendResult.NOT_TRIED
    assert (await attempts.send(job("x"), hand_over=fail)).result is SendResult.NOT_TRIED
    assert sink.requests == []
    assert attempts.provider.fault() == ""


async def test_the_circuit_opens_and_closes(sink: HttpSink, made: Any, clock: FakeClock) -> None:
    """What fails is left alone for a while, with no message attempted, and works again once it does."""
    attempts = made()
    sink.script(Reply(status=500))
    for number in range(5):
        await attempts.send(job("x", number))
    assert attempts.provider.pause() > 0
    assert "500" in attempts.provider.fault()
    outcome = await attempts.send(job("x", 9))
    assert (outcome.result, len(sink.requests), attempts.marks) == (SendResult.NOT_TRIED, 5, 5)
    assert outcome.retry_after is not None
    sink.script(Reply())
    await clock.advance(outcome.retry_after)
    for number in range(3):
        assert (await attempts.send(job("x", number))).result is SendResult.SENT
    assert attempts.provider.fault() == ""


async def test_a_message_that_failed_before_says_nothing_of_the_provider(sink: HttpSink, made: Any) -> None:
    """It may be why."""
    sink.script(Reply(status=500))
    attempts = made()
    for _ in range(10):
        await attempts.send(job("x", attempts=3))
    assert attempts.provider.fault() == ""


async def test_refused_credentials_stop_the_lane_and_kill_nothing(sink: HttpSink, made: Any, clock: FakeClock) -> None:
    """The operator is told without a word of the answer; a probe follows now and then."""
    sink.script(Reply(status=401, body=b"key abc is wrong"))
    attempts = made()
    assert (await attempts.send(job("x"))).result is SendResult.MISCONFIGURED
    assert attempts.provider.fault().startswith("it refuses our credentials (401)")
    assert "abc" not in attempts.provider.fault()
    assert (attempts.provider.pause() > 0, attempts.provider.probing()) == (True, True)
    assert (await attempts.send(job("x"))).result is SendResult.NOT_TRIED
    await clock.advance(attempts.provider.pause())
    sink.script(Reply())
    assert (await attempts.send(job("x"))).result is SendResult.SENT
    assert (attempts.provider.fault(), attempts.provider.probing()) == ("", False)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT", "Date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 60.0),
        ({"Retry-After": "99999999999999999999"}, 3600.0),
    ],
)
async def test_a_wait_that_is_asked_for_is_kept(
    sink: HttpSink, made: Any, clock: FakeClock, headers: dict[str, str], seconds: float
) -> None:
    """In seconds or by a date, an hour at most, and no circuit opens."""
    sink.script(Reply(status=429, headers=headers), Reply())
    attempts = made()
    assert (await attempts.send(job("x"))).result is SendResult.PROVIDER_DOWN
    assert attempts.provider.pause() == pytest.approx(seconds)
    assert (await attempts.send(job("y"))).result is SendResult.NOT_TRIED
    await clock.advance(seconds)
    assert (await attempts.send(job("y"))).result is SendResult.SENT


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "", "٣", "Fri, 32 Jan 2027 08:01:00 GMT"])
async def test_a_wait_that_makes_no_sense_is_none(sink: HttpSink, made: Any, value: str) -> None:
    """The schedule decides."""
    sink.script(Reply(status=429, headers={"Retry-After": value.encode().decode("latin-1")}))
    assert (await made().send(job("x"))).retry_after is None


async def test_a_users_host_that_fails_costs_no_other(made: Any, clock: FakeClock) -> None:
    """Its own circuit opens; a host beside it, and the provider, know nothing of it."""
    async with HttpSink() as failing, HttpSink() as working:
        failing.script(Reply(status=500))
        attempts = made(own=False, egress="127.0.0.0/8")
        other = working.url.replace("127.0.0.1", "127.0.0.2")
        bad = [await attempts.send(job(f"{failing.url}/{number}")) for number in range(6)]
        assert [outcome.result for outcome in bad] == [*[SendResult.DEFERRED] * 5, SendResult.NOT_TRIED]
        assert (attempts.provider.pause(), attempts.provider.fault()) == (0.0, "")
        assert other  # a host of its own; nobody listens there
        assert (await attempts.send(job(other))).result is SendResult.PROVIDER_DOWN
        await clock.advance(bad[-1].retry_after)
        failing.script(Reply())
        assert (await attempts.send(job(f"{failing.url}/9"))).result is SendResult.SENT


async def test_an_address_that_asks_to_wait_holds_no_other(sink: HttpSink, made: Any) -> None:
    """Of the same host."""
    sink.script(Reply(status=429, headers={"Retry-After": "30"}), Reply())
    attempts = made(own=False)
    assert (await attempts.send(job(f"{sink.url}/a"))).result is SendResult.PROVIDER_DOWN
    assert (await attempts.send(job(f"{sink.url}/a"))).result is SendResult.NOT_TRIED
    assert (await attempts.send(job(f"{sink.url}/b"))).result is SendResult.SENT


async def test_a_new_host_is_waited_for(sink: HttpSink, made: Any) -> None:
    """More messages for it than a host may have that does not answer are not put off before it could answer the first."""
    attempts = made(own=False, concurrency=8)
    found = await asyncio.gather(*(attempts.send(job(f"{sink.url}/{number}", number)) for number in range(8)))
    assert {outcome.result for outcome in found} == {SendResult.SENT}


async def test_a_slow_host_gets_a_share_alone(sink: HttpSink, made: Any, clock: FakeClock) -> None:
    """What it holds up is not every connection."""
    sink.script(silence)
    attempts = made(own=False, concurrency=8)
    hanging = [asyncio.ensure_future(attempts.send(job(f"{sink.url}/{number}", number))) for number in range(2)]
    await asyncio.sleep(0)
    more = [asyncio.ensure_future(attempts.send(job(f"{sink.url}/9")))]
    await eventually(lambda: clock.sleepers == 1, what="the wait for a host that is new")
    await clock.advance(0.25)
    for outcome in (*await asyncio.gather(*more), await attempts.send(job(f"{sink.url}/9"))):
        assert (outcome.result, outcome.retry_after) == (SendResult.NOT_TRIED, 2.0)
    assert {found.result for found in await asyncio.gather(*hanging)} == {SendResult.UNKNOWN}


async def test_messages_go_out_at_the_rate_that_is_set(sink: HttpSink, made: Any, clock: FakeClock) -> None:
    """The burst of a second at once, the next after a wait, and what would wait long is tried later."""
    attempts = made(rate_per_second=2.0)
    for number in range(2):
        assert (await attempts.send(job("x", number))).result is SendResult.SENT
    third = asyncio.ensure_future(attempts.send(job("x", 3)))
    await clock.advance(0.4)
    assert (third.done(), len(sink.requests)) == (False, 2)
    await clock.advance(0.1)
    assert (await third).result is SendResult.SENT
    slow = made(rate_per_second=0.1)
    assert (await slow.send(job("x"))).result is SendResult.SENT
    later = await slow.send(job("x"))
    assert (later.result, later.retry_after) == (SendResult.NOT_TRIED, pytest.approx(10.0))


@pytest.mark.parametrize("own", [True, False])
async def test_nobody_there_means_that_nothing_was_handed_over(sink: HttpSink, made: Any, own: bool) -> None:
    """No attempt is spent."""
    attempts = made(own=own)
    url = sink.url
    await sink.stop()
    outcome = await attempts.send(job("x" if own else url))
    assert (outcome.result, attempts.marks) == (SendResult.PROVIDER_DOWN, 0)
    assert "refused" in outcome.detail
