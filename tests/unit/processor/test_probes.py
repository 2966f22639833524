"""Probes against real servers: what each finds good, and what not."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from processor_svc.domain import Json, MetricReading
from processor_svc.probes import (
    CheckFailed,
    CheckForbidden,
    CheckSpec,
    DnsProbe,
    GrpcProbe,
    HttpProbe,
    Probe,
    SensorProbe,
    ServiceProbe,
    SmtpProbe,
    TcpProbe,
)
from tests.unit.processor.kinds import LOOPBACK
from tocsin.clock import SECOND, SystemClock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient
from tocsin.egress.network import Connector
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage


async def loopback(host: str, port: int) -> list[str]:
    """Every name leads here."""
    return ["127.0.0.1"]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext, Path]:
    """TLS of a server named localhost, of clients that trust it, and the folder of the keys."""
    folder = tmp_path_factory.mktemp("pki")
    ensure_pki(folder=folder, services=["sink"], trust_domain="tocsin.local", clock=SystemClock())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "sink.pem", folder / "sink-key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "ca.pem")), folder


def port_probe(kind: type[TcpProbe], *, tls: ssl.SSLContext, allowed: AllowedTargets = LOOPBACK) -> TcpProbe:
    """A probe of ports whose names all lead to the loopback."""
    return kind(connector=Connector(allowed=allowed, resolve=loopback), allowed=allowed, tls=tls, clock=SystemClock())


async def found(probe: Probe, spec: CheckSpec) -> tuple[str, Mapping[str, Json]]:
    """Why it failed, empty if it did not, and what was found."""
    try:
        async with asyncio.timeout(60):
            return "", await probe.look("t1", spec)
    except CheckFailed as error:
        return str(error), error.facts


@contextlib.asynccontextmanager
async def web(*, tls: ssl.SSLContext | None = None) -> AsyncGenerator[HttpProbe]:
    """A probe of URLs."""
    client = HttpClient(allowed=LOOPBACK, tls=tls, resolve=loopback)
    yield HttpProbe(client=client, allowed=LOOPBACK, clock=SystemClock())
    await client.close()


@pytest.mark.parametrize(
    ("reply", "fields", "reason"),
    [
        (Reply(status=204), {}, ""),
        (Reply(status=301), {}, "it answered with status 301"),
        (Reply(status=301), {"statuses": ("200", "300-399")}, ""),
        (Reply(status=404), {"statuses": ("4xx",)}, ""),
        (Reply(status=200), {"statuses": ("201",)}, "it answered with status 200"),
        (Reply(status=500), {}, "it answered with status 500"),
        (Reply(body="größer".encode()), {"contains": "größ"}, ""),
        (Reply(body=b"maintenance"), {"contains": "ok"}, "its answer does not hold what it should"),
        (Reply(raw=b""), {}, "the connection was closed before a whole answer came"),
        (Reply(raw=b"hello\r\n\r\n"), {}, "what came is not HTTP"),
    ],
)
async def test_what_an_answer_means(reply: Reply, fields: dict[str, Any], reason: str) -> None:
    """Status and body are judged; no redirect is followed."""
    async with HttpSink() as sink, web() as probe:
        sink.script(reply)
        said, facts = await found(probe, CheckSpec(target="http", subject=f"{sink.url}/health", **fields))
    assert said == reason
    assert facts == ({"status": reply.status} if reply.raw is None else {})
    assert [(seen.method, seen.target) for seen in sink.requests] == [("GET", "/health")]


async def test_the_days_of_a_certificate(contexts: tuple[ssl.SSLContext, ssl.SSLContext, Path]) -> None:
    """They are told, and too few of them are a failure; so is one that is not good at all."""
    server, trusting, _ = contexts
    async with HttpSink(tls=server) as sink:
        url = f"https://localhost:{sink.port}/"
        async with web(tls=trusting) as probe:
            for least, reason in ((0, ""), (300, ""), (400, "its certificate is good for 364 more days")):
                said, facts = await found(probe, CheckSpec(target="http", subject=url, certificate_days=least))
                assert said == reason
                assert isinstance(facts["certificateDays"], float)
                assert 363 < facts["certificateDays"] < 366
        async with web() as probe:
            said, _ = await found(probe, CheckSpec(target="http", subject=url))
            assert said.startswith("its certificate is not good")


async def test_a_port(contexts: tuple[ssl.SSLContext, ssl.SSLContext, Path]) -> None:
    """Somebody listens, speaks TLS with a certificate that is good for long enough, or not."""
    server, trusting, _ = contexts
    probe = port_probe(TcpProbe, tls=trusting)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert await found(probe, CheckSpec(target="tcp", subject=f"localhost:{nobody.getsockname()[1]}")) == ("Connection refused", {})
    async with HttpSink(tls=server) as secure, HttpSink() as plain:
        assert await found(probe, CheckSpec(target="tcp", subject=f"127.0.0.1:{plain.port}")) == ("", {})
        said, facts = await found(probe, CheckSpec(target="tcp", subject=f"localhost:{secure.port}", tls=True, certificate_days=400))
        assert (said, list(facts)) == ("its certificate is good for 364 more days", ["certificateDays"])
        said, _ = await found(probe, CheckSpec(target="tcp", subject=f"other.example.com:{secure.port}", tls=True))
        assert said.startswith("its certificate is not good")
    greeter = SmtpSink()
    await greeter.start()
    try:
        said, _ = await found(probe, CheckSpec(target="tcp", subject=f"localhost:{greeter.port}", tls=True))
        assert said.startswith("TLS failed")
    finally:
        await greeter.stop()


async def test_a_mail_server(contexts: tuple[ssl.SSLContext, ssl.SSLContext, Path]) -> None:
    """It greets and takes EHLO; with TLS, it offers STARTTLS with a good certificate."""
    server, trusting, _ = contexts
    probe = port_probe(SmtpProbe, tls=trusting)
    sink = SmtpSink(tls=server)
    await sink.start()
    try:
        subject = f"localhost:{sink.port}"
        assert await found(probe, CheckSpec(target="smtp", subject=subject)) == ("", {})
        said, facts = await found(probe, CheckSpec(target="smtp", subject=subject, tls=True))
        assert (said, list(facts)) == ("", ["certificateDays"])
        sink.script(Stage.CONNECT, ScriptedReply(421, "busy"))
        assert (await found(probe, CheckSpec(target="smtp", subject=subject)))[0] == "it answered with 421"
        sink.script(Stage.CONNECT, SmtpFault.CUT)
        assert (await found(probe, CheckSpec(target="smtp", subject=subject)))[0] != ""
    finally:
        await sink.stop()
    async with HttpSink() as other:
        said, _ = await found(probe, CheckSpec(target="smtp", subject=f"localhost:{other.port}", timeout_seconds=0.3))
        assert said != ""


async def test_grpc_health(contexts: tuple[ssl.SSLContext, ssl.SSLContext, Path]) -> None:
    """By the standard protocol, plain and with TLS; a service that is not known, or does not serve, fails."""
    _, trusting, folder = contexts
    probe = port_probe(GrpcProbe, tls=trusting)
    asynchronous: Any = vars(health)["aio"]  # its stubs do not know it
    server, servicer = grpc.aio.server(), asynchronous.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    key, chain = (folder / "sink-key.pem").read_bytes(), (folder / "sink.pem").read_bytes()
    plain = server.add_insecure_port("127.0.0.1:0")
    secure = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    await server.start()
    try:
        await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        await servicer.set("tired", health_pb2.HealthCheckResponse.NOT_SERVING)
        for service, said in (("", ""), ("tired", "it says NOT_SERVING"), ("nobody", "it says NOT_FOUND")):
            assert (await found(probe, CheckSpec(target="grpc", subject=f"localhost:{plain}", grpc_service=service)))[0] == said
        good = CheckSpec(target="grpc", subject=f"localhost:{secure}", tls=True, certificate_days=10)
        said, facts = await found(probe, good)
        assert (said, facts["serving"]) == ("", "SERVING")
        assert "certificateDays" in facts
        said, _ = await found(probe, CheckSpec(target="grpc", subject=f"other.example.com:{secure}", tls=True))
        assert said == "it says UNAVAILABLE"
    finally:
        await server.stop(None)


class Names(asyncio.DatagramProtocol):
    """A name server."""

    RECORDS: ClassVar = {
        ("www.example.com.", "A"): ["93.184.215.14", "93.184.215.15"],
        ("inside.example.com.", "A"): ["10.0.0.7"],
        ("example.com.", "MX"): ["10 mail.example.com."],
        ("example.com.", "TXT"): ['"v=spf1 -all"'],
    }

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        answer = dns.message.make_response(query)
        name, kind = question.name.to_text().lower(), question.rdtype.name
        texts = self.RECORDS.get((name, kind))
        if texts:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *texts))
        elif name not in {known for known, _ in self.RECORDS}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if name != "silent.example.com.":
            self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def resolver() -> AsyncGenerator[dns.asyncresolver.Resolver]:
    """A resolver that asks `Names`."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    yield made
    transport.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x08\x63", "99"),
        (b"\x08" + b"\xff" * 9 + b"\x01", "-1"),
        (b"\xff\xff", "nothing that can be read"),
        (b"", "UNKNOWN"),
        (b"x" * 100_000, "RESOURCE_EXHAUSTED"),
    ],
)
async def test_grpc_health_that_is_none(contexts: tuple[ssl.SSLContext, ssl.SSLContext, Path], answer: bytes, said: str) -> None:
    """A status that nobody knows, and bytes that are no message: told as they are, without an error of ours."""

    async def check(_request: bytes, _context: object) -> bytes:
        return answer

    server = grpc.aio.server()
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        found_, _ = await found(port_probe(GrpcProbe, tls=contexts[1]), CheckSpec(target="grpc", subject=f"localhost:{port}"))
    finally:
        await server.stop(None)
    assert found_ == f"it says {said}"


