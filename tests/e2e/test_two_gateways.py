"""What is ended at one gateway is refused by the other, whose process never heard of it from a client."""

import secrets
from typing import Any

import grpc
import httpx2
import pytest

from tests.e2e.conftest import PASSWORD
from tests.second_gateway import SecondGateway, second_gateway
from tocsin.api.auth.v1 import session_service_pb2 as pb
from tocsin.api.auth.v1 import session_service_pb2_grpc as rpc
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e


async def signed_in(stack: RunningStack, email: str) -> str:
    """The access token of a new session."""
    async with stack.client(key="none") as client:
        answer = await client.post("/v1/auth:token", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
    return answer.json()["accessToken"]


async def status(client: httpx2.AsyncClient) -> int:
    """The status of something that any session may ask."""
    async with client:
        return (await client.get("/v1/sessions")).status_code


async def edge(second: SecondGateway, token: str) -> grpc.StatusCode:
    """The same at the gRPC door."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{second.grpc_port}") as channel:
        stub: Any = rpc.SessionServiceStub(channel)
        try:
            await stub.ListSessions(pb.ListSessionsRequest(), metadata=[("authorization", f"Bearer {token}")])
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_a_session_that_is_ended_here_is_refused_there(stack: RunningStack) -> None:
    """At both doors, long before its access token ends; also by a gateway that was killed, and heard of it when it came back."""
    email = f"{secrets.token_hex(6)}@example.com"
    async with stack.client(key="none") as client:
        made = await client.post("/v1/auth:register", json={"email": email, "password": PASSWORD})
        assert made.status_code == 200, made.text
    lost, missed, kept = [await signed_in(stack, email) for _ in range(3)]
    async with second_gateway(stack) as second:
        for token in (lost, missed, kept):
            assert (await status(second.client(key=token)), await edge(second, token)) == (200, grpc.StatusCode.OK)
        async with stack.client(key=lost) as client:
            mine = [each["name"] for each in (await client.get("/v1/sessions")).json()["sessions"] if each.get("current")]
            assert (await client.delete(f"/v1/{mine[0]}")).status_code == 200

        async def heard(token: str) -> bool:
            return await status(second.client(key=token)) == 401

        await eventually(lambda: heard(lost))
        assert await edge(second, lost) is grpc.StatusCode.UNAUTHENTICATED
        assert await status(second.client(key=missed)) == 200
        second.kill()
        async with stack.client(key=kept) as client:
            assert (await client.post("/v1/sessions:revokeAll", json={"keepCurrent": True})).json()["revoked"] == 1
        await second.start()
        await eventually(lambda: heard(missed))
        assert await edge(second, missed) is grpc.StatusCode.UNAUTHENTICATED
        assert (await status(second.client(key=kept)), await edge(second, kept)) == (200, grpc.StatusCode.OK)

        async def heard_here() -> bool:
            return await status(stack.client(key=missed)) == 401

        await eventually(heard_here)
