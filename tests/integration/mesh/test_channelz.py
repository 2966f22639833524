"""What gRPC's core knows of a process, asked for over real connections."""

import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2 as pb
from grpc_channelz.v1 import channelz_pb2_grpc

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo
from tests.integration.mesh.test_library import process
from tocsin.errors import ConfigError, InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tocsin.mesh.channelz import channelz_policies
from tocsin.mesh.context import acting_as
from tocsin.mesh.library import ServiceProcess
from tocsin.mesh.policy_sources import ChannelzNotInstalled

GET_SERVERS = "/grpc.channelz.v1.Channelz/GetServers"


def asking(channel: Any) -> Any:
    """A stub, which has no types."""
    return channelz_pb2_grpc.ChannelzStub(channel)


def bare(rig: Rig, address: str) -> grpc.aio.Channel:
    """As grpcurl dials: with a certificate of the mesh, and without the mesh."""
    pki: Path = rig.folder / "pki"
    ca, key, certificate = ((pki / name).read_bytes() for name in ("ca.pem", "other-key.pem", "other.pem"))
    options = [("grpc.ssl_target_name_override", "echo_svc")]
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(ca, key, certificate), options=options)


async def test_servers_sockets_and_channels_are_told_to_a_token_that_may_read_the_mesh(rig: Rig) -> None:
    """By a client that is none of the mesh: the server, the socket that it calls by, and each by its number."""
    server = await rig.serve(Echo(), channelz=True)
    async with bare(rig, server.address) as channel:
        stub = asking(channel)
        metadata = (("authorization", f"Bearer {rig.token('mesh:read')}"),)
        servers = (await stub.GetServers(pb.GetServersRequest(), metadata=metadata)).server
        found: dict[int, Any] = {}
        for each in servers:
            request = pb.GetServerSocketsRequest(server_id=each.ref.server_id)
            for ref in (await stub.GetServerSockets(request, metadata=metadata)).socket_ref:
                socket = (await stub.GetSocket(pb.GetSocketRequest(socket_id=ref.socket_id), metadata=metadata)).socket
                found[socket.local.tcpip_address.port] = each
        own = found[server.port].ref.server_id
        assert (await stub.GetServer(pb.GetServerRequest(server_id=own), metadata=metadata)).server.ref.server_id == own
        channels = (await stub.GetTopChannels(pb.GetTopChannelsRequest(), metadata=metadata)).channel
        assert any(each.data.target.endswith(server.address) for each in channels)
        one = channels[0].ref.channel_id
        assert (await stub.GetChannel(pb.GetChannelRequest(channel_id=one), metadata=metadata)).channel.ref.channel_id == one
        ways = [way.subchannel_id for each in channels for way in each.subchannel_ref]
        told = await stub.GetSubchannel(pb.GetSubchannelRequest(subchannel_id=ways[0]), metadata=metadata)
        assert told.subchannel.ref.subchannel_id == ways[0]


@pytest.mark.parametrize(
    ("method", "request_", "said"),
    [
        ("GetServer", pb.GetServerRequest(server_id=2**60), "server_id 1152921504606846976"),
        ("GetServer", pb.GetServerRequest(), "number 0"),
        ("GetServer", pb.GetServerRequest(server_id=-1), "server_id -1"),
        ("GetServerSockets", pb.GetServerSocketsRequest(server_id=2**60), "server_id"),
        ("GetChannel", pb.GetChannelRequest(channel_id=2**60), "channel_id"),
        ("GetSubchannel", pb.GetSubchannelRequest(subchannel_id=2**60), "subchannel_id"),
        ("GetSocket", pb.GetSocketRequest(socket_id=2**63 - 1), "socket_id"),
    ],
)
async def test_a_number_that_nothing_has_is_not_found(rig: Rig, method: str, request_: Any, said: str) -> None:
    """With what was asked for; an error of the mesh, to a client of the mesh."""
    await rig.serve(Echo(), channelz=True)
    stub = asking(rig.mesh(channelz=True).channel("echo_svc"))
    with acting_as(rig.token("mesh:read")), pytest.raises(NotFound, match=f"There is no .* of .*{said}"):
        await getattr(stub, method)(request_)


