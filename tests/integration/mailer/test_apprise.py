"""Apprise, with a service of its own that posts JSON to a local server."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from mailer_svc.channels import apprise
from mailer_svc.domain import SendResult
from tests.integration.mailer.far_ends import Attempts, job, parts
from tocsin.config import load
from tocsin.errors import Unavailable
from tocsin.testing.http import HttpSink, Reply, SeenRequest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those of Apprise's plugins are not ours


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """The far end."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def attempts() -> AsyncIterator[Attempts]:
    """A provider for what posts JSON or forms."""
    made = Attempts(apprise.APPRISE, apprise.AppriseConfig(schemas=("json", "form", "nope"), concurrency=2, timeout_seconds=5), parts())
    await made.provider.start()
    yield made
    await made.provider.stop()


async def test_a_message_goes_out(sink: HttpSink, attempts: Attempts) -> None:
    """By the service that the URL names."""
    outcome = await attempts.send(job(f"json://127.0.0.1:{sink.port}/path"))
    assert (outcome.result, attempts.marks) == (SendResult.SENT, 1)
    (request,) = sink.requests
    assert (request.target, request.json["title"], request.json["type"]) == ("/path", "Disk full", "warning")
    assert "93 %" in request.json["message"]


async def test_what_apprise_cannot_send_is_tried_again(sink: HttpSink, attempts: Attempts) -> None:
    """It does not say why."""
    sink.script(Reply(status=500))
    assert (await attempts.send(job(f"json://127.0.0.1:{sink.port}/"))).result is SendResult.DEFERRED


@pytest.mark.parametrize("to", ["mailto://a:b@example.com", "JSONS://127.0.0.1", "file:///etc/passwd", "nope://x", "json://"])
async def test_what_is_not_allowed_or_not_understood_is_refused(attempts: Attempts, to: str) -> None:
    """Only what the operator lists is used; the words hold no address."""
    outcome = await attempts.send(job(to))
    assert outcome.result is SendResult.REFUSED
    assert "example.com" not in outcome.detail


async def test_silence_has_a_bound_and_threads_have_a_number(sink: HttpSink) -> None:
    """Who waits keeps a thread; when none is left, messages wait in the queue."""
    released = asyncio.Event()

    async def silence(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
        await released.wait()

    sink.script(silence)
    config = apprise.AppriseConfig(schemas=("json",), concurrency=1, timeout_seconds=0.2)
    attempts = Attempts(apprise.APPRISE, config, parts())
    await attempts.provider.start()
    assert (await attempts.send(job(f"json://127.0.0.1:{sink.port}/?rto=60"))).result is SendResult.UNKNOWN
    outcome = await attempts.send(job(f"json://127.0.0.1:{sink.port}/"))
    assert (outcome.result, attempts.marks) == (SendResult.NOT_TRIED, 1)
    released.set()
    await attempts.provider.stop()


async def test_a_message_that_is_no_longer_ours_is_not_sent(sink: HttpSink, attempts: Attempts) -> None:
    """Nor one whose mark cannot be stored."""

    async def fail() -> bool:
        raise Unavailable("the database is away")

    attempts.ours = False
    assert (await attempts.send(job(f"json://127.0.0.1:{sink.port}/"))).result is SendResult.NOT_TRIED
    assert (await attempts.send(job(f"json://127.0.0.1:{sink.port}/"), hand_over=fail)).result is SendResult.NOT_TRIED
    assert sink.requests == []


def test_without_the_package_the_channel_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without services that users may name, which ones."""
    allowed = load(apprise.AppriseSettings, {"TOCSIN_APPRISE_SCHEMAS": "signal"})
    assert apprise.CHANNEL.ready(allowed)
    assert not apprise.CHANNEL.ready(load(apprise.AppriseSettings, {}))
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert not apprise.CHANNEL.ready(allowed)
    missing = apprise.CHANNEL.missing
    assert "pip install 'tocsin[apprise]'" in missing
    assert "TOCSIN_MAILER_APPRISE_SCHEMAS" in missing
