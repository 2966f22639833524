"""Ten thousand browsers that watch and hear nothing, at the gateway of a whole stack: what they cost, and whether one misses a change."""

import argparse
import asyncio
import json
import re
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import httpx2
import uvloop

from tocsin.testing.stack import RunningStack

WATCHERS: Final = 10_000
_READS: Final = 400
_ABREAST: Final = 100
_SECONDS: Final = 120.0
_BOUNDS: Final = {
    "TOCSIN_GATEWAY_TENANT_OPEN_STREAMS": "12000",
    "TOCSIN_GATEWAY_HTTP_ADDRESS_CONNECTIONS": "20000",
    "TOCSIN_GATEWAY_RATE_LIMITS": "stream=unlimited",
}
"""As shipped, a tenant has 1,000 streams, and an address 1,000 connections."""


async def measure(*, watchers: int = WATCHERS) -> dict[str, Any]:
    """What ``watchers`` SSE streams of one tenant take: memory of gateway and scheduler, other calls' times, changes that were missed."""
    with tempfile.TemporaryDirectory() as folder, RunningStack(state=Path(folder) / "state", env=_BOUNDS) as stack:
        async with stack.client() as client, AsyncExitStack() as open_streams:
            alarm = await _alarm(client)
            before, alone = _memory(stack), await _read(client)
            streams = await _opened(open_streams, stack, watchers)
            after, beside = _memory(stack), await _read(client)
            started = time.perf_counter()
            await client.post(f"/v1/{alarm}:fire", json={})
            heard = await asyncio.gather(*(_hears(stream) for stream in streams))
            return {
                "watchers": len(streams),
                "gateway_mb": round(after["gateway"] - before["gateway"], 1),
                "scheduler_mb": round(after["scheduler_svc"] - before["scheduler_svc"], 1),
                "read_alone_p99_ms": alone,
                "read_beside_p99_ms": beside,
                "missed": sum(not item for item in heard),
                "all_heard_seconds": round(time.perf_counter() - started, 2),
            }


async def _alarm(client: httpx2.AsyncClient) -> str:
    body = {"trigger": {"at": "2100-01-01T00:00:00Z"}, "action": {"task": {"handler": "noop"}}}
    made = await client.post("/v1/alarms", json=body)
    made.raise_for_status()
    return str(made.json()["name"])


def _memory(stack: RunningStack) -> dict[str, float]:
    """Resident memory in MB (proc(5))."""
    found: dict[str, float] = {}
    for service in ("gateway", "scheduler_svc"):
        status = Path(f"/proc/{stack.pid(service)}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match is not None
        found[service] = int(match.group(1)) / 1024
    return found


async def _read(client: httpx2.AsyncClient) -> float:
    """The 99th percentile of reads of one record, one after the other, in milliseconds."""
    times: list[float] = []
    for _ in range(_READS):
        started = time.perf_counter()
        (await client.get("/v1/usage")).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return round(quantiles(times, n=100)[98], 1)


async def _opened(stack: AsyncExitStack, running: RunningStack, watchers: int) -> list[asyncio.StreamReader]:
    """So many streams whose heads have come; a few are opened at a time."""
    host, port = running.info["http"].removeprefix("http://").split(":")
    request = (
        f"GET /v1/firings:watch HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {running.api_key}\r\n\r\n"
    ).encode()
    turns = asyncio.Semaphore(_ABREAST)

    async def opened() -> asyncio.StreamReader:
        async with turns:
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SECONDS)
            assert head.startswith(b"HTTP/1.1 200"), head
            return reader

    return await asyncio.gather(*(opened() for _ in range(watchers)))


async def _hears(reader: asyncio.StreamReader) -> bool:
    """Whether a change comes."""
    try:
        await asyncio.wait_for(reader.readuntil(b'"firing"'), _SECONDS)
    except (TimeoutError, asyncio.IncompleteReadError):
        return False
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=WATCHERS)
    print(json.dumps(uvloop.run(measure(watchers=parser.parse_args().watchers)), indent=2))
