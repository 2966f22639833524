"""The two commands of the image: certificates and the health check."""

import asyncio
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy import certificates, healthcheck
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.authority import LIFETIME
from tocsin.mesh.identity import Identity
from tocsin.testing.clock import FakeClock

ServingStatus = health_pb2.HealthCheckResponse.ServingStatus


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """Certificates as the job lays them out."""
    certificates.lay_out(tmp_path, trust_domain="example.org", clock=SystemClock())
    return tmp_path


def test_a_service_gets_its_own_files_alone(pki: Path) -> None:
    """A service's folder holds the authority's certificate and the service's pair, readable by the owner alone."""
    for service in certificates.SERVICES:
        assert set(contents(pki / service)) == {"ca.pem", f"{service}.pem", f"{service}-key.pem"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in (pki / service).iterdir()} == {0o600}
    assert "ca-key.pem" in contents(pki / "authority")


def test_a_second_run_changes_nothing(pki: Path) -> None:
    """Certificates that are good stay, so that services have nothing to read again."""
    before = {path: path.stat().st_mtime_ns for path in pki.rglob("*.pem")}
    certificates.lay_out(pki, trust_domain="example.org", clock=SystemClock())
    assert {path: path.stat().st_mtime_ns for path in pki.rglob("*.pem")} == before


async def test_certificates_near_their_end_are_renewed(tmp_path: Path) -> None:
    """Late in a certificate's life the service's folder gets a new pair of the same authority."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    certificates.lay_out(tmp_path, trust_domain="example.org", clock=clock)
    before = contents(tmp_path / "auth_svc")
    later = FakeClock(clock.now() + LIFETIME * 0.8)
    certificates.lay_out(tmp_path, trust_domain="example.org", clock=later)
    after = contents(tmp_path / "auth_svc")
    assert after["ca.pem"] == before["ca.pem"]
    assert after["auth_svc.pem"] != before["auth_svc.pem"]
    assert after["auth_svc-key.pem"] != before["auth_svc-key.pem"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The job ends with 1 and says which path is the trouble."""
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    assert certificates.main([str(obstacle)]) == 1
    assert str(obstacle) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "service"),
    [
        (b"/opt/tocsin/bin/python\0/opt/tocsin/bin/tocsin\0serve\0mailer_svc\0", "mailer_svc"),
        (b"/sbin/docker-init\0--\0tocsin\0serve\0gateway\0", "gateway"),
        (b"/opt/tocsin/bin/python\0-m\0gateway\0", "gateway"),
        (b"tocsin\0migrate\0", None),
        (b"sh\0-c\0gateway_tool\0", None),
        (b"", None),
    ],
)
def test_the_service_is_read_from_the_command_line(command: bytes, service: str | None) -> None:
    """The probe finds out which service its container runs, with and without an init before it."""
    assert healthcheck.service_in(command) == service


class Health(health_pb2_grpc.HealthServicer):
    """Answers every check with one status."""

    def __init__(self, status: ServingStatus) -> None:
        self._status = status

    async def Check(self, request: health_pb2.HealthCheckRequest, context: object) -> health_pb2.HealthCheckResponse:
        return health_pb2.HealthCheckResponse(status=self._status)


@asynccontextmanager
async def grpc_service(pki: Path, service: str, status: ServingStatus) -> AsyncGenerator[ServiceSettings]:
    """A server with the mesh's identity of ``service`` whose health is ``status``; gives the settings that lead to it."""
    own = pki / service
    files = {"tls_ca_file": own / "ca.pem", "tls_cert_file": own / f"{service}.pem", "tls_key_file": own / f"{service}-key.pem"}
    settings = healthcheck.settings_kind(service).model_validate({**files, "trust_domain": "example.org"})
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(Health(status), server)
    port = server.add_secure_port("127.0.0.1:0", Identity.of(settings, service=service).server_credentials())
    await server.start()
    yield settings.model_copy(update={"port": port})
    await server.stop(0)


@pytest.mark.parametrize(
    ("status", "problem"),
    [(ServingStatus.SERVING, None), (ServingStatus.NOT_SERVING, "NOT_SERVING")],
)
async def test_a_service_is_as_healthy_as_it_says(pki: Path, status: ServingStatus, problem: str | None) -> None:
    """The probe speaks mutual TLS with the service's own certificate and passes on what the service answers."""
    async with grpc_service(pki, "processor_svc", status) as settings:
        assert await asyncio.to_thread(healthcheck.ask_grpc, "processor_svc", settings) == problem


async def test_another_service_in_its_place_is_not_healthy(pki: Path) -> None:
    """A server with another service's certificate does not pass."""
    async with grpc_service(pki, "processor_svc", ServingStatus.SERVING) as settings:
        own = pki / "mailer_svc"
        stranger = settings.model_copy(update={"tls_cert_file": own / "mailer_svc.pem", "tls_key_file": own / "mailer_svc-key.pem"})
        assert await asyncio.to_thread(healthcheck.ask_grpc, "mailer_svc", stranger) is not None


@pytest.mark.parametrize(("status", "healthy"), [("200 OK", True), ("503 Service Unavailable", False), ("500 Oops", False)])
async def test_a_gateway_is_healthy_when_it_answers(status: str, healthy: bool) -> None:
    """A gateway whose services are away still answers 200; anything else means that it does not work."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health"
        problem = await asyncio.to_thread(healthcheck.ask_http, url)
    assert (problem is None) == healthy


def test_a_gateway_that_is_gone_is_not_healthy() -> None:
    """A refused connection is a problem, not a crash."""
    assert healthcheck.ask_http("http://127.0.0.1:1/health") is not None


def test_an_unknown_service_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The names that exist are in the message."""
    assert healthcheck.main(["scheduler"]) == 2
    assert "scheduler_svc" in capsys.readouterr().err
