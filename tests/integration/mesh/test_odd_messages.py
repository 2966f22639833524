"""Bytes that are no message, and headers that are no text, for what every server has: refused, and no error of this house."""

from typing import Any

import grpc
import pytest

from tests.integration.mesh.raw import RawPeer
from tests.integration.mesh.support import Echo, Rig
from tests.integration.mesh.test_health import bare

HEALTH = "/grpc.health.v1.Health"
REFLECTION = ("/grpc.reflection.v1.ServerReflection", "/grpc.reflection.v1alpha.ServerReflection")
NO_MESSAGE = b"\xff\xff\xff"


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has at the level of an error, or of the stacks of gRPC."""
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR" or record.exc_info]


async def ended(call: Any) -> grpc.aio.AioRpcError:
    """How a call of one or of many answers failed."""
    try:
        if hasattr(call, "read"):
            await call.read()
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it was answered")


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_health_says_what_is_wrong_with_a_message(rig: Rig, method: str, caplog: pytest.LogCaptureFixture) -> None:
    """INVALID_ARGUMENT without the words of a parser; a good one is answered."""
    server = await rig.serve(Echo())
    async with bare(rig, server.address) as channel:
        ask: Any = channel.unary_unary if method == "Check" else channel.unary_stream
        error = await ended(ask(f"{HEALTH}/{method}")(NO_MESSAGE, timeout=60))
        assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "The request is not a message of the expected type.")
        assert await channel.unary_unary(f"{HEALTH}/Check")(b"", timeout=60) == b"\x08\x01"
    assert errors(caplog) == []


@pytest.mark.parametrize("service", REFLECTION)
async def test_reflection_says_what_is_wrong_with_a_message(rig: Rig, service: str, caplog: pytest.LogCaptureFixture) -> None:
    """Behind the answers to the messages before it."""
    server = await rig.serve(Echo())
    async with bare(rig, server.address) as channel:
        call = channel.stream_stream(f"{service}/ServerReflectionInfo")(timeout=60)
        await call.write(b"\x3a\x00")  # list_services
        listed: Any = await call.read()
        assert b"tocsin.test.v1.EchoService" in listed
        await call.write(NO_MESSAGE)
        error = await ended(call)
        assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "The request is not a message of the expected type.")
    assert errors(caplog) == []


@pytest.mark.parametrize("header", [(b"authorization", b"Bearer secret-of-somebody\xff"), (b"x-\x80", b"a"), (b"user-agent", b"\xff")])
async def test_headers_that_are_no_text_are_not_logged(rig: Rig, header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture) -> None:
    """gRPC writes each of them, a credential too, as an error with its stack; the call is judged, and answered, as any other."""
    server = await rig.serve(Echo())
    async with RawPeer(address=server.address, pki=rig.settings("front").tls_ca_file.parent) as peer:
        await peer.send(peer.begin_with(1, "Say", *header), peer.message(1, b""))
        assert await peer.read(lambda frame: frame.stream_id == 1, patience=60)
    assert errors(caplog) == []
    assert "secret-of-somebody" not in caplog.text
