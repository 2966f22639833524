"""What auth_svc says has ended is refused at both doors, and stays so while auth_svc is away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.credentials import Authenticator, TokenSessionEnded
from gateway.secret_cache import KeyCacheRule
from tests.integration.gateway.support import Book, Rig, change, lines
from tests.unit.gateway.contracts import message_type
from tocsin.api.auth.v1 import session_service_pb2 as pb
from tocsin.api.auth.v1 import user_service_pb2
from tocsin.clock import SystemClock
from tocsin.errors import InvalidInput, Unavailable
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.tokens import TokenVerifier
from tocsin.tenants.feed import TenantFeed
from tocsin.testing.clock import FakeClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint
from tocsin.testing.waiting import eventually

BOOK, WATCH, GET = "/v1/shelves/1/books/1", "/v1/books:watch", "/shelf.v1.ShelfService/GetBook"
NEW = {"title": "Emma", "pageCount": 3}
KEY = "tk_" + "k" * 40


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway that knows which tenants may work."""
    made = Rig(folder=tmp_path, clock=SystemClock())
    made.keys.known[KEY] = ("books:read",)
    try:
        yield made
    finally:
        await made.stop()


def token_of(rig: Rig, session: str) -> str:
    """An access token of a session."""
    return rig.token(claims={"sid": session})


def ended(*names: str, token: str = "", version: int = 0) -> pb.WatchEndedCredentialsResponse:
    """What auth_svc tells."""
    answer = pb.WatchEndedCredentialsResponse(resume_token=token, tenants_version=version)
    for name in names:
        answer.credentials.add(name=name).expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=15))
    return answer


def changed(name: str, *scopes: str) -> pb.WatchEndedCredentialsResponse:
    """What auth_svc tells of something that may do something else by now."""
    answer = pb.WatchEndedCredentialsResponse()
    answer.changed.add(name=name, scopes=scopes).expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=15))
    return answer


async def one_and_silence(_: Any) -> AsyncIterator[Any]:
    """A watch."""
    yield change("a", "t1")
    await asyncio.sleep(600)


async def status(rig: Rig, credential: str, path: str = BOOK) -> tuple[int, str]:
    """What a credential gets: the status, and the code and reason of the error."""
    async with rig.client(credential) as client:
        answer = await client.get(path)
    reasons = [each["reason"] for each in answer.json().get("details", []) if "reason" in each]
    return answer.status_code, "".join(reasons)


async def edge(rig: Rig, credential: str) -> grpc.StatusCode:
    """The code that a credential gets at the gRPC door."""
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        call = channel.unary_unary(GET, request_serializer=None, response_deserializer=Book.FromString)
        request = message_type("GetBookRequest")(name="shelves/1/books/1").SerializeToString()
        try:
            await call(request, metadata=[("authorization", f"Bearer {credential}")])
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def refused(rig: Rig, credential: str, reason: str, code: int = 401) -> None:
    """Returns once both doors refuse a credential, which they do at once when they have heard of it."""

    async def heard() -> bool:
        return await status(rig, credential) == (code, reason)

    await eventually(heard, what=reason)
    assert await edge(rig, credential) is {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED}[code]


async def test_a_session_that_ended_elsewhere_is_refused_at_both_doors(rig: Rig) -> None:
    """Its token, which is good for minutes, and its streams; of nobody else."""
    await rig.start()
    rig.shelf.changes = one_and_silence
    gone, other = token_of(rig, "e1"), token_of(rig, "o1")
    assert (await status(rig, gone), await edge(rig, gone)) == ((200, ""), grpc.StatusCode.OK)
    async with (
        rig.client(gone) as client,
        rig.client(other) as neighbour,
        client.stream("GET", WATCH) as watch,
        neighbour.stream("GET", WATCH) as going_on,
    ):
        pieces = watch.aiter_text()
        await anext(pieces)
        rig.ended.told.put_nowait(ended("sessions/e1", "sessions/e2", token="1"))
        async with asyncio.timeout(60):
            text = "".join([piece async for piece in pieces])
        assert [each["reason"] for each in lines(text)[-1]["error"]["details"] if "reason" in each] == ["TOKEN_SESSION_ENDED"]
        assert not going_on.is_closed
    await refused(rig, gone, "TOKEN_SESSION_ENDED")
    assert (await status(rig, other), await edge(rig, other)) == ((200, ""), grpc.StatusCode.OK)


