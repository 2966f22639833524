import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.gateway.support import Book, Rig, change, message_type
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

SERVICE = "/shelf.v1.ShelfService/"


@pytest.fixture
async def channel(rig: Rig) -> AsyncGenerator[Any]:
    """A plain gRPC channel to the edge."""
    async with grpc.aio.insecure_channel(rig.running.address) as made:
        yield made


def auth(rig: Rig, *scopes: str) -> tuple[tuple[str, str], ...]:
    """Metadata with a token."""
    return (("authorization", f"Bearer {rig.token(*scopes)}"),)


def unary(channel: Any, method: str, reply: Any) -> Any:
    """The caller of a unary method."""
    return channel.unary_unary(f"{SERVICE}{method}", lambda message: message.SerializeToString(), reply.FromString)


async def test_all_four_kinds_pass(rig: Rig, channel: Any) -> None:
    """Unary, both one-sided streams, and a conversation."""
    rig.shelf.changes = lambda _: _several()
    get = unary(channel, "GetBook", Book)
    assert (await get(message_type("GetBookRequest")(name="shelves/1/books/2"), metadata=auth(rig))).title == "Emma"
    watch = channel.unary_stream(f"{SERVICE}WatchBooks", lambda m: m.SerializeToString(), message_type("WatchBooksResponse").FromString)
    titles = [item.book.title async for item in watch(message_type("WatchBooksRequest")(), metadata=auth(rig))]
    assert titles == ["a", "b"]
    count = channel.stream_unary(f"{SERVICE}CountBooks", lambda m: m.SerializeToString(), message_type("CountBooksResponse").FromString)
    assert (await count(iter([Book(title="x", page_count=1)] * 3), metadata=auth(rig))).count == 3
    copy = channel.stream_stream(f"{SERVICE}CopyBooks", lambda m: m.SerializeToString(), Book.FromString)
    talk = copy(metadata=auth(rig))
    for title in ("first", "second"):
        await talk.write(Book(title=title, page_count=1))
        assert (await talk.read()).title == title
    await talk.done_writing()
    assert await talk.read() is grpc.aio.EOF
    assert {call["tenant"] for call in rig.shelf.calls} == {"acme"}


async def _several() -> AsyncIterator[Any]:
    yield change("a")
    yield change("b")


async def test_grpc_and_rest_see_the_same_error(rig: Rig, channel: Any, client: httpx2.AsyncClient) -> None:
    """Code, message, reason and violations are the same through both doors."""

    async def refuse(_: Any) -> None:
        raise InvalidInput.at(
            "name",
            "too old",
        )

    rig.shelf.act = refuse
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, "GetBook", Book)(message_type("GetBookRequest")(name="shelves/1/books/2"), metadata=auth(rig))
    trailers: Any = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    document = (await client.get("/v1/shelves/1/books/2")).json()
    assert (caught.value.code().name, caught.value.details()) == (document["code"], document["message"])
    assert (info.reason, info.domain) == (document["details"][0]["reason"], document["details"][0]["domain"])
    assert bad.field_violations[0].field == document["details"][1]["fieldViolations"][0]["field"]


@pytest.mark.parametrize(
    ("token", "code"),
    [(None, "UNAUTHENTICATED"), ("nonsense", "UNAUTHENTICATED"), ("tk_unknown", "UNAUTHENTICATED"), ("books:write", "PERMISSION_DENIED")],
)
async def test_the_edge_knows_its_callers(rig: Rig, channel: Any, token: str | None, code: str) -> None:
    """A missing, false or too narrow credential is refused before any service is called."""
    text = rig.token(token) if token and ":" in token else token
    metadata = (("authorization", f"Bearer {text}"),) if text else None
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, "GetBook", Book)(message_type("GetBookRequest")(name="x"), metadata=metadata)
    assert caught.value.code().name == code
    assert rig.shelf.requests == []


async def test_a_public_rpc_needs_no_token(rig: Rig, channel: Any) -> None:
    """What the policy calls public is open."""
    assert (await unary(channel, "Hello", Book)(message_type("google.protobuf.Empty")())).title == "hello"
    assert rig.shelf.calls[0]["tenant"] is None


@pytest.mark.parametrize("path", [f"{SERVICE}SortBooks", f"{SERVICE}Nothing", "/tocsin.api.mesh.v1.MeshService/GetStatus"])
async def test_what_is_internal_does_not_exist_at_the_edge(rig: Rig, channel: Any, path: str) -> None:
    """An internal RPC is as unknown as one that was never declared."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(path)(b"", metadata=auth(rig))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_shows_the_public_contract_alone(channel: Any) -> None:
    """grpcurl finds every public method with its types, and no internal one."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="shelf.v1.ShelfService"),
    ]
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert "shelf.v1.ShelfService" in names
    assert not {name for name in names if name.startswith("tocsin.")}
    files = [descriptor_pb2.FileDescriptorProto.FromString(raw) for raw in described.file_descriptor_response.file_descriptor_proto]
    methods = {method.name for file in files for service in file.service for method in service.method}
    assert "CopyBooks" in methods
    assert "SortBooks" not in methods


async def test_the_edge_tells_its_health(channel: Any) -> None:
    """The standard health service answers."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=""))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_deadline_of_the_client_travels_and_leaving_cancels(rig: Rig, channel: Any) -> None:
    """The service works no longer than anybody waits."""
    get, request = unary(channel, "GetBook", Book), message_type("GetBookRequest")(name="x")
    await get(request, metadata=auth(rig))  # every connection on the way stands
    rig.shelf.forget()
    rig.shelf.act = lambda _: asyncio.sleep(30)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(request, metadata=auth(rig), timeout=2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert rig.shelf.calls[0]["remaining"] < 2
    await eventually(lambda: rig.shelf.cancelled == 1)


async def test_a_stopping_edge_sends_its_streams_elsewhere(rig: Rig, channel: Any) -> None:
    """A stream ends with UNAVAILABLE, which every client takes for "try another one"."""

    async def one_then_silence(_: Any) -> AsyncIterator[Any]:
        yield change("a")
        await asyncio.sleep(60)

    rig.shelf.changes = one_then_silence
    watch = channel.unary_stream(f"{SERVICE}WatchBooks", lambda m: m.SerializeToString(), message_type("WatchBooksResponse").FromString)
    call = watch(message_type("WatchBooksRequest")(), metadata=auth(rig))
    assert (await call.read()).book.title == "a"
    stopping = asyncio.create_task(rig.running.stop())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.wait_for(stopping, 60)
