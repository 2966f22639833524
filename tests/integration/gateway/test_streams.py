import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.gateway.support import Rig, change, lines
from tocsin.errors import NotFound, OutOfRange
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

WATCH = "/v1/books:watch"
SSE = {"accept": "text/event-stream"}


@pytest.fixture
async def still(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway whose clock stands still until the test moves it."""
    made = Rig(folder=tmp_path, clock=FakeClock())
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def emit(*changes: Any) -> Any:
    """A stream of these changes, which then ends; an exception among them is raised."""

    async def changes_of(_: Any) -> AsyncIterator[Any]:
        for item in changes:
            if isinstance(item, Exception):
                raise item
            yield item

    return changes_of


async def silence(_: Any) -> AsyncIterator[Any]:
    """A stream that says nothing."""
    await asyncio.sleep(60)
    yield change("never")


async def test_ndjson_is_one_message_a_line(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Without a wish in Accept, each answer is a line of JSON."""
    rig.shelf.changes = emit(change("a", "1"), change("b"))
    answer = await client.get(WATCH)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert lines(answer.text) == [{"book": {"title": "a"}, "resumeToken": "1"}, {"book": {"title": "b"}}]


async def test_sse_events_carry_the_token_to_resume_from(rig: Rig, client: httpx2.AsyncClient) -> None:
    """The id of an event is its resume token, and Last-Event-ID brings it back."""
    rig.shelf.changes = emit(change("a", "t1"), change("b", "t2"))
    answer = await client.get(WATCH, params={"resumeToken": "old"}, headers={**SSE, "last-event-id": "t0"})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == (
        "retry: 1000\n\n"
        'id: t1\ndata: {"book":{"title":"a"},"resumeToken":"t1"}\n\n'
        'id: t2\ndata: {"book":{"title":"b"},"resumeToken":"t2"}\n\n'
    )
    assert rig.shelf.requests[0].resume_token == "t0"


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_an_error_before_the_first_message_has_its_own_status(rig: Rig, client: httpx2.AsyncClient, accept: str) -> None:
    """The head of the answer waits, so that a refusal is a plain problem document."""
    rig.shelf.changes = emit(NotFound())
    answer = await client.get(WATCH, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_an_error_after_it_is_the_last_event(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Once messages have gone out, the error follows them in the stream's own form."""
    rig.shelf.changes = emit(change("a"), OutOfRange("The token is too old."))
    events = (await client.get(WATCH, headers=SSE)).text.split("\n\n")
    assert events[-2].startswith("event: error\ndata: ")
    assert json.loads(events[-2].partition("data: ")[2])["code"] == "OUT_OF_RANGE"
    last = lines((await client.get(WATCH)).text)[-1]
    assert last["error"]["message"] == "The token is too old."


async def test_an_accept_that_no_stream_can_meet_is_a_406(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Nothing is called for a client who could not read the answer."""
    answer = await client.get(WATCH, headers={"accept": "text/html"})
    assert answer.status_code == 406
    assert rig.shelf.requests == []


async def test_head_of_a_stream_opens_nothing(rig: Rig, client: httpx2.AsyncClient) -> None:
    """HEAD tells the type and ends."""
    answer = await client.head(WATCH, headers=SSE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert rig.shelf.requests == []


async def test_silence_is_filled_with_signs_of_life(still: Rig) -> None:
    """The head goes out after a moment without a message, and a comment after each silent interval of the clock."""
    assert isinstance(still.clock, FakeClock)
    still.shelf.changes = silence
    async with still.client() as client:
        opening = asyncio.create_task(client.send(client.build_request("GET", WATCH, headers=SSE), stream=True))
        await eventually(lambda: len(still.shelf.requests) == 1)
        assert not opening.done()
        await still.clock.advance(1.0)
        answer = await opening
        assert answer.status_code == 200
        text = answer.aiter_text()
        assert await anext(text) == "retry: 1000\n\n"
        for _ in range(2):
            await still.clock.advance(15.0)
            assert await anext(text) == ": alive\n\n"
        await answer.aclose()
    await eventually(lambda: still.shelf.cancelled == 1)


async def test_a_client_that_leaves_a_stream_cancels_it(rig: Rig) -> None:
    """The service stops watching for nobody."""

    async def endless(_: Any) -> AsyncIterator[Any]:
        while True:
            yield change("again")
            await asyncio.sleep(0.01)

    rig.shelf.changes = endless
    async with rig.client() as client, client.stream("GET", WATCH) as answer:
        async for _ in answer.aiter_lines():
            break
    await eventually(lambda: rig.shelf.cancelled == 1)


async def test_a_stopping_gateway_ends_its_streams(rig: Rig, client: httpx2.AsyncClient) -> None:
    """A stream does not keep the gateway from stopping: it ends cleanly, and its client resumes elsewhere."""

    async def one_then_silence(_: Any) -> AsyncIterator[Any]:
        yield change("a", "t1")
        await asyncio.sleep(60)

    rig.shelf.changes = one_then_silence
    async with client.stream("GET", WATCH, headers=SSE) as answer:
        text = answer.aiter_text()
        assert "retry" in await anext(text)
        stopping = asyncio.create_task(rig.running.stop())
        assert "t1" in "".join([chunk async for chunk in text])
    await asyncio.wait_for(stopping, 60)
