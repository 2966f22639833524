"""What an operator sees of a service of another team: its calls by `tap`, its methods by `top`, its edge and endpoints by `graph`."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.config import GatewaySettings
from gateway.mesh_admin import MeshAdmin
from gateway.wiring.operations import mesh_admin
from gateway.wiring.runtime import Runtime
from tests.integration.gateway.foreign import SERVICE, kind, overdrawn
from tests.integration.gateway.test_foreign import Mounted, mounted
from tests.integration.gateway.web_rpc import framed
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.cli.mesh_calls import rows_between
from tocsin.cli.mesh_graph import rows_of
from tocsin.clock import SystemClock
from tocsin.errors import NotFound
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.telemetry import Telemetry
from tocsin.testing.waiting import eventually

INVOICES = "/v1/customers/7/invoices"
RPC = f"/{SERVICE}/"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Mounted]:
    """The service behind the gateway, by the strict rules."""
    async with mounted(tmp_path) as made:
        yield made


@pytest.fixture
def operations(door: Mounted, tmp_path: Path) -> MeshAdmin:
    """The switches of the gateway, asked without its doors."""
    rig, clock = door.rig, SystemClock()
    given: dict[str, Any] = {"state_dir": tmp_path}
    settings = GatewaySettings(**given)
    runtime = Runtime(
        telemetry=Telemetry(service="gateway", settings=settings),
        mesh=rig.mesh,
        breakers=BreakerRegistry(clock=clock),
        verifier=rig.verifier(),
        alerts=rig.alerts,
        journal=rig.journal,
        components=[],
    )
    return mesh_admin(settings, clock, runtime=runtime, services=["shelf_svc"])


class Sight:
    """What a tap has shown."""

    def __init__(self, stream: AsyncGenerator[admin.WatchCallsResponse]) -> None:
        self.calls: list[pb.TappedCall] = []
        self._stream = stream

    async def follow(self) -> None:
        """Reads on."""
        async for answer in self._stream:
            assert (answer.service, answer.address, answer.missed) == ("gateway", "gateway", "")
            self.calls += answer.calls

    async def shows(self, *expected: tuple[str, str, str]) -> None:
        """Waits for calls: method, code, reason; in any order, and no others. Forgets them then."""
        wanted = sorted((RPC + method, code, reason) for method, code, reason in expected)
        await eventually(lambda: len(self.calls) >= len(wanted))
        assert sorted((call.method, call.code, call.reason) for call in self.calls) == wanted
        self.calls.clear()


@asynccontextmanager
async def tapped(door: Mounted, operations: MeshAdmin, **asked: Any) -> AsyncGenerator[Sight]:
    """Looks at the calls to the service."""
    async with aclosing(operations.WatchCalls(admin.WatchCallsRequest(service="billing", **asked))) as stream:
        sight = Sight(stream)
        reading = asyncio.create_task(sight.follow())
        await eventually(lambda: door.rig.mesh.tap.listened)
        try:
            yield sight
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    await eventually(lambda: not door.rig.mesh.tap.listened)


async def by_rest(door: Mounted) -> None:
    """All that REST has: one answer, a stream of lines, bytes as they are, an upload."""
    for path in (f"{INVOICES}/1", f"{INVOICES}:watch", f"{INVOICES}:export"):
        assert (await door.client.get(path)).status_code == 200
    uploaded = await door.client.post("/v1/invoices:import", content=b'{"name":"a"}\n', headers={"content-type": "application/x-ndjson"})
    assert uploaded.json() == {"count": "1"}


async def by_grpc(door: Mounted) -> None:
    """At the edge, all four kinds."""
    invoice, name = kind("Invoice"), "customers/7/invoices/1"
    await door.stub("unary_unary", "GetInvoice", invoice)(kind("GetInvoiceRequest")(name=name))
    watch = door.stub("unary_stream", "WatchInvoices", invoice)(kind("ListInvoicesRequest")(parent="customers/7"))
    assert len([answer async for answer in watch]) == 3
    assert (await door.stub("stream_unary", "ImportInvoices", kind("Count"))(iter([invoice(name="a")]))).count == 1
    chat = door.stub("stream_stream", "Chat", invoice)(iter([invoice(name="a")]))
    assert [answer.name async for answer in chat] == ["a"]


async def by_grpc_web(door: Mounted) -> None:
    """One answer, and a stream of them."""
    get = framed(kind("GetInvoiceRequest")(name="customers/7/invoices/1").SerializeToString())
    watch = framed(kind("ListInvoicesRequest")(parent="customers/7").SerializeToString())
    for method, body in (("GetInvoice", get), ("WatchInvoices", watch)):
        answer = await door.client.post(RPC + method, content=body, headers={"content-type": "application/grpc-web+proto"})
        assert b"grpc-status: 0" in answer.content, answer.content


async def by_connect(door: Mounted) -> None:
    """Likewise."""
    got = await door.client.post(RPC + "GetInvoice", json={"name": "customers/7/invoices/1"}, headers={"connect-protocol-version": "1"})
    assert got.status_code == 200, got.text
    body = framed(b'{"parent":"customers/7"}')
    watched = await door.client.post(RPC + "WatchInvoices", content=body, headers={"content-type": "application/connect+json"})
    assert watched.content.endswith(b"{}")


async def by_websocket(door: Mounted) -> None:
    """A stream of answers, and an upload."""
    for path, sent, answers in ((f"{INVOICES}:watch", (), 3), ("/v1/invoices:import", ('{"name":"a"}', ""), 1)):
        url = door.rig.url.replace("http", "ws") + path
        async with connect(url, additional_headers={"authorization": f"Bearer {door.rig.token()}"}, proxy=None) as socket:
            for message in sent:
                await socket.send(message)
            found = [json.loads(await socket.recv()) for _ in range(answers)]
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert found, path


WAYS: list[tuple[Callable[[Mounted], Any], tuple[str, ...]]] = [
    (by_rest, ("GetInvoice", "WatchInvoices", "ExportInvoices", "ImportInvoices")),
    (by_grpc, ("GetInvoice", "WatchInvoices", "ImportInvoices", "Chat")),
    (by_grpc_web, ("GetInvoice", "WatchInvoices")),
    (by_connect, ("GetInvoice", "WatchInvoices")),
    (by_websocket, ("WatchInvoices", "ImportInvoices")),
]


async def test_calls_by_every_way_are_seen_once(door: Mounted, operations: MeshAdmin) -> None:
    """Whatever the door speaks; by `tap` one by one, by `top` and `graph` in what is counted between two pictures."""
    before = await picture(operations)
    async with tapped(door, operations) as sight:
        for way, methods in WAYS:
            await way(door)
            await sight.shows(*((method, "OK", "") for method in methods))
    now = await picture(operations)
    rows = {row["method"].rpartition("/")[2]: row for row in methods_between(before, now)}
    assert set(rows) == {method for _, methods in WAYS for method in methods}
    assert not any(row["inFlight"] or row["errorPercent"] for row in rows.values())
    edge = edge_between(before, now)
    assert (edge["caller"], edge["called"], edge["errorPercent"], edge["circuitOpen"]) == ("gateway", "billing", 0.0, False)
    assert edge["p99Seconds"] > 0
    assert [(one["address"], one["state"]) for one in edge["endpoints"]] == [(door.service.address, "READY")]


async def test_failures_are_seen_with_their_reason_and_nothing_that_was_said(door: Mounted, operations: MeshAdmin) -> None:
    """By the code and the reason of the far end; its words, its details, the messages and the token stay where they are."""
    async with tapped(door, operations) as sight:
        door.service.act = overdrawn
        secret = await door.client.post(f"{INVOICES}", json={"name": "secret"})
        assert secret.status_code == 400
        await eventually(lambda: bool(sight.calls))
        (call,) = sight.calls
        shown = (call.caller, call.target, call.tenant, call.code, call.reason, call.response_bytes)
        assert shown == ("gateway", "billing", "acme", "FAILED_PRECONDITION", "OVERDRAWN", 0)
        assert call.request_bytes > len("secret")
        assert call.duration.ToNanoseconds() > 0
        assert not any(word in str(call) for word in ("secret", "overdrawn", "account", "line 7", "Bearer"))
        sight.calls.clear()
        watched = await door.client.get(f"{INVOICES}:watch")
        assert watched.status_code == 200
        await sight.shows(("WatchInvoices", "FAILED_PRECONDITION", "OVERDRAWN"))


async def strange(context: Any) -> None:
    """Ends a call with a reason that is none."""
    from google.rpc import error_details_pb2, status_pb2

    status = status_pb2.Status(code=5, message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="user mary@example.com", domain="billing.example.com"))
    await context.abort(grpc.StatusCode.NOT_FOUND, "no", (("grpc-status-details-bin", status.SerializeToString()),))


async def test_what_is_no_reason_is_left_out(door: Mounted, operations: MeshAdmin) -> None:
    """A stranger may write anything where the reason stands."""
    async with tapped(door, operations) as sight:
        door.service.act = strange
        assert (await door.client.get(f"{INVOICES}/1")).status_code == 404
        await sight.shows(("GetInvoice", "NOT_FOUND", ""))


async def test_calls_under_way_and_calls_that_are_given_up(door: Mounted, operations: MeshAdmin) -> None:
    """A call that waits is in flight; one whose client goes is CANCELLED."""
    never = asyncio.Event()

    async def wait(_: Any) -> None:
        await never.wait()

    door.service.act = wait
    before = await picture(operations)

    async def in_flight() -> int:
        return sum(row["inFlight"] for row in methods_between(before, await picture(operations)))

    async with tapped(door, operations, filter=pb.CallFilter(code="ERROR")) as sight:
        one = asyncio.create_task(door.client.get(f"{INVOICES}/1"))
        stream = door.stub("unary_stream", "WatchInvoices", kind("Invoice"))(kind("ListInvoicesRequest")(parent="customers/7"))
        assert (await anext(aiter(stream))).name
        await eventually(lambda: door.service.calls == 2)
        assert await in_flight() == 2
        one.cancel()
        stream.cancel()
        await asyncio.gather(one, return_exceptions=True)
        await sight.shows(("GetInvoice", "CANCELLED", ""), ("WatchInvoices", "CANCELLED", ""))
    assert await in_flight() == 0


async def test_a_service_that_is_away_is_seen_by_its_errors(door: Mounted, operations: MeshAdmin) -> None:
    """Calls that never arrived are told too: what the gateway made of them, and how the edge stands."""
    await door.client.get(f"{INVOICES}/1")
    before = await picture(operations)
    await door.service.stop()
    async with tapped(door, operations) as sight:
        assert (await door.client.get(f"{INVOICES}/1")).status_code == 503
        await eventually(lambda: bool(sight.calls))
        assert [call.code for call in sight.calls] == ["UNAVAILABLE"]
    edge = edge_between(before, await picture(operations))
    assert edge["errorPercent"] == 100.0
    assert [one["state"] for one in edge["endpoints"]] != ["READY"]


async def test_a_name_that_is_none_is_refused_with_those_that_are(operations: MeshAdmin) -> None:
    """Of the mesh, and outside of it."""
    with pytest.raises(NotFound, match="there is no service 'nobody'; there are shelf_svc, billing"):
        await anext(operations.WatchCalls(admin.WatchCallsRequest(service="nobody")))


async def picture(operations: MeshAdmin) -> dict[str, Any]:
    """The mesh, as REST has it."""
    return json_format.MessageToDict(await operations.GetMesh(admin.GetMeshRequest()))


def methods_between(before: Any, now: Any) -> list[dict[str, Any]]:
    """What `top` shows of the service."""
    return [row for row in rows_between(before, now) if row["service"] == "billing"]


def edge_between(before: Any, now: Any) -> dict[str, Any]:
    """What `graph` shows of the service."""
    (edge,) = (row for row in rows_of(before, now) if row["called"] == "billing")
    return edge