@pytest.mark.parametrize(
    ("method", "start", "items"), [("GetTopChannels", "start_channel_id", "channel"), ("GetServers", "start_server_id", "server")]
)
async def test_pages_have_what_was_asked_for(rig: Rig, method: str, start: str, items: str) -> None:
    """One by one, in order, to the end; more than there are is all. Less than none is refused, with the field."""
    for service in ("echo_svc", "other"):
        await rig.serve(Echo(), service=service, channelz=True)
    mesh = rig.mesh(channelz=True)
    stub, kind = asking(mesh.channel("echo_svc")), getattr(pb, f"{method}Request")
    with acting_as(rig.token("mesh:read")):
        await asking(mesh.channel("other")).GetServers(pb.GetServersRequest())
        seen: list[int] = []
        while True:
            page = await getattr(stub, method)(kind(max_results=1, **{start: seen[-1] + 1 if seen else 0}))
            seen += [getattr(each.ref, start.removeprefix("start_")) for each in getattr(page, items)]
            if page.end:
                break
            assert len(getattr(page, items)) == 1
        assert len(seen) >= 2
        assert seen == sorted(set(seen))
        assert (await getattr(stub, method)(kind(max_results=10_000))).end
        with pytest.raises(InvalidInput, match="max_results: -1 must not be negative"):
            await getattr(stub, method)(kind(max_results=-1))


async def test_nobody_else_is_told(rig: Rig) -> None:
    """Without a token, or the scope; and where it is off there is no such service."""
    server = await rig.serve(Echo(), channelz=True)
    stub = asking(rig.mesh(channelz=True).channel("echo_svc"))
    with pytest.raises(Unauthenticated):
        await stub.GetServers(pb.GetServersRequest())
    with acting_as(rig.token("echo:read")), pytest.raises(PermissionDenied, match="mesh:read"):
        await stub.GetServers(pb.GetServersRequest())
    assert "grpc.channelz.v1.Channelz" in server.services
    silent = await rig.serve(Echo(), service="other")
    async with bare(rig, silent.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(GET_SERVERS)(b"")
        assert refused.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE)


async def test_operators_of_a_process_of_ones_own_are_told_by_their_certificates(rig: Rig) -> None:
    """As by MeshService; nobody else is, token or not, and a rule at run time is about it as about any other method."""
    async with process(rig, "echo_svc", secured=True, operators=["front"], channelz=True) as callee:
        server = await callee.serve((add_echo, Echo()))
        for caller, allowed in (("front", True), ("other", False)):
            async with process(rig, caller, secured=True, targets={"echo_svc": server.address}, channelz=True) as client:
                stub = asking(client.channel("echo_svc"))
                if allowed:
                    assert (await stub.GetServers(pb.GetServersRequest())).server
                    await EchoStub(client.channel("echo_svc")).Greet(Note())
                else:
                    with acting_as(rig.token("mesh:read")), pytest.raises(PermissionDenied):
                        await stub.GetServers(pb.GetServersRequest())


def test_what_is_not_installed_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it, before anything listens."""
    monkeypatch.setitem(sys.modules, "tocsin.mesh.channelz", None)
    with pytest.raises(ChannelzNotInstalled, match=r"pip install 'tocsin\[channelz\]'"):
        rig.mesh(channelz=True)
    monkeypatch.setattr("tocsin.mesh.library.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"channelz: .*'tocsin-mesh\[channelz\]'"):
        ServiceProcess("front", contract=[], channelz=True)


def test_every_method_has_a_policy() -> None:
    """None is public, and none leaves an entry in the audit log."""
    found = channelz_policies()
    assert len(found) == 7
    assert {(each.scope, each.audited, each.public) for each in found.values()} == {("mesh:read", False, False)}
    assert {each.callers for each in channelz_policies(["ops"]).values()} == {frozenset({"ops"})}
