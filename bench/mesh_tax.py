"""What the mesh costs: the same unary call, and the same stream, over bare grpc.aio and through both chains, in one run.

Run ``python -m bench.mesh_tax``; it prints one JSON object. Client and server share one process and one event loop, so a rate is the
inverse of what both sides of a call cost together. The two variants take turns, so that noise of the machine hits both.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import uvloop
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tocsin.api.auth.v1 import auth_service_pb2 as pb
from tocsin.api.auth.v1 import auth_service_pb2_grpc as pb_grpc
from tocsin.api.mailer.v1 import delivery_service_pb2 as delivery
from tocsin.api.mailer.v1 import delivery_service_pb2_grpc as delivery_grpc
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.garbage_collection import freeze_heap, raise_thresholds
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_as
from tocsin.mesh.identity import Identity
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.server import MeshServer
from tocsin.mesh.tokens import TokenVerifier
from tocsin.telemetry import Telemetry
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint

Call = Callable[[], Awaitable[object]]

CONCURRENCY = 32
MESSAGES = 2000
SAMPLED = 0.01
REQUEST = pb.VerifyTokenRequest()
PATH = "/tocsin.api.auth.v1.AuthService/VerifyToken"


class Answers(pb_grpc.AuthServiceServicer):
    """Answers one authenticated method with a small message; the others are there because a server must have them all."""

    async def _answer(self, request: Any, context: Any) -> Any:
        return pb.VerifyTokenResponse()

    Register = IssueToken = BeginPasskey = RefreshToken = RevokeToken = ExchangeLink = VerifyToken = GetJwks = _answer


class Streams(delivery_grpc.DeliveryServiceServicer):
    """Streams many small messages for one request."""

    async def _stream(self, request: Any, context: Any) -> AsyncGenerator[Any]:
        for _ in range(MESSAGES):
            yield delivery.WatchDeliveriesResponse()

    async def _answer(self, request: Any, context: Any) -> Any:
        return delivery.ListDeliveriesResponse()

    async def _echo(self, request_iterator: Any, context: Any) -> AsyncGenerator[Any]:
        async for _ in request_iterator:
            yield delivery.DeliverResponse()

    GetDelivery = ListDeliveries = RetryDelivery = RetryDeliveries = ReportStatus = CountMessages = SummarizeDeliveries = _answer
    WatchDeliveries = _stream
    Deliver = _echo


class Discard(SpanExporter):
    """Takes spans, and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Forgets."""
        return SpanExportResult.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """One way to call.

    Attributes:
        unary: makes one call.
        stream: reads one stream of `MESSAGES` messages.
    """

    unary: Call
    stream: Call

    @classmethod
    def on(cls, channel: Any, **options: Any) -> "Calls":
        """The calls over a channel."""
        auth, deliveries = pb_grpc.AuthServiceStub(channel), delivery_grpc.DeliveryServiceStub(channel)

        async def stream() -> None:
            count = 0
            call: Any = deliveries.WatchDeliveries(delivery.WatchDeliveriesRequest(), **options)
            async for _ in call:
                count += 1
            assert count == MESSAGES

        unary: Any = partial(auth.VerifyToken, REQUEST, **options)
        return cls(unary=unary, stream=stream)


class BenchSettings(ServiceSettings):
    """Settings of the measured service."""

    service = "auth"


def _settings(folder: Path, service: str) -> BenchSettings:
    pki = folder / "pki"
    settings = BenchSettings(
        state_dir=folder, tls_ca_file=pki / "ca.pem", tls_cert_file=pki / f"{service}.pem", tls_key_file=pki / f"{service}-key.pem"
    )
    return settings.model_copy(update={"drain_seconds": 0.0, "grace_seconds": 0.1, "trace_sample_ratio": SAMPLED})


async def bare(stack: AsyncExitStack, folder: Path, *, tls: bool) -> tuple[Calls, int]:
    """The calls over grpc.aio alone, and the server's port; with ``tls`` over the same mutual TLS."""
    server = grpc.aio.server()
    pb_grpc.add_AuthServiceServicer_to_server(Answers(), server)
    delivery_grpc.add_DeliveryServiceServicer_to_server(Streams(), server)
    identity = Identity.of(_settings(folder, "auth_svc"), service="auth_svc")
    if tls:
        port = server.add_secure_port("127.0.0.1:0", identity.server_credentials())
        options = [("grpc.ssl_target_name_override", "auth_svc")]
        channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", identity.channel_credentials(), options=options)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    await server.start()
    stack.push_async_callback(server.stop, 0)
    stack.push_async_callback(channel.close)
    return Calls.on(channel, timeout=5), port


async def _telemetry(stack: AsyncExitStack, settings: BenchSettings, service: str) -> Telemetry:
    """Telemetry that traces one call of a hundred."""
    telemetry = Telemetry(service=service, settings=settings, span_processors=[BatchSpanProcessor(Discard())])
    await telemetry.start()
    stack.push_async_callback(telemetry.stop)
    return telemetry


