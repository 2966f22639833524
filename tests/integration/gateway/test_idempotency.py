"""Idempotency-Key at both doors: one effect, one answer, whatever happens in between."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from gateway.idempotency import IdempotentCalls, KeyedCall, Reply
from gateway.spool import IdempotencyStore, SpoolFile
from gateway.transcoding.problems import IdempotencyKeyInUse, IdempotencyKeyReused
from tests.integration.gateway.spools import Far, SpoolRig, keys_of
from tests.integration.gateway.support import Rig, message_type
from tocsin.clock import SystemClock
from tocsin.errors import Aborted, NotFound, PermissionDenied, ResourceExhausted, TocsinError, Unavailable
from tocsin.mesh.policy import policies
from tocsin.mesh.tokens import Principal
from tocsin.redis import Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually

BOOKS = "/v1/shelves/1/books"
BOOK = f"{BOOKS}/1"
EMMA = {"title": "Emma", "pageCount": 1}
CLOCK = SystemClock()
PATCH_ALARM = policies()["/tocsin.api.scheduler.v1.AlarmService/UpdateAlarm"]


def key(text: str = "") -> dict[str, str]:
    """A header with a key of this test."""
    return {"Idempotency-Key": text or str(uuid.uuid4())}


# -- at the doors ------------------------------------------------------------------------------------------------------------


async def test_a_request_that_is_sent_again_is_answered_as_the_first_time(rig: Rig, client: httpx2.AsyncClient) -> None:
    """One call, two equal answers, and the second says what it is. The service gets an identity that the key alone decides."""
    headers = key()
    first = await client.post(BOOKS, json=EMMA, headers=headers)
    again = await client.post(BOOKS, json=EMMA, headers={"idempotency-key": f'"{headers["Idempotency-Key"]}"'})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(rig.shelf.requests) == 1
    assert uuid.UUID(rig.shelf.requests[0].request_id).version == 5
    await client.post(BOOKS, json=EMMA, headers=key())
    assert rig.shelf.requests[0].request_id != rig.shelf.requests[1].request_id


async def test_without_a_key_nothing_changes(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Each request is a new one; a GET has no use for a key."""
    for _ in range(2):
        await client.post(BOOKS, json=EMMA)
        await client.get(BOOK, headers=key("k"))
    assert len(rig.shelf.requests) == 4
    assert uuid.UUID(rig.shelf.requests[0].request_id).version == 4