@pytest.mark.parametrize(
    ("subject", "fields", "reason"),
    [
        ("www.example.com", {}, ""),
        ("www.example.com", {"expected": ("93.184.215.15",)}, ""),
        ("www.example.com", {"expected": ("93.184.215.15", "1.1.1.1")}, "it lacks 1.1.1.1"),
        ("example.com", {"record_type": "MX", "expected": ("10 Mail.example.com",)}, ""),
        ("example.com", {"record_type": "TXT", "expected": ("v=spf1 -all",)}, ""),
        ("example.com", {"record_type": "AAAA"}, "it has no AAAA record"),
        ("nobody.example.com", {}, "there is no such name"),
        ("silent.example.com", {"timeout_seconds": 0.2}, "the resolver did not answer: LifetimeTimeout"),
    ],
)
async def test_names(resolver: dns.asyncresolver.Resolver, subject: str, fields: dict[str, Any], reason: str) -> None:
    """Records are there, and hold what they should."""
    said, _ = await found(DnsProbe(allowed=LOOPBACK, resolver=resolver), CheckSpec(target="dns", subject=subject, **fields))
    assert said == reason


async def test_names_of_the_operators_network_are_not_told(resolver: dns.asyncresolver.Resolver) -> None:
    """Unless they are opened."""
    spec = CheckSpec(target="dns", subject="inside.example.com")
    with pytest.raises(CheckForbidden, match="private"):
        await found(DnsProbe(allowed=LOOPBACK, resolver=resolver), spec)
    allowed = AllowedTargets.parse(["inside.example.com"])
    assert await found(DnsProbe(allowed=allowed, resolver=resolver), spec) == ("", {"records": ["10.0.0.7"]})