async def test_a_key_that_was_deleted_is_refused_although_it_was_known(rig: Rig) -> None:
    """It is asked about at most every minute; the feed does not wait for that, nor does it ask."""
    await rig.start()
    assert (await status(rig, KEY), await edge(rig, KEY)) == ((200, ""), grpc.StatusCode.OK)
    asked = len(rig.keys.asked)
    rig.ended.told.put_nowait(ended("apiKeys/2", "apiKeys/1", token="1"))
    await refused(rig, KEY, "KEY_REFUSED")
    assert len(rig.keys.asked) > asked, "what was known of it is forgotten"


@pytest.mark.parametrize("kind", ["token", "key"])
async def test_what_somebody_may_no_longer_do_ends_at_both_doors(rig: Rig, kind: str) -> None:
    """Calls, and the streams that need it; what is still held goes on, and what is given again works."""
    await rig.start()
    rig.shelf.changes = one_and_silence
    credential, name = (token_of(rig, "e1"), "sessions/e1") if kind == "token" else (KEY, "apiKeys/1")
    rig.keys.known[KEY] = ("books:read", "books:write")

    async def writes() -> int:
        async with rig.client(credential) as client:
            return (await client.post("/v1/shelves/1/books", json=NEW)).status_code

    assert (await status(rig, credential), await edge(rig, credential)) == ((200, ""), grpc.StatusCode.OK)
    async with rig.client(credential) as client, client.stream("GET", WATCH) as watch:
        pieces = watch.aiter_text()
        await anext(pieces)
        rig.keys.known[KEY] = ("books:write",)
        rig.ended.told.put_nowait(changed(name, "books:write", "profile:read"))
        async with asyncio.timeout(60):
            text = "".join([piece async for piece in pieces])
        assert [each["reason"] for each in lines(text)[-1]["error"]["details"] if "reason" in each] == ["SCOPE_MISSING"]
    await refused(rig, credential, "SCOPE_MISSING", 403)
    assert await writes() == 200
    rig.keys.known[KEY] = ("books:read",)
    rig.ended.told.put_nowait(changed(name, "books:read", "profile:read"))

    async def lifted() -> bool:
        return await status(rig, credential) == (200, "")

    await eventually(lifted)
    assert (await writes(), await edge(rig, credential)) == (403, grpc.StatusCode.OK)
    del rig.keys.known[KEY]
    rig.ended.told.put_nowait(changed(name))
    await refused(rig, credential, "TOKEN_SESSION_ENDED" if kind == "token" else "KEY_REFUSED")


async def test_auth_svc_may_be_away(rig: Rig) -> None:
    """What is known holds; the feed goes on by its token, and begins anew if auth_svc does not know that."""
    await rig.start()
    rig.ended.told.put_nowait(ended("sessions/e1", token="17"))
    await refused(rig, token_of(rig, "e1"), "TOKEN_SESSION_ENDED")
    for error in (Unavailable(), Unavailable()):
        rig.ended.told.put_nowait(error)
    rig.ended.told.put_nowait(ended("sessions/e2", token="18"))
    await refused(rig, token_of(rig, "e2"), "TOKEN_SESSION_ENDED")
    await refused(rig, token_of(rig, "e1"), "TOKEN_SESSION_ENDED")
    assert rig.ended.asked == ["", "17", "17"]
    rig.ended.told.put_nowait(Unavailable())
    rig.ended.told.put_nowait(InvalidInput.at("resumeToken", "is none"))
    rig.ended.told.put_nowait(ended("sessions/e3", token="1"))
    await refused(rig, token_of(rig, "e3"), "TOKEN_SESSION_ENDED")
    assert rig.ended.asked == ["", "17", "17", "18", ""]
    assert await status(rig, token_of(rig, "o1")) == (200, "")


