"""Whose address a call has, at both doors and in the service behind them."""

from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig, message_type
from tocsin.clock import SystemClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOOK = "/v1/shelves/1/books/2"
GET_BOOK = "/shelf.v1.ShelfService/GetBook"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Rig]:
    """A gateway behind proxies on the loopback address and in 10.0.0.0/8."""
    made = Rig(folder=tmp_path_factory.mktemp("behind"), clock=SystemClock())
    try:
        await made.start(trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
        yield made
    finally:
        await made.stop()


async def by_http(rig: Rig, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """What the service sees of a call over HTTP."""
    async with rig.client() as client:
        assert (await client.get(BOOK, headers=headers)).status_code == 200
    return rig.shelf.calls[-1]


async def by_grpc(rig: Rig, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """What the service sees of a call at the gRPC edge."""
    metadata = [("authorization", f"Bearer {rig.token()}"), *((name, value.strip()) for name, value in headers)]
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        request = message_type("GetBookRequest")(name="shelves/1/books/2").SerializeToString()
        await channel.unary_unary(GET_BOOK)(request, metadata=metadata)
    return rig.shelf.calls[-1]


DOORS = pytest.mark.parametrize("call", [by_http, by_grpc])
FORGED = [
    ("x-forwarded-for", "1.2.3.4"),
    ("forwarded", "for=1.2.3.4"),
    ("x-real-ip", "1.2.3.4"),
    ("x-tocsin-client-address", "1.2.3.4"),
    ("x-tocsin-user-agent", "evil"),
]


@DOORS
async def test_a_client_cannot_choose_its_address(shared: Rig, call: Any) -> None:
    """Without named proxies no header counts, whatever limits go by the address."""
    seen = await call(shared, FORGED)
    assert seen["client"][0] == "127.0.0.1"
    assert "evil" not in seen["client"][1]


@DOORS
async def test_a_named_proxy_says_who_the_client_is(behind: Rig, call: Any) -> None:
    """From the right: what the client itself wrote stands further left, and other headers are its own words."""
    seen = await call(behind, [("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.2.3"), *FORGED[1:]])
    assert seen["client"][0] == "203.0.113.9"


@pytest.mark.parametrize(("call", "expected"), [(by_http, "203.0.113.9"), (by_grpc, "10.1.2.3")])
async def test_a_line_of_its_own_for_each_proxy(behind: Rig, call: Any, expected: str) -> None:
    """Several lines are one list. gRPC keeps the last one alone, which is the nearest proxy's: never a client's own words."""
    lines = [("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-for", "10.1.2.3")]
    assert (await call(behind, lines))["client"][0] == expected


@DOORS
@pytest.mark.parametrize("value", ["unknown", "6.6.6.6,", "6.6.6.6;", "a" * 4000, "," * 2000, "6.6.6.6 evil"])
async def test_what_is_no_address_costs_and_changes_nothing(behind: Rig, call: Any, value: str) -> None:
    """The call is served, as that of the proxy."""
    assert (await call(behind, [("x-forwarded-for", value)]))["client"][0] == "127.0.0.1"


async def test_the_user_agent_travels(shared: Rig) -> None:
    """Bounded, and in characters that can be sent on."""
    assert (await by_http(shared, [("user-agent", "curl/8 " + "a" * 500)]))["client"][1] == "curl/8 " + "a" * 193
    assert "grpc" in (await by_grpc(shared, []))["client"][1]