class Cellar:
    """Readings of one metric."""

    def __init__(self, reading: MetricReading | None) -> None:
        self.reading = reading

    async def latest(self, tenant: str, metric: str) -> MetricReading | None:
        return self.reading if (tenant, metric) == ("t1", "cellar") else None

    async def record(self, tenant: str, values: Mapping[str, float], *, id: str, source: str) -> None:  # noqa: A002  of the port
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "age", "limits", "reason"),
    [
        (5.0, 1, {"minimum": 5.0, "maximum": 5.0}, ""),
        (4.9, 1, {"minimum": 5.0}, "4.9 is below 5"),
        (5.1, 1, {"maximum": 5.0}, "5.1 is above 5"),
        (5.0, 61, {"max_age_seconds": 60.0}, "its last reading is 61 s old"),
        (5.0, 59, {"max_age_seconds": 60.0}, ""),
        (None, 0, {"minimum": 0.0}, "there is no reading"),
    ],
)
async def test_a_sensor(clock: FakeClock, value: float | None, age: int, limits: dict[str, Any], reason: str) -> None:
    """The latest reading of the tenant's metric is judged by its value and its age."""
    reading = None if value is None else MetricReading(value, clock.micros() / SECOND - age)
    said, _ = await found(SensorProbe(readings=Cellar(reading), clock=clock), CheckSpec(target="sensor", subject="cellar", **limits))
    assert said == reason


class Doctor:
    """Says the health of services."""

    async def of(self, service: str) -> str:
        return {"mailer": "degraded", "scheduler": "healthy"}.get(service, "unavailable")


@pytest.mark.parametrize(("service", "reason"), [("scheduler", ""), ("mailer", ""), ("auth", "it is unavailable")])
async def test_a_service(service: str, reason: str) -> None:
    """A degraded one works."""
    said, facts = await found(ServiceProbe(health=Doctor()), CheckSpec(target="service", subject=service))
    assert said == reason
    assert "health" in facts


CLOSED = AllowedTargets()


@pytest.mark.parametrize(
    ("target", "subject", "words"),
    [
        ("http", "http://10.0.0.1/", "private"),
        ("http", "https://[::1]/", "loopback"),
        ("http", "https://localhost/", "not a name of the public internet"),
        ("tcp", "192.168.0.1:22", "private"),
        ("tcp", "0x7f.1:22", "four decimal"),
        ("tcp", "example.com:0", "port"),
        ("tcp", "example.com:99999", "not a URL"),
        ("smtp", "[fe80::1]:25", "link-local"),
        ("grpc", "127.0.0.1:443", "loopback"),
    ],
)
async def test_private_targets_are_refused_before_and_at_the_connection(target: str, subject: str, words: str) -> None:
    """Whatever the protocol: by what is written, and by what a name leads to."""
    client = HttpClient(allowed=CLOSED, resolve=loopback)
    tls = ssl.create_default_context()
    probes: dict[str, Probe] = {
        "http": HttpProbe(client=client, allowed=CLOSED, clock=SystemClock()),
        **{kind.target: port_probe(kind, tls=tls, allowed=CLOSED) for kind in (TcpProbe, SmtpProbe, GrpcProbe)},
    }
    (problem,) = probes[target].problems(CheckSpec(target=target, subject=subject))
    assert (problem.field, problem.tentative) == (target, False)
    assert words in problem.reason
    named = "http://inside.example.com/" if target == "http" else "inside.example.com:443"
    assert not probes[target].problems(CheckSpec(target=target, subject=named))
    with pytest.raises(CheckForbidden, match="loopback"):
        await probes[target].look("t1", CheckSpec(target=target, subject=named))
    await client.close()