async def test_a_tenant_that_was_suspended_is_refused_at_the_door(rig: Rig) -> None:
    """As soon as the feed says that there is another book: what would be written or watched, also what is watched already; it may read."""
    book = user_service_pb2.GetTenantBookResponse(version=1)

    async def fetch(version: int, token: str) -> user_service_pb2.GetTenantBookResponse:
        return book

    clock = FakeClock()  # so that nobody asks by the time alone
    rig.tenants = TenantFeed(fetch=fetch, clock=clock, file=None)
    await rig.start()
    await rig.tenants.start()
    try:
        await eventually(lambda: rig.tenants is not None and rig.tenants.book().version == 1)
        credential = rig.token()
        rig.shelf.changes = one_and_silence
        async with rig.client(credential) as client, client.stream("GET", WATCH) as watch:
            pieces = watch.aiter_text()
            await anext(pieces)
            assert (await client.post("/v1/shelves/1/books", json=NEW)).status_code == 200
            suspended = user_service_pb2.BookedTenant(tenant="acme", state=user_service_pb2.Tenant.State.SUSPENDED, suspend_reason="unpaid")
            book = user_service_pb2.GetTenantBookResponse(version=2, tenants=[suspended])
            rig.ended.told.put_nowait(ended(version=2))
            calls = 0

            async def heard() -> bool:
                nonlocal calls
                calls = len(rig.shelf.calls)
                return (await client.post("/v1/shelves/1/books", json=NEW)).status_code == 403

            await eventually(heard)
            assert len(rig.shelf.calls) == calls, "it does not get past the door"
            async with asyncio.timeout(60):
                text = "".join([piece async for piece in pieces])
            assert [each["reason"] for each in lines(text)[-1]["error"]["details"] if "reason" in each] == ["TENANT_SUSPENDED"]
            answer = await client.post("/v1/shelves/1/books", json=NEW)
            assert "unpaid" in answer.json()["detail"]
            assert (await client.get(WATCH)).status_code == 403
            assert (await client.get(BOOK)).status_code == 200
    finally:
        await rig.tenants.stop()


def authenticator(clock: FakeClock, mint: TokenMint) -> Authenticator:
    """One that asks nobody."""
    rule = KeyCacheRule(fresh_seconds=60, stale_seconds=600, refused_seconds=5, retry_seconds=5, capacity=10)
    verifier = TokenVerifier(keys=JwksCache(source=mint.fetch, file=None, clock=clock), issuer=ISSUER, audience=AUDIENCE, clock=clock)
    nobody: Any = None
    return Authenticator(verifier=verifier, keys=nobody, sessions=nobody, clock=clock, rule=rule, session_rule=rule)


async def test_what_is_known_is_bounded(clock: FakeClock) -> None:
    """Ended sessions are forgotten when their tokens end; of too many, those whose tokens end next."""
    mint = TokenMint(clock=clock)
    made, now = authenticator(clock, mint), clock.now()

    async def is_refused(session: str) -> bool:
        token = mint.mint(tenant="acme", subject="users/ann", scopes=(), claims={"sid": session}, lifetime=3000)
        try:
            await made.authenticate(f"Bearer {token}".encode())
        except TokenSessionEnded:
            return True
        return False

    made.end({"sessions/soon": now + timedelta(seconds=60)})
    made.end({f"sessions/{number}": now + timedelta(seconds=900) for number in range(100_000)})
    assert not await is_refused("soon"), "there were too many"
    assert await is_refused("99999")
    await clock.advance(901)
    made.end({"sessions/next": clock.now() + timedelta(seconds=60)})
    assert await is_refused("next")
    assert not await is_refused("99999")
