"""Mails through the whole of mailer_svc into a local SMTP sink: Deliver stream, durable accept, claim, mark, SMTP, durable outcome.

The mailer is a process of its own; this one plays the processor and the SMTP server.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.api.mailer.v1 import delivery_service_pb2_grpc as rpc
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.identity import ensure_pki
from tocsin.telemetry import Telemetry
from tocsin.testing.process import accepts, free_port
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.waiting import eventually

BATCH = 200
CONNECTIONS = 64
_READY = b"GET /readyz HTTP/1.1\r\nHost: mailer\r\n\r\n"


async def measure(*, mails: int, url: str) -> dict[str, Any]:
    """Hands ``mails`` messages in and waits until the sink has taken every one.

    Args:
        mails: how many.
        url: the mailer's database.

    Returns:
        Rates a second of acceptance (durable, acknowledged) and of arrival, and whether any mail was lost or doubled.
    """
    sink = SmtpSink()
    await sink.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with _mailer(Path(folder), url=url, smtp_port=sink.port) as (stub, pid):
                return await _drain(stub, pid, sink, mails)
    finally:
        await sink.stop()


async def _drain(stub: Any, pid: int, sink: SmtpSink, mails: int) -> dict[str, Any]:
    started, busy = time.perf_counter(), _processor_seconds(pid)
    acknowledged = 0
    async for response in stub.Deliver(_batches(mails)):
        acknowledged += sum(not ack.reason for ack in response.acks)
    accepted = time.perf_counter() - started
    await sink.received(mails, seconds=600)
    arrived = time.perf_counter() - started
    await asyncio.sleep(0.5)
    return {
        "mails": mails,
        "accepted_per_second": round(acknowledged / accepted),
        "mails_per_second": round(mails / arrived),
        "seconds": round(arrived, 2),
        "mailer_processor_ms_per_mail": round((_processor_seconds(pid) - busy) * 1000 / mails, 3),
        "lost": mails - len({item.message["Message-ID"] for item in sink.messages}),
        "doubled": sink.taken - mails,
    }


def _processor_seconds(pid: int) -> float:
    """What a process has used so far, in user and in system mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _batches(mails: int) -> AsyncIterator[pb.DeliverRequest]:
    for first in range(0, mails, BATCH):
        yield pb.DeliverRequest(messages=[_message(key) for key in range(first, min(first + BATCH, mails))])


def _message(key: int) -> pb.OutgoingMessage:
    content = pb.InlineContent(subject="Stand-up", text="In five minutes.\n")
    return pb.OutgoingMessage(key=key, tenant="bench", firing=f"f{key}", to=f"u{key}@example.com", lane=2, inline=content)


@asynccontextmanager
async def _mailer(folder: Path, *, url: str, smtp_port: int) -> AsyncGenerator[tuple[Any, int]]:
    """A mailer process with its pid, and a processor's way to it."""
    ensure_pki(folder=folder / "pki", services=["mailer_svc", "processor_svc"], trust_domain="tocsin.local", clock=SystemClock())
    port, metrics_port = free_port(), free_port()
    settings = {
        "TOCSIN_STATE_DIR": str(folder),
        "TOCSIN_MAILER_PORT": str(port),
        "TOCSIN_MAILER_METRICS_PORT": str(metrics_port),
        "TOCSIN_MAILER_DATABASE_URL": url,
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(smtp_port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
        "TOCSIN_MAILER_SMTP_CONNECTIONS": str(CONNECTIONS),
        "TOCSIN_MAILER_DRAIN_SECONDS": "0.5",
        "TOCSIN_MAILER_LOG_LEVEL": "warning",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mailer_svc", env={**os.environ, **settings})
    mesh = _mesh(folder, f"127.0.0.1:{port}")
    try:
        await eventually(lambda: accepts(metrics_port, _READY, b"HTTP/1.1 200"), seconds=60, what="a mailer that is ready")
        stub: Any = rpc.DeliveryServiceStub(cast("Any", mesh.channel("mailer_svc")))
        yield stub, process.pid
    finally:
        await mesh.stop()
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _mesh(folder: Path, target: str) -> Mesh:
    pki = folder / "pki"
    settings = ServiceSettings(
        state_dir=folder,
        tls_ca_file=pki / "ca.pem",
        tls_cert_file=pki / "processor_svc.pem",
        tls_key_file=pki / "processor_svc-key.pem",
        mailer_target=target,
    )
    clock = SystemClock()
    telemetry = Telemetry(service="processor_svc", settings=settings)
    return Mesh(service="processor_svc", settings=settings, clock=clock, telemetry=telemetry, breakers=BreakerRegistry(clock=clock))
