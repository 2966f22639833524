"""Certificates and authorities change while calls go on; replicas go, and their connections with them."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.clock import SystemClock
from tocsin.errors import Unavailable
from tocsin.mesh.authority import Authority, make_ca
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.client.renewal import CHECK_SECONDS, GONE_SECONDS, RESOLVE_SECONDS
from tocsin.mesh.health import Health
from tocsin.mesh.identity import CertificateExpired
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

DOMAIN = "tocsin.local"


def authority() -> Authority:
    """A new one."""
    return make_ca(trust_domain=DOMAIN, clock=SystemClock())


class Files:
    """The certificates of a rig's services, to be replaced as a cert-manager does it."""

    def __init__(self, rig: Rig) -> None:
        self._folder: Path = rig.folder / "pki"

    def trust(self, *authorities: Authority) -> None:
        """Replaces the bundle."""
        self._put("ca.pem", b"".join(one.certificate.public_bytes(Encoding.PEM) for one in authorities))

    def issue(self, service: str, issuer: Authority, lifetime: timedelta = timedelta(days=1)) -> int:
        """Replaces a pair, the key first; returns the certificate's serial number."""
        certificate, key = issuer.issue(service=service, trust_domain=DOMAIN, clock=SystemClock(), lifetime=lifetime)
        self._put(f"{service}-key.pem", key)
        self._put(f"{service}.pem", certificate)
        return x509.load_pem_x509_certificate(certificate).serial_number

    def _put(self, name: str, content: bytes) -> None:
        fresh = self._folder / f".{name}"
        fresh.write_bytes(content)
        fresh.replace(self._folder / name)


