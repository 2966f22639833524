"""Contracts of other teams change without a restart, and their services' health is shown beside Tocsin's."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.gateway.foreign import FILE, POLICIES, SERVICE, kind
from tests.integration.gateway.test_foreign import Mounted, mounted
from tests.unit.gateway.contracts import descriptor_set
from tocsin.testing.waiting import eventually

HTTP: Any = annotations_pb2.http
NEW_PATH = "/v2/{name=customers/*/invoices/*}"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Mounted]:
    """The service behind the gateway."""
    async with mounted(tmp_path, health_cache_seconds=0.0) as made:
        yield made


def changed(*, path: str = NEW_PATH, method: str = "") -> bytes:
    """The contract with another route of GetInvoice, and perhaps a method that is called otherwise."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set(FILE))
    [file] = [each for each in files.file if each.name == FILE]
    for each in file.service[0].method:
        if each.name == "GetInvoice":
            each.options.Extensions[HTTP].get = path
            each.name = method or each.name
    return files.SerializeToString()


def replace(file: Path, content: bytes) -> None:
    """Puts a file in the place of another at once, as a careful tool does."""
    new = file.with_name("new")
    new.write_bytes(content)
    new.replace(file)


def contract_file(door: Mounted) -> Path:
    """The file that the gateway reads."""
    [file] = [each for each in door.rig.folder.iterdir() if each.suffix == ".binpb"]
    return file


async def health(door: Mounted) -> Any:
    """The document of /health."""
    return (await door.client.get("/health")).json()


async def status(door: Mounted, path: str) -> int:
    """What a GET is answered with."""
    return (await door.client.get(path)).status_code


async def shown_services(door: Mounted) -> list[str]:
    """What reflection lists."""
    channel: Any = grpc.aio.insecure_channel(door.rig.running.address)
    async with channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        return [service.name async for answer in answers for service in answer.list_services_response.service]


async def test_a_new_contract_is_served_and_the_old_one_ends(door: Mounted) -> None:
    """Routes, document, edge and reflection follow; a call and a stream that were under way end as they began."""
    chat = door.stub("stream_stream", "Chat", kind("Invoice"))
    asked: asyncio.Queue[Any] = asyncio.Queue()

    async def requests() -> AsyncGenerator[Any]:
        while (request := await asked.get()) is not None:
            yield request

    call = chat(requests())
    asked.put_nowait(kind("Invoice")(name="before"))
    assert (await call.read()).name == "before"

    replace(contract_file(door), changed(method="GetOne"))
    await eventually(lambda: _is(status(door, "/v2/customers/7/invoices/9"), 501), what="the new route")
    assert await status(door, "/v1/customers/7/invoices/9") in (404, 405)
    assert await status(door, "/v1/shelves/1/books/1") == 200
    document = (await door.client.get("/openapi.json")).json()
    assert any(path.startswith("/v2/customers") for path in document["paths"])

    asked.put_nowait(kind("Invoice")(name="after"))
    assert (await call.read()).name == "after"
    asked.put_nowait(None)
    assert await call.read() is grpc.aio.EOF

    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await door.stub("unary_unary", "GetInvoice", kind("Invoice"))(kind("GetInvoiceRequest")(name="customers/7/invoices/9"))
    assert gone.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.aio.AioRpcError) as new:
        await door.stub("unary_unary", "GetOne", kind("Invoice"))(kind("GetInvoiceRequest")(name="customers/7/invoices/9"))
    assert new.value.code() is grpc.StatusCode.UNIMPLEMENTED
    told = [{key for key, _ in error.value.trailing_metadata() or ()} for error in (gone, new)]
    assert ["grpc-status-details-bin" in keys for keys in told] == [
        False,
        True,
    ]  # the edge does not know the one, the service not the other
    assert SERVICE in await shown_services(door)

    replace(contract_file(door), descriptor_set(FILE))
    await eventually(lambda: _is(status(door, "/v1/customers/7/invoices/9"), 200), what="the old contract again")


async def _is(asked: Any, wanted: object) -> bool:
    return await asked == wanted


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"half"], ids=["empty", "garbage", "text"])
async def test_a_file_that_cannot_be_served_changes_nothing(door: Mounted, content: bytes) -> None:
    """What was there goes on; health and log say why; a good file ends it."""
    replace(contract_file(door), content)

    async def told() -> bool:
        return "contracts" in (await health(door)).get("background", {})

    await eventually(told, what="the complaint")
    found = await health(door)
    assert found["status"] == "degraded"
    assert "descriptor set" in found["background"]["contracts"]
    assert await status(door, "/v1/customers/7/invoices/9") == 200
    replace(contract_file(door), descriptor_set(FILE))

    async def mended() -> bool:
        return (await health(door))["status"] == "healthy"

    await eventually(mended, what="the good file")


async def test_policies_change_too(door: Mounted) -> None:
    """Who may call is said in the other file, which is looked at as well; one that nobody may call is refused, and the old holds."""
    [file] = [each for each in door.rig.folder.iterdir() if each.suffix == ".yaml"]
    replace(file, POLICIES.replace('Get*: {scope: "books:read"}', 'Get*: {scope: "nobody:has"}').encode())
    await eventually(lambda: _is(status(door, "/v1/customers/7/invoices/9"), 403), what="the new scope")
    replace(file, b"methods: {}")

    async def told() -> bool:
        return "contracts" in (await health(door)).get("background", {})

    await eventually(told, what="the complaint")
    assert await status(door, "/v1/customers/7/invoices/9") == 403


async def test_services_of_others_are_shown_and_change_nothing_of_ours(door: Mounted) -> None:
    """One that is away is unavailable by its own name; Tocsin stays healthy, even when its breaker is open."""
    found = await health(door)
    assert (found["status"], found["foreignServices"]["billing"]["status"]) == ("healthy", "healthy")
    assert found["foreignServices"]["billing"]["circuitBreaker"]["state"] == "CLOSED"
    await door.service.stop()
    for _ in range(30):
        assert await status(door, "/v1/customers/7/invoices/9") == 503
    found = await health(door)
    assert (found["status"], found["foreignServices"]["billing"]["status"]) == ("healthy", "unavailable")
    assert found["foreignServices"]["billing"]["circuitBreaker"]["state"] == "OPEN"
    assert "billing" not in found["services"]
    await door.service.start(door.service.address)

    async def back() -> bool:
        return (await health(door))["foreignServices"]["billing"]["status"] == "healthy"

    await eventually(back, what="the service")
