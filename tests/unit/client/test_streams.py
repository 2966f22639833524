"""Lists and watches of the client, and all of it with asyncio."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.unit.client.gateway import ALARM, KEY, Gateway, problem, sent
from tocsin_client import AsyncClient, errors
from tocsin_client.streams import EventReader


def test_a_list_reads_a_page_when_it_is_wanted() -> None:
    """And ends when a page names none, or itself."""
    first = httpx2.Response(200, json={"alarms": [{"name": "alarms/1"}, {"name": "alarms/2"}], "nextPageToken": "t"})
    gateway, client = sent(first, httpx2.Response(200, json={"alarms": [{"name": "alarms/3"}]}))
    found = iter(client.list_alarms(page_size=2))
    assert gateway.seen == []
    assert [next(found).name, next(found).name] == ["alarms/1", "alarms/2"]
    assert len(gateway.seen) == 1
    assert [alarm.name for alarm in found] == ["alarms/3"]
    assert dict(gateway.seen[1].url.params) == {"pageSize": "2", "pageToken": "t"}
    _, circling = sent(first)
    with pytest.raises(errors.UnexpectedAnswer, match="itself"):
        list(circling.list_alarms())


def events(*items: object, error: dict | None = None) -> httpx2.Response:
    """A stream with these messages."""
    text = "retry: 1000\n\n" + "".join(f": alive\n\nid: x\ndata: {json.dumps(item)}\n\n" for item in items)
    if error is not None:
        text += f"event: error\ndata: {json.dumps(error)}\n\n"
    return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})


def change(number: int) -> dict:
    """A change of a firing."""
    return {"firing": {"name": f"firings/{number}"}, "resumeToken": f"t{number}"}


STOPPING = {"code": "UNAVAILABLE", "detail": "stopping", "details": []}


def test_a_watch_goes_on_where_it_was() -> None:
    """After an error that passes, after a refused connection; from the last token, not from the first."""
    gateway = Gateway(events(change(1), change(2), error=STOPPING), httpx2.ConnectError("refused"), events(change(3)))
    with gateway.client().watch_firings(alarm="alarms/1", resume_token="t0") as changes:
        assert [next(changes).resume_token for _ in range(3)] == ["t1", "t2", "t3"]
        assert changes.resume_token == "t3"
    assert [request.url.params["resumeToken"] for request in gateway.seen] == ["t0", "t2", "t2"]
    assert {request.headers["accept"] for request in gateway.seen} == {"text/event-stream"}


def test_a_watch_goes_on_when_the_gateway_ends_it() -> None:
    """A gateway that stops ends its streams without an error, however often, if each was alive; what cannot be resumed has ended then."""
    gateway = Gateway(events(change(1)), events(), events(change(2)))
    with gateway.client().watch_firings() as changes:
        assert [next(changes).resume_token for _ in range(2)] == ["t1", "t2"]
    assert [dict(request.url.params).get("resumeToken") for request in gateway.seen] == [None, "t1", "t1"]
    silent = Gateway(events())
    with pytest.raises(errors.Unavailable, match="ended the watch"):
        list(silent.client().watch_firings())
    assert len(silent.seen) == 4
    quiet = httpx2.Response(200, content=b": alive\n\n", headers={"content-type": "text/event-stream"})
    with Gateway(*[quiet] * 9, events(change(1))).client().watch_firings() as changes:
        assert next(changes).resume_token == "t1"
    gateway = Gateway(events({"task": {"name": "tasks/1"}}))
    assert len(list(gateway.client().watch_task("tasks/1"))) == 1


def test_a_watch_gives_up_when_nothing_comes_any_more() -> None:
    """After as many attempts as every call has, counted anew from each message; and at once where it cannot be resumed."""
    gateway = Gateway(events(change(1), error=STOPPING), problem(503, "UNAVAILABLE"))
    with pytest.raises(errors.Unavailable):
        list(gateway.client().watch_firings())
    assert len(gateway.seen) == 4
    gateway = Gateway(events({"task": {"name": "tasks/1"}}, error=STOPPING))
    with pytest.raises(errors.Unavailable, match="stopping"):
        list(gateway.client().watch_task("tasks/1"))
    assert len(gateway.seen) == 1
    denied = Gateway(problem(403, "PERMISSION_DENIED"))
    with pytest.raises(errors.PermissionDenied):
        list(denied.client().watch_firings())


def test_events_are_read_however_they_are_cut() -> None:
    """Byte by byte, with CR LF, with data on several lines, and other fields between."""
    text = b": hi\r\n\r\nid: 1\r\ndata: {\r\ndata: }\r\n\r\nevent: error\ndata:x\n\nretry: 5\n\n"
    reader = EventReader()
    found = [event for byte in text for event in reader.feed(bytes([byte]))]
    assert [(event.kind, event.data) for event in found] == [("", b"{\n}"), ("error", b"x")]


async def test_the_client_for_asyncio_does_the_same() -> None:
    """Calls, attempts, lists, streams, uploads."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def lines() -> Iterator[dict]:
        yield {"topic": "a"}
        yield {"topic": "b"}

    pages = [httpx2.Response(200, json={"alarms": [{"name": "alarms/1"}], "nextPageToken": "t"}), httpx2.Response(200, json={"alarms": []})]
    watch = [events(change(1), error=STOPPING), events(change(2))]
    gateway = Gateway(
        problem(503, "UNAVAILABLE", retry_after="3"),
        httpx2.Response(200, json=ALARM),
        *pages,
        *watch,
        httpx2.Response(200, json={"accepted": "2"}),
    )
    async with AsyncClient("http://gateway", KEY, transport=httpx2.MockTransport(gateway), sleep=sleep) as client:
        made = await client.create_alarm(ALARM)
        assert made.trigger is not None
        assert slept == [3]
        assert [alarm.name async for alarm in client.list_alarms()] == ["alarms/1"]
        async with client.watch_firings() as changes:
            assert [(await anext(changes)).resume_token for _ in range(2)] == ["t1", "t2"]
        assert (await client.stream_events(lines())).accepted == 2
        with pytest.raises(errors.NameInvalid):
            await client.delete_alarm("records/k1")
        assert KEY not in repr(client)
    assert [json.loads(line) for line in gateway.seen[-1].content.splitlines()] == [{"event": {"topic": "a"}}, {"event": {"topic": "b"}}]