class Witness(Echo):
    """Remembers with which certificates it was called."""

    def __init__(self) -> None:
        super().__init__(self._note)
        self.serials: list[int] = []

    async def _note(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        pem = next(iter(context.auth_context()["x509_pem_cert"]))
        self.serials.append(x509.load_pem_x509_certificate(pem).serial_number)
        return request


@pytest.fixture
def first(rig: Rig) -> Authority:
    """The authority that everybody trusts at first."""
    made = authority()
    files = Files(rig)
    files.trust(made)
    for service in ("front", "echo_svc"):
        files.issue(service, made)
    return made


@asynccontextmanager
async def calls(mesh: Mesh) -> AsyncGenerator[list[int]]:
    """Calls without pause; an error ends the test. Yields the count so far, in a list of one."""
    stub, count, over = EchoStub(mesh.channel("echo_svc")), [0], asyncio.Event()

    async def one_after_the_other() -> None:
        while not over.is_set():
            number = count[0]
            assert (await stub.Greet(Note(number=number))).number == number
            count[0] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(one_after_the_other())
        yield count
        over.set()


async def used(witness: Witness, serial: int, clock: FakeClock) -> None:
    """Waits until the last calls bear the certificate ``serial``."""

    async def seen() -> bool:
        await clock.advance(CHECK_SECONDS)
        return witness.serials[-6:] == [serial] * 6

    await eventually(seen, what="the new certificate")


def presented(address: str, rig: Rig) -> int:
    """The serial number of the certificate that a server shows to a new connection."""
    pki = rig.folder / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    context.load_cert_chain(pki / "front.pem", pki / "front-key.pem")
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw, context.wrap_socket(raw, server_hostname="echo_svc") as tls:
        certificate = tls.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


async def test_a_client_takes_a_rotated_certificate_without_a_failed_call(rig: Rig, clock: FakeClock, first: Authority) -> None:
    """New calls bear the new certificate; a stream that was open goes on where it is, to its end."""
    witness = Witness()
    await rig.serve(witness)
    mesh = rig.mesh()
    await mesh.start()
    chat = EchoStub(mesh.channel("echo_svc")).Chat()
    await chat.write(Note(number=1))
    assert (await chat.read()).number == 1
    async with calls(mesh) as count:
        await eventually(lambda: count[0] > 10)
        for _ in range(2):
            await used(witness, Files(rig).issue("front", first), clock)
    await chat.write(Note(number=2))
    assert (await chat.read()).number == 2
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert witness.serials[-1] == witness.serials[0]


async def test_a_server_takes_a_rotated_certificate_without_a_failed_call(rig: Rig, first: Authority) -> None:
    """The next handshake shows it."""
    server = await rig.serve(Echo())
    mesh = rig.mesh()
    await mesh.start()
    async with calls(mesh) as count:
        await eventually(lambda: count[0] > 10)
        serial = Files(rig).issue("echo_svc", first)
        assert await asyncio.to_thread(presented, server.address, rig) == serial
        done = count[0]
        await eventually(lambda: count[0] > done + 10)


async def test_an_authority_is_replaced_by_way_of_a_bundle(rig: Rig, clock: FakeClock, first: Authority) -> None:
    """Trust both, issue anew, trust the new one alone: no call fails, and at the end nothing is left of the old one."""
    files, second, witness = Files(rig), authority(), Witness()
    await rig.serve(witness)
    mesh = rig.mesh()
    await mesh.start()
    async with calls(mesh) as count:
        await eventually(lambda: count[0] > 10)
        files.trust(first, second)
        await used(witness, files.issue("front", second), clock)
        files.issue("echo_svc", second)
        files.trust(second)
        # Without the old authority a connection proves that the server shows a certificate of the new one.
        await used(witness, files.issue("front", second), clock)
    files.issue("front", first)
    outdated = rig.mesh()
    with pytest.raises(Unavailable):
        await EchoStub(outdated.channel("echo_svc")).Greet(Note())


async def test_a_pair_that_does_not_fit_together_changes_nothing(rig: Rig, clock: FakeClock, first: Authority) -> None:
    """A key that is there before its certificate, and a certificate of strangers: what stood before goes on."""
    witness = Witness()
    await rig.serve(witness)
    mesh = rig.mesh()
    await mesh.start()
    pki = rig.folder / "pki"
    async with calls(mesh) as count:
        await eventually(lambda: count[0] > 10)
        old = witness.serials[-1]
        (pki / "front-key.pem").write_bytes((pki / "other-key.pem").read_bytes())
        await clock.advance(CHECK_SECONDS)
        done = count[0]
        await eventually(lambda: count[0] > done + 10)
        assert set(witness.serials) == {old}
        Files(rig).issue("front", authority())
        await clock.advance(CHECK_SECONDS)
        done = count[0]
        await eventually(lambda: count[0] > done + 10)
        assert set(witness.serials) == {old}
    with pytest.raises(Unavailable):
        await EchoStub(rig.mesh().channel("echo_svc")).Greet(Note())


async def test_an_expired_certificate_is_named_and_its_renewal_is_enough(rig: Rig, clock: FakeClock, first: Authority) -> None:
    """The client says so before it dials, the server by its health; with new files both work again as they are."""
    files = Files(rig)
    server = await rig.serve(Echo())
    mesh = rig.mesh()
    await mesh.start()
    stub = EchoStub(mesh.channel("echo_svc"))
    await stub.Greet(Note())
    for service in ("front", "echo_svc"):
        files.issue(service, first, lifetime=timedelta(seconds=1))
    ends = time.monotonic() + 1.0
    await eventually(lambda: time.monotonic() > ends)
    await clock.advance(CHECK_SECONDS)
    with pytest.raises(CertificateExpired, match=r"certificate of front expired at 2\d{3}-"):
        await stub.Greet(Note())
    assert server.health.health is Health.UNAVAILABLE
    assert "certificate of echo_svc expired" in server.health.dependencies[0].detail
    for service in ("front", "echo_svc"):
        files.issue(service, first)
    await clock.advance(CHECK_SECONDS)
    await eventually(lambda: server.health.health is Health.HEALTHY)
    await stub.Greet(Note())


async def test_an_overdue_renewal_shows_in_health(rig: Rig, first: Authority) -> None:
    """With less than a sixth of its life left a certificate degrades the service that bears it."""
    Files(rig).issue("echo_svc", first, lifetime=timedelta(seconds=30))
    server = await rig.serve(Echo())
    assert server.health.health is Health.DEGRADED
    assert "was not renewed" in server.health.dependencies[0].detail


async def test_a_replica_that_is_gone_for_a_minute_is_let_go_of(rig: Rig, clock: FakeClock, first: Authority) -> None:
    """Its connection and its breakers go; a call that is under way on it ends in its time; one that is back stays."""
    del first
    breakers = BreakerRegistry(clock=clock)
    servers = [await rig.serve(Echo()) for _ in range(3)]
    rig.targets["echo_svc"] = "ipv4:" + ",".join(server.address for server in servers)
    mesh = rig.mesh(breakers=breakers)
    await mesh.start()
    kept, gone, back = (server.address for server in servers)
    channels = {address: mesh.channel("echo_svc", endpoint=address) for address in (kept, gone, back)}
    for channel in channels.values():
        await EchoStub(channel).Greet(Note())
    chat = EchoStub(channels[gone]).Chat()
    await chat.write(Note(number=1))
    await chat.read()
    rig.targets["echo_svc"] = f"ipv4:{kept}"
    await clock.advance(RESOLVE_SECONDS)
    rig.targets["echo_svc"] = f"ipv4:{kept},{back}"
    await clock.advance(GONE_SECONDS + CHECK_SECONDS)
    assert mesh.channel("echo_svc", endpoint=kept) is channels[kept]
    assert mesh.channel("echo_svc", endpoint=back) is channels[back]
    assert not any(gone in item.id for item in breakers.snapshot())
    await chat.write(Note(number=2))
    assert (await chat.read()).number == 2
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert mesh.channel("echo_svc", endpoint=gone) is not channels[gone]