async def meshed(stack: AsyncExitStack, folder: Path, *, tls: bool, mint: TokenMint) -> Calls:
    """The calls through both chains: token, scope, validation, breaker, metrics, traces of which one in a hundred is recorded."""
    clock = SystemClock()
    breakers = BreakerRegistry(clock=clock)
    settings = _settings(folder, "auth_svc")
    keys = JwksCache(source=mint.fetch, file=None, clock=clock)
    server = MeshServer(
        service="auth_svc",
        settings=settings,
        clock=clock,
        telemetry=await _telemetry(stack, settings, "auth_svc"),
        mesh=None,
        verifier=TokenVerifier(keys=keys, issuer=ISSUER, audience=AUDIENCE, clock=clock),
        breakers=breakers,
        checks={},
        handlers=[
            (pb_grpc.add_AuthServiceServicer_to_server, Answers()),
            (delivery_grpc.add_DeliveryServiceServicer_to_server, Streams()),
        ],
        plaintext=not tls,
    )
    await server.start()
    stack.push_async_callback(server.stop)
    caller = _settings(folder, "gateway")
    mesh = Mesh(
        service="gateway",
        settings=caller,
        clock=clock,
        telemetry=await _telemetry(stack, caller, "gateway"),
        breakers=breakers,
        targets={"auth_svc": server.address},
        plaintext=not tls,
    )
    stack.push_async_callback(mesh.stop)
    stack.enter_context(acting_as(mint.mint(tenant="bench", scopes=["profile:read", "deliveries:read"])))
    return Calls.on(mesh.channel("auth_svc"))


async def rate(call: Call, seconds: float) -> tuple[float, float, list[float]]:
    """With 32 callers: calls per second, processor time of one call, and the latency of each call, in microseconds."""
    clock, worked = time.perf_counter, time.process_time()
    end, latencies = clock() + seconds, list[float]()

    async def caller() -> None:
        while (started := clock()) < end:
            await call()
            latencies.append((clock() - started) * 1e6)

    began = clock()
    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return len(latencies) / (clock() - began), (time.process_time() - worked) / len(latencies) * 1e6, latencies


async def alone(call: Call, count: int) -> float:
    """The median latency in microseconds of one call after the other."""
    found: list[float] = []
    for _ in range(count):
        started = time.perf_counter()
        await call()
        found.append((time.perf_counter() - started) * 1e6)
    return statistics.median(found)


async def _streamed(call: Call, count: int) -> float:
    """Messages per second of one stream after the other."""
    began = time.perf_counter()
    for _ in range(count):
        await call()
    return count * MESSAGES / (time.perf_counter() - began)


async def measure(*, seconds: float = 0.25, rounds: int = 15) -> dict[str, dict[str, float]]:
    """Measures bare and meshed calls, with TLS off and on.

    Args:
        seconds: length of one run.
        rounds: runs of each of the four; they take turns, because the speed of a machine changes by the minute.

    Returns:
        By variant ("plaintext", "mtls") the medians: ``bare_rps``, ``mesh_rps``, ``bare_cpu_us``, ``mesh_cpu_us`` (processor time of a
        call, both sides together; steadier than rates on a busy machine), ``bare_p50_us``, ``mesh_p50_us`` (one caller),
        ``bare_p99_us``, ``mesh_p99_us`` (32 callers), ``bare_stream_mps``, ``mesh_stream_mps`` (messages a second); and of the pairs of a
        round ``ratio``, ``stream_ratio``, ``added_p50_us``, under "mtls" ``ratio_to_plaintext`` too.
    """
    with tempfile.TemporaryDirectory(prefix="mesh-tax-") as name:
        folder = Path(name)
        ensure_pki(folder=folder / "pki", services=["auth_svc", "gateway"], trust_domain="tocsin.local", clock=SystemClock())
        async with AsyncExitStack() as stack:
            calls, mint = dict[tuple[str, str], Calls](), TokenMint(clock=SystemClock())
            for variant, tls in (("plaintext", False), ("mtls", True)):
                calls[variant, "bare"], _ = await bare(stack, folder, tls=tls)
                calls[variant, "mesh"] = await meshed(stack, folder, tls=tls, mint=mint)
            for call in calls.values():  # connections, caches
                await _look(call, min(seconds, 0.3))
            raise_thresholds()  # as every service does at its start
            freeze_heap()
            found = [{key: await _look(call, seconds) for key, call in calls.items()} for _ in range(rounds)]
    results = {variant: _summary(found, variant) for variant in ("plaintext", "mtls")}
    pairs = ((each["mtls", "mesh"]["rps"], each["plaintext", "bare"]["rps"]) for each in found)
    results["mtls"]["ratio_to_plaintext"] = round(statistics.median(mesh / direct for mesh, direct in pairs), 3)
    return results


async def _look(call: Calls, seconds: float) -> dict[str, float]:
    """One run of each kind."""
    per_second, cpu, latencies = await rate(call.unary, seconds)
    return {
        "rps": per_second,
        "cpu_us": cpu,
        "p50_us": await alone(call.unary, 200),
        "p99_us": statistics.quantiles(latencies, n=100)[98],
        "stream_mps": await _streamed(call.stream, 2),
    }


def _summary(found: Sequence[dict[tuple[str, str], dict[str, float]]], variant: str) -> dict[str, float]:
    pairs = [(each[variant, "bare"], each[variant, "mesh"]) for each in found]
    result: dict[str, float] = {}
    for place, kind in enumerate(("bare", "mesh")):
        result |= {f"{kind}_{name}": round(statistics.median(pair[place][name] for pair in pairs)) for name in pairs[0][place]}
    result["ratio"] = round(statistics.median(mesh["rps"] / direct["rps"] for direct, mesh in pairs), 3)
    result["stream_ratio"] = round(statistics.median(mesh["stream_mps"] / direct["stream_mps"] for direct, mesh in pairs), 3)
    result["added_p50_us"] = round(statistics.median(mesh["p50_us"] - direct["p50_us"] for direct, mesh in pairs))
    return result


def main() -> int:
    """Prints the measures as JSON."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure()), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
