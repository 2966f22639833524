"""Tocsin's mesh beside a pair of Envoy sidecars: what each adds to a bare call, in one run.

Run ``python -m bench.sidecars`` after ``make peers``; it prints one JSON object. All three ways make the same unary call from one process
to a server in it:

- bare: grpc.aio in plaintext;
- sidecars: grpc.aio in plaintext to an Envoy, which speaks mutual TLS to a second Envoy, which speaks plaintext to the server. Both have a
  timeout, retries, a circuit breaker, outlier detection and statistics; the second admits the SPIFFE identity of the first alone, and
  verifies a user's token, or finds it in its cache;
- mesh: both of Tocsin's chains with mutual TLS, which do all of that, check the token's scope, validate the message, and trace one call of
  a hundred.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from bench.mesh_tax import Calls, alone, bare, meshed, rate
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.process import ServerProcess, accepts, free_port
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint

PROGRAM: Final = ".venv-peers/lib/python*/site-packages/envoy/_bin/envoy"
_ROOT: Final = Path(__file__).resolve().parent.parent
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_HTTP: Final = "type.googleapis.com/envoy.extensions"


class Envoy(ServerProcess):
    """One sidecar: takes HTTP/2 on its port, and passes it to another."""

    def __init__(self, *, upstream: int, pki: Path, jwks: str = "") -> None:
        """Writes nothing yet.

        Args:
            upstream: the port on 127.0.0.1 to pass calls to.
            pki: the folder with the certificates.
            jwks: what verifies tokens, if it stands before the server and mutual TLS comes in; empty if mutual TLS goes out.
        """
        super().__init__(prefix="envoy")
        programs = sorted(_ROOT.glob(PROGRAM))
        if not programs:
            msg = "Envoy is missing; run: make peers"
            raise FileNotFoundError(msg)
        self._program = programs[-1]
        self._admin = free_port()
        self._config = _config(port=self.port, admin=self._admin, upstream=upstream, pki=pki, jwks=jwks)

    def command(self) -> list[str]:
        """One worker thread, and no line in the log but of what goes wrong."""
        options = ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
        return [str(self._program), "--config-yaml", json.dumps(self._config), *options]

    def answers(self) -> bool:
        """Whether its port is open."""
        return accepts(self.port)

    def cpu_seconds(self) -> float:
        """Processor time of the process so far."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _config(*, port: int, admin: int, upstream: int, pki: Path, jwks: str) -> dict[str, Any]:
    service = "auth_svc" if jwks else "gateway"
    listener: dict[str, Any] = {"filters": [_manager(jwks)]}
    cluster = upstream_cluster(upstream)
    if jwks:
        listener["transport_socket"] = _tls("DownstreamTlsContext", pki, service, peer="gateway")
    else:
        cluster["transport_socket"] = _tls("UpstreamTlsContext", pki, service, peer="auth_svc")
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": [{"address": address(port), "filter_chains": [listener]}], "clusters": [cluster]},
    }


def upstream_cluster(port: int) -> dict[str, Any]:
    """A server of HTTP/2 on this machine, with a circuit breaker and outlier detection."""
    return {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            f"{_HTTP.removeprefix('type.googleapis.com/')}.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_HTTP}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "circuit_breakers": {"thresholds": [{"max_requests": 4096, "max_pending_requests": 4096}]},
        "outlier_detection": {"consecutive_5xx": 5},
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
    }