async def test_another_payload_is_refused(rig: Rig, client: httpx2.AsyncClient) -> None:
    """422 over HTTP, whether body, path or query differ; what was kept stays."""
    headers = key()
    assert (await client.patch(BOOK, json=EMMA, headers=headers)).status_code == 200
    for path, body in (
        (BOOK, {"title": "Persuasion"}),
        (f"{BOOKS}/2", {"title": "Emma"}),
        (f"{BOOK}?update_mask=title", {"title": "Emma"}),
    ):
        refused = await client.patch(path, json=body, headers=headers)
        assert refused.status_code == 422
        assert refused.json()["details"][0]["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await client.patch(BOOK, json=EMMA, headers=headers)).headers["idempotency-replayed"] == "true"
    assert len(rig.shelf.requests) == 1


async def test_a_key_is_of_its_tenant_caller_and_method(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Nobody reads another's answer by a key that he guesses."""
    headers = key("guessed")
    await client.post(BOOKS, json=EMMA, headers=headers)
    for tenant, subject in (("other", "users/1"), ("acme", "users/other")):
        async with rig.client(rig.mint.mint(tenant=tenant, subject=subject, scopes=("books:write",))) as other:
            found = await other.post(BOOKS, json=EMMA, headers=headers)
            assert "idempotency-replayed" not in found.headers
    assert "idempotency-replayed" not in (await client.patch(BOOK, json=EMMA, headers=headers)).headers
    assert len(rig.shelf.requests) == 4


async def test_a_second_one_meanwhile_is_told_to_wait(rig: Rig, client: httpx2.AsyncClient) -> None:
    """409 with Retry-After, at both doors; of another payload 422."""
    entered, go = asyncio.Event(), asyncio.Event()

    async def act(_: Any) -> None:
        entered.set()
        await go.wait()

    rig.shelf.act = act
    first = asyncio.ensure_future(client.post(BOOKS, json=EMMA, headers=key("k")))
    await entered.wait()
    busy = await client.post(BOOKS, json=EMMA, headers=key("k"))
    other = await client.post(BOOKS, json={**EMMA, "title": "Persuasion"}, headers=key("k"))
    go.set()
    assert (busy.status_code, busy.headers["retry-after"], other.status_code) == (409, "1", 422)
    assert busy.json()["details"][0]["reason"] == "IDEMPOTENCY_KEY_IN_USE"
    assert (await first).status_code == 200
    assert len(rig.shelf.requests) == 1


async def test_errors_that_may_pass_are_not_kept(rig: Rig, client: httpx2.AsyncClient) -> None:
    """A mistake of the client is the answer; after another one the same request may succeed, under the same identity."""
    errors: list[tuple[TocsinError, bool]] = [
        (NotFound("no shelf"), True),
        (ResourceExhausted(retry_after=1), False),
        (Unavailable("away"), False),
        (Aborted("changed"), False),
        (PermissionDenied("not you"), False),
    ]
    for error, kept in errors:

        async def act(_: Any, error: TocsinError = error) -> None:
            raise error

        headers = key()
        rig.shelf.requests.clear()
        rig.shelf.act = act
        first = await client.post(BOOKS, json=EMMA, headers=headers)
        rig.shelf.act = None
        again = await client.post(BOOKS, json=EMMA, headers=headers)
        assert first.status_code >= 400
        assert again.status_code == (first.status_code if kept else 200), error
        assert (again.headers.get("idempotency-replayed") == "true") is kept
        assert not kept or again.json()["detail"] == first.json()["detail"]
        assert len({request.request_id for request in rig.shelf.requests}) == 1


async def test_two_keys_and_streams_are_refused(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Whoever sends a key relies on it, so it is not passed over in silence."""
    twice = await client.post(BOOKS, json=EMMA, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert twice.status_code == 400
    assert (await client.post(BOOKS, json=EMMA, headers=key("x" * 256))).status_code == 400
    lines = {**key(), "Content-Type": "application/x-ndjson"}
    assert (await client.post("/v1/books:count", content=b'{"title": "Emma"}\n', headers=lines)).status_code == 400
    assert rig.shelf.requests == []


async def test_browsers_may_send_it_and_read_what_comes(client: httpx2.AsyncClient) -> None:
    """By CORS."""
    origin = {"Origin": "https://app.example.com"}
    preflight = await client.options(BOOKS, headers={**origin, "Access-Control-Request-Method": "POST"})
    assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
    found = await client.post(BOOKS, json=EMMA, headers={**origin, **key()})
    assert "idempotency-replayed" in found.headers["access-control-expose-headers"]


async def test_the_grpc_edge_takes_keys_of_unary_calls(rig: Rig) -> None:
    """As metadata; the answer's trailing metadata tell that it was kept, and streams are refused."""
    request: Any = message_type("CreateBookRequest")(parent="shelves/1", book={"title": "Emma", "page_count": 1})
    metadata = (("authorization", f"Bearer {rig.token()}"), ("idempotency-key", "k"))
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        create: Any = channel.unary_unary("/shelf.v1.ShelfService/CreateBook")
        replayed: list[str | None] = []
        for _ in range(2):
            call = create(request.SerializeToString(), metadata=metadata)
            assert message_type("Book").FromString(await call).title == "Emma"
            replayed.append(dict(await call.trailing_metadata()).get("idempotency-replayed"))
        assert replayed == [None, "true"]
        request.book.title = "Persuasion"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await create(request.SerializeToString(), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        count: Any = channel.stream_unary("/shelf.v1.ShelfService/CountBooks")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await count(iter([b""]), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(rig.shelf.requests) == 1


async def test_a_stop_waits_for_nothing_that_never_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grace period is for what ends: with an endless one the gateway stops nevertheless."""
    monkeypatch.setattr("gateway.idempotency.calls._STOP_SECONDS", 100_000.0)
    await rig.running.stop()


async def test_answers_outlive_the_gateway(rig: Rig, client: httpx2.AsyncClient) -> None:
    """They are in its file, sealed: what they say stands nowhere in it."""
    headers = key()
    await client.post(BOOKS, json={**EMMA, "title": "a-very-secret-title"}, headers=headers)
    await rig.running.stop()
    await rig.running.start()
    stored = b"".join(path.read_bytes() for path in rig.folder.glob("gateway-spool.db*") if path.is_file())
    assert b"a-very-secret-title" not in stored
    async with rig.client() as later:
        again = await later.post(BOOKS, json={**EMMA, "title": "a-very-secret-title"}, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["title"] == "a-very-secret-title"
    assert len(rig.shelf.requests) == 1


# -- what is kept ------------------------------------------------------------------------------------------------------------


class Service:
    """Counts what is called, and answers with the number."""

    def __init__(self) -> None:
        self.calls = 0
        self.size = 1

    async def __call__(self) -> Reply:
        self.calls += 1
        await asyncio.sleep(0)
        return None, str(self.calls).encode() * self.size


def call(text: str, *, tenant: str = "acme", payload: bytes = b"") -> KeyedCall:
    """A call with a key."""
    who = Principal(tenant=tenant, subject="users/1", scopes=frozenset(), time_zone="UTC", token="", expires=CLOCK.now())
    return KeyedCall.of(text.encode(), principal=who, policy=PATCH_ALARM, payload=[payload], tell=lambda name, value: None)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncGenerator[SpoolFile]:
    """An open file."""
    made = SpoolFile(path=tmp_path / "spool.db", clock=CLOCK)
    await made.start()
    yield made
    await made.stop()


async def test_keys_end_after_a_day_and_the_oldest_go_first(file: SpoolFile, clock: FakeClock) -> None:
    """Bounded in time, for each tenant, in all, and in bytes."""
    service = Service()
    keys = keys_of(file, clock, keys=5, tenant_keys=3)
    await keys.start()
    for number in range(4):
        await keys.run(call(str(number)), service)
        await clock.advance(1)
    for number in range(3):
        await keys.run(call(str(number), tenant="other"), service)
        await clock.advance(1)
    assert await keys.run(call("0"), service) == (None, b"1")
    await keys.stop()
    await keys.clean()
    assert len(await IdempotencyStore(file).ids()) == 5
    await keys.start()
    assert await keys.run(call("3"), service) == (None, b"4")
    assert await keys.run(call("0"), service) == (None, b"8")
    await clock.advance(24 * 3600 + 1)
    assert await keys.run(call("3"), service) == (None, b"9")
    await keys.stop()
    await keys.clean()
    assert len(await IdempotencyStore(file).ids()) == 1


async def test_a_large_answer_is_called_for_again(file: SpoolFile) -> None:
    """It is not kept, but its key is: another payload is refused all the same."""
    service = Service()
    service.size = 100_000
    keys = keys_of(file, CLOCK)
    await keys.start()
    for _ in range(2):
        await keys.run(call("k"), service)
    assert service.calls == 2
    with pytest.raises(IdempotencyKeyReused):
        await keys.run(call("k", payload=b"other"), service)
    await keys.stop()


async def test_a_dead_gateways_keys_are_taken_over(tmp_path: Path) -> None:
    """With the file that they are in."""
    service = Service()
    path = tmp_path / "spool.db"
    first, second = SpoolRig(path, Far(), clock=CLOCK), SpoolRig(path, Far(), clock=CLOCK)
    await first.start()
    await second.start()
    await second.keys.run(call("k"), service)
    await second.stop()
    await first.takeover.look()
    assert await first.keys.run(call("k"), service) == (None, b"1")
    assert service.calls == 1
    await first.stop()


async def gateways(folder: Path, url: str, count: int = 2) -> list[tuple[Redis, SpoolFile, IdempotentCalls]]:
    """Gateways that share a Redis."""
    made: list[tuple[Redis, SpoolFile, IdempotentCalls]] = []
    for number in range(count):
        redis, file = Redis(url=url, clock=CLOCK), SpoolFile(path=folder / f"{number}.db", clock=CLOCK)
        keys = keys_of(file, CLOCK, redis=redis)
        for part in (redis, file, keys):
            await part.start()
        made.append((redis, file, keys))
    return made


async def end(made: list[tuple[Redis, SpoolFile, IdempotentCalls]]) -> None:
    """Stops them."""
    for redis, file, keys in made:
        for part in (keys, file, redis):
            await part.stop()


async def test_replicas_share_keys_through_redis(tmp_path: Path, own_redis_server: RedisServer) -> None:
    """In use, done, another payload; and when Redis is lost, each knows its own."""
    service, text = Service(), str(uuid.uuid4())
    made = await gateways(tmp_path, own_redis_server.url)
    one, other = made[0][2], made[1][2]
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow() -> Reply:
        entered.set()
        await go.wait()
        return await service()

    first = asyncio.ensure_future(one.run(call(text), slow))
    await entered.wait()
    with pytest.raises(IdempotencyKeyInUse):
        await other.run(call(text), service)
    go.set()
    assert await first == (None, b"1")

    async def told() -> bool:
        with suppress(IdempotencyKeyInUse):
            return await other.run(call(text), service) == (None, b"1")
        return False

    await eventually(told)  # others are told a moment after the answer has gone out
    with pytest.raises(IdempotencyKeyReused):
        await other.run(call(text, payload=b"other"), service)
    own_redis_server.kill()
    assert await one.run(call(text), service) == (None, b"1")
    assert await other.run(call(text), service) == (None, b"2")  # under the same identity, which its service knows
    await end(made)


async def test_a_call_that_fails_gives_its_key_back(tmp_path: Path, redis_server: RedisServer) -> None:
    """To every replica, at once."""
    service, text = Service(), str(uuid.uuid4())
    made = await gateways(tmp_path, redis_server.url)

    async def fails() -> Reply:
        raise Unavailable

    with pytest.raises(Unavailable):
        await made[0][2].run(call(text), fails)
    await made[0][2].stop()
    assert await made[1][2].run(call(text), service) == (None, b"1")
    await end(made)
