"""Who may call: certificates, callers, tokens, scopes."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, Note, Rig, add_hop, path
from tocsin.clock import SystemClock
from tocsin.errors import PermissionDenied, Unauthenticated, Unavailable
from tocsin.mesh.authority import ensure_pki, make_ca
from tocsin.mesh.context import Call, CallOrigin, acting_as, current, enter, principal, user_agent
from tocsin.testing.clock import FakeClock


@pytest.mark.parametrize("method", ["Say", "Put"])
async def test_without_a_token_nobody_gets_in(rig: Rig, method: str) -> None:
    """A certificate alone is not a user."""
    servicer = Echo()
    await rig.serve(servicer)
    with pytest.raises(Unauthenticated):
        await getattr(rig.stub(), method)(Note())
    assert servicer.calls == 0


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "bearer x.y.z", "token"])
async def test_a_header_that_is_no_good_token_is_refused(rig: Rig, header: str) -> None:
    """UNAUTHENTICATED, whatever is in it."""
    await rig.serve(Echo())
    with pytest.raises(Unauthenticated):
        await rig.stub().Say(Note(), metadata=[("authorization", header)])


async def test_a_scope_is_demanded(rig: Rig) -> None:
    """A token without the method's scope is known, and may not."""
    await rig.serve(Echo())
    with acting_as(rig.token("echo:write")), pytest.raises(PermissionDenied) as raised:
        await rig.stub().Say(Note())
    assert (raised.value.error_reason, raised.value.metadata["scope"]) == ("SCOPE_MISSING", "echo:read")


async def test_an_expired_token_is_refused_even_if_it_was_good(rig: Rig, clock: FakeClock) -> None:
    """A remembered token ends like any other."""
    await rig.serve(Echo())
    stub = rig.stub()
    with acting_as(rig.token(lifetime=60)):
        await stub.Say(Note())
        clock.set(clock.now() + timedelta(seconds=66))
        with pytest.raises(Unauthenticated) as raised:
            await stub.Say(Note())
    assert raised.value.error_reason == "TOKEN_EXPIRED"


async def test_a_public_method_needs_no_token_and_sees_no_user(rig: Rig) -> None:
    """Whatever stands in the header is not looked at."""

    async def look(request: Any, _: Any) -> Any:
        with pytest.raises(Unauthenticated):
            principal()
        return request

    await rig.serve(Echo(look))
    await rig.stub().Greet(Note(), metadata=[("authorization", "garbage")])


@pytest.mark.parametrize(("caller", "allowed"), [("front", True), ("other", False)])
async def test_callers_are_checked_against_the_certificate(rig: Rig, caller: str, allowed: bool) -> None:
    """An internal method serves the services on its list, and no other, whatever token they have."""
    await rig.serve(Echo())
    with acting_as(rig.token()):
        call = rig.stub(caller).Inside(Note())
        if allowed:
            await call
        else:
            with pytest.raises(PermissionDenied) as raised:
                await call
            assert (raised.value.error_reason, raised.value.metadata["caller"]) == ("CALLER_REFUSED", "other")


async def test_an_internal_method_without_scope_needs_no_user(rig: Rig) -> None:
    """The certificate decides; a token that travels along is verified all the same."""
    await rig.serve(Echo(), add=add_hop)
    hop = rig.mesh().channel("echo_svc").unary_unary("/tocsin.test.v1.HopService/Hop")
    await hop(b"")
    with acting_as("not.a.token"), pytest.raises(Unauthenticated):
        await hop(b"")