def address(port: int) -> dict[str, Any]:
    """A port of this machine."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _tls(kind: str, pki: Path, service: str, *, peer: str) -> dict[str, Any]:
    common = {
        "tls_certificates": [
            {"certificate_chain": {"filename": str(pki / f"{service}.pem")}, "private_key": {"filename": str(pki / f"{service}-key.pem")}}
        ],
        "validation_context": {
            "trusted_ca": {"filename": str(pki / "ca.pem")},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": f"spiffe://tocsin.local/{peer}"}}],
        },
        "alpn_protocols": ["h2"],
    }
    context: dict[str, Any] = {"@type": f"{_TLS}.{kind}", "common_tls_context": common}
    if kind == "DownstreamTlsContext":
        context["require_client_certificate"] = True
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _manager(jwks: str) -> dict[str, Any]:
    route: dict[str, Any] = {"cluster": "upstream", "timeout": "5s"}
    filters = [{"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.filters.http.router.v3.Router"}}]
    if jwks:
        filters.insert(0, _authentication(jwks))
    else:
        route["retry_policy"] = {"retry_on": "unavailable,reset,connect-failure", "num_retries": 2}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_HTTP}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "sidecar",
            "codec_type": "HTTP2",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
            "http_filters": filters,
        },
    }


def _authentication(jwks: str) -> dict[str, Any]:
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "forward": True, "local_jwks": {"inline_string": jwks}, "jwt_cache_config": {}}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{_HTTP}.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"tocsin": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "tocsin"}}],
        },
    }


async def _sidecars(stack: AsyncExitStack, folder: Path) -> tuple[Calls, list[Envoy]]:
    """The calls through two sidecars."""
    _, port = await bare(stack, folder, tls=False)
    mint = TokenMint(clock=SystemClock())
    inner = Envoy(upstream=port, pki=folder / "pki", jwks=json.dumps(mint.jwks()))
    outer = Envoy(upstream=inner.port, pki=folder / "pki")
    for envoy in (inner, outer):
        stack.callback(envoy.close)
        await asyncio.to_thread(envoy.start)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{outer.port}")
    stack.push_async_callback(channel.close)
    token = mint.mint(tenant="bench", scopes=["profile:read"])
    return Calls.on(channel, timeout=5, metadata=(("authorization", f"Bearer {token}"),)), [inner, outer]


async def measure(*, seconds: float = 1.0, rounds: int = 9) -> dict[str, Any]:
    """Measures the three ways in turn.

    Args:
        seconds: length of one run with 32 callers.
        rounds: runs of each way; the median counts.

    Returns:
        By way: ``per_second``, ``cpu_us`` (of one call, the sidecars included), ``p50_us`` (one caller); and for each of the two meshes
        ``added_cpu_us`` and ``added_p50_us`` over the bare call.
    """
    with tempfile.TemporaryDirectory(prefix="sidecars-") as name:
        folder = Path(name)
        ensure_pki(folder=folder / "pki", services=["auth_svc", "gateway"], trust_domain="tocsin.local", clock=SystemClock())
        async with AsyncExitStack() as stack:
            direct, _ = await bare(stack, folder, tls=False)
            through, envoys = await _sidecars(stack, folder)
            ways = {"bare": direct, "sidecars": through, "mesh": await meshed(stack, folder, tls=True, mint=TokenMint(clock=SystemClock()))}
            found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
            for calls in ways.values():
                await alone(calls.unary, 200)
            for _ in range(rounds):
                for way, calls in ways.items():
                    found[way].append(await _round(calls, envoys if way == "sidecars" else [], seconds))
    names = ("per_second", "cpu_us", "p50_us")
    result: dict[str, Any] = {
        way: {name: round(statistics.median(values)) for name, values in zip(names, zip(*rounds_, strict=True), strict=True)}
        for way, rounds_ in found.items()
    }
    for way in ("sidecars", "mesh"):
        for figure in ("cpu_us", "p50_us"):
            result[way][f"added_{figure}"] = result[way][figure] - result["bare"][figure]
    return result


async def _round(calls: Calls, envoys: list[Envoy], seconds: float) -> tuple[float, float, float]:
    before = sum(envoy.cpu_seconds() for envoy in envoys)
    per_second, cpu, latencies = await rate(calls.unary, seconds)
    cpu += (sum(envoy.cpu_seconds() for envoy in envoys) - before) / len(latencies) * 1e6
    return per_second, cpu, await alone(calls.unary, 300)


def main() -> int:
    """Prints the measures as JSON."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure()), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
