"""Tocsin's gateway as a process, with an issuer of tokens of its own in the place of auth_svc."""

import asyncio
import json
import os
import sys

import uvloop

from gateway.config import GatewaySettings
from gateway.wiring import build
from tocsin.clock import SystemClock
from tocsin.config import load
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.tokens import TokenMint

_SETTINGS = {
    "TOCSIN_GATEWAY_PORT": "0",
    "TOCSIN_GATEWAY_HTTP_PORT": "0",
    "TOCSIN_GATEWAY_METRICS_PORT": "0",
    "TOCSIN_GATEWAY_ACCESS_LOG": "false",
    "TOCSIN_GATEWAY_LOG_LEVEL": "error",
    "TOCSIN_GATEWAY_TRACE_SAMPLE_RATIO": "0.01",
}


async def main() -> None:
    """Serves until it is told to end."""
    clock = SystemClock()
    settings = load(GatewaySettings, {**_SETTINGS, **{name: text for name, text in os.environ.items() if name.startswith("TOCSIN_")}})
    services = ["gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"]
    ensure_pki(folder=settings.state_dir / "pki", services=services, trust_domain="tocsin.local", clock=clock)
    mint = TokenMint(clock=clock)
    app = build(settings, clock, jwks=mint.fetch)
    await app.start()
    token = mint.mint(tenant="bench", scopes=["items:write"], lifetime=3600)
    sys.stdout.write(json.dumps({"address": app.http_url.removeprefix("http://"), "token": token}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