async def connect(rig: Rig, address: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    """How a call over a bare channel ends."""
    options = [("grpc.ssl_target_name_override", "echo_svc")]
    channel = grpc.aio.secure_channel(address, credentials, options) if credentials else grpc.aio.insecure_channel(address)
    async with channel:
        try:
            await channel.unary_unary(path("Greet"))(b"", timeout=60)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("who", ["plaintext", "no certificate", "foreign authority", "expired", "good"])
async def test_only_certificates_of_this_mesh_connect(rig: Rig, who: str) -> None:
    """Everything else fails in the handshake."""
    server = await rig.serve(Echo())
    settings, clock = rig.settings("front"), SystemClock()
    ca = settings.tls_ca_file.read_bytes()
    credentials: grpc.ChannelCredentials | None = None
    if who == "no certificate":
        credentials = grpc.ssl_channel_credentials(ca)
    elif who == "foreign authority":
        foreign = make_ca(trust_domain="tocsin.local", clock=clock)
        certificate, key = foreign.issue(service="front", trust_domain="tocsin.local", clock=clock)
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    elif who == "expired":
        past = FakeClock(clock.now() - timedelta(days=800))
        folder = rig.folder / "expired"
        ensure_pki(folder=folder, services=["front"], trust_domain="tocsin.local", clock=past)
        credentials = grpc.ssl_channel_credentials(ca, (folder / "front-key.pem").read_bytes(), (folder / "front.pem").read_bytes())
    elif who == "good":
        credentials = grpc.ssl_channel_credentials(ca, settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())
    expected = grpc.StatusCode.OK if who == "good" else grpc.StatusCode.UNAVAILABLE
    assert await connect(rig, server.address, credentials) is expected


async def test_an_expired_certificate_of_this_authority_is_refused(rig: Rig) -> None:
    """Not only its issuer counts."""
    past, clock = FakeClock(SystemClock().now() - timedelta(days=400)), SystemClock()
    folder = rig.folder / "old"
    ensure_pki(folder=folder, services=["echo_svc", "front"], trust_domain="tocsin.local", clock=past)
    ca = (folder / "ca.pem").read_bytes()
    expired = grpc.ssl_channel_credentials(ca, (folder / "front-key.pem").read_bytes(), (folder / "front.pem").read_bytes())
    ensure_pki(folder=folder, services=["echo_svc", "front"], trust_domain="tocsin.local", clock=clock)
    assert (folder / "ca.pem").read_bytes() == ca
    files: dict[str, Any] = {
        "tls_ca_file": folder / "ca.pem",
        "tls_cert_file": folder / "echo_svc.pem",
        "tls_key_file": folder / "echo_svc-key.pem",
    }
    server = await rig.serve(Echo(), **files)
    assert await connect(rig, server.address, expired) is grpc.StatusCode.UNAVAILABLE
    fresh = grpc.ssl_channel_credentials(ca, (folder / "front-key.pem").read_bytes(), (folder / "front.pem").read_bytes())
    assert await connect(rig, server.address, fresh) is grpc.StatusCode.OK


async def test_a_client_refuses_another_service_at_the_address(rig: Rig) -> None:
    """A server must be who was asked for, not merely a member of the mesh."""
    servicer = Echo()
    server = await rig.serve(servicer, service="other")
    rig.targets["echo_svc"] = server.address
    with pytest.raises(Unavailable):
        await rig.stub().Greet(Note())
    assert servicer.calls == 0


async def test_a_server_takes_a_rotated_certificate_without_restart(rig: Rig) -> None:
    """New connections see the new files; damaged ones leave the old certificate in place."""
    server = await rig.serve(Echo())
    settings = rig.settings("echo_svc")
    mine = rig.settings("front")
    old_ca = mine.tls_ca_file.read_bytes()
    old = grpc.ssl_channel_credentials(old_ca, mine.tls_key_file.read_bytes(), mine.tls_cert_file.read_bytes())
    assert await connect(rig, server.address, old) is grpc.StatusCode.OK
    for path_ in settings.tls_ca_file.parent.iterdir():
        path_.unlink()
    assert await connect(rig, server.address, old) is grpc.StatusCode.OK, "missing files change nothing"
    ensure_pki(folder=settings.tls_ca_file.parent, services=["echo_svc", "front"], trust_domain="tocsin.local", clock=SystemClock())
    assert await connect(rig, server.address, old) is grpc.StatusCode.UNAVAILABLE
    new = grpc.ssl_channel_credentials(mine.tls_ca_file.read_bytes(), mine.tls_key_file.read_bytes(), mine.tls_cert_file.read_bytes())
    assert await connect(rig, server.address, new) is grpc.StatusCode.OK


@pytest.mark.parametrize(("service", "believed"), [("gateway", True), ("front", False), ("other", False)])
async def test_only_the_door_says_where_a_call_comes_from(rig: Rig, service: str, believed: bool) -> None:
    """A service that calls by itself has no client; what it claims, by its own words or another's, counts for nothing."""
    seen: list[tuple[str, str]] = []

    async def look(request: Any, _: Any) -> Any:
        call = current()
        assert call is not None
        seen.append((call.client_address, call.user_agent))
        return request

    await rig.serve(Echo(look))
    enter(Call(authorization=f"Bearer {rig.token()}", forwarded=CallOrigin("203.0.113.9", "curl/8")))
    await rig.stub(service).Say(Note())
    enter(Call(authorization=f"Bearer {rig.token()}"))
    await rig.stub(service).Say(Note(), metadata=[("x-tocsin-client-address", "9" * 999), ("x-tocsin-user-agent", "a" * 999)])
    enter(Call())
    await rig.stub(service).Greet(Note())
    assert seen == [("203.0.113.9", "curl/8"), ("9" * 64, "a" * 200), ("", "")] if believed else [("", "")] * 3


def test_a_user_agent_can_be_shown_and_sent_on() -> None:
    """Whatever a client calls itself; metadata takes printable ASCII alone."""
    assert user_agent("curl/8\r\nx-evil: 1\x00 \u00fc".encode()) == "curl/8??x-evil: 1? ??"
    assert len(user_agent(b"a" * 9_000)) == 200
