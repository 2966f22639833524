"""Gateways before the same service, side by side: Tocsin's, Envoy's transcoder, and one written by hand with FastAPI and grpc.aio.

Run ``python -m bench.gateways`` after ``make peers``. The service is a process of its own, in Python, and answers what it is asked; so is
each gateway, on one event loop or with one worker. Tocsin's verifies a token, asks for a scope, counts against rate limits, knows
deadlines, retries and breakers, and writes its metrics; the other two do none of that. CPU is what the process of the gateway takes, by
the kernel's account, for each call. They are measured in turns, so that what the machine does besides falls on all alike.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from bench.gateways.contract import SERVICE, compiled
from bench.load import post, run
from bench.sidecars import PROGRAM, address, upstream_cluster
from tocsin.testing.process import free_port

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ROUNDS: Final = 3
_ITEM: Final = {"name": "items-1", "count": "7", "text": "something short"}
_HTTP: Final = "type.googleapis.com/envoy.extensions.filters"


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway that runs: its process, its address, and the token that it asks for."""

    pid: int
    address: str
    token: str = ""

    def cpu_seconds(self) -> float:
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


async def measure(*, calls: int = 6000, connections: tuple[int, ...] = (32, 256)) -> dict[str, Any]:
    """Calls a second, CPU of the gateway in microseconds a call, and p50 in milliseconds: the medians of three rounds."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = compiled(folder)
        backend = await stack.enter_async_context(started("-m", "bench.gateways.backend", str(file)))
        doors = {
            "tocsin": await stack.enter_async_context(tocsin(folder, file, backend.address)),
            "envoy": await stack.enter_async_context(envoy(file, backend.address)),
            "fastapi": await stack.enter_async_context(fastapi(file, backend.address)),
        }
        found: dict[str, Any] = {}
        for number in connections:
            for what in ("read", "create"):
                rounds: dict[str, list[Mapping[str, float]]] = {name: [] for name in doors}
                for _ in range(_ROUNDS):
                    for name, door in doors.items():
                        rounds[name].append(await _round(door, what, calls=calls, connections=number))
                medians = {name: _median(each) for name, each in rounds.items()}
                rate = medians["tocsin"]["per_second"]
                beside = {f"times_{name}": round(rate / each["per_second"], 2) for name, each in medians.items() if name != "tocsin"}
                found[f"{what}, {number} connections"] = {**medians, "tocsin": {**medians["tocsin"], **beside}}
        return found


async def _round(door: Door, what: str, *, calls: int, connections: int) -> Mapping[str, float]:
    requests = repeat(_request(door, what))
    await run(door.address, requests, connections=connections, total=calls // 10)
    before = door.cpu_seconds()
    answers = await run(door.address, requests, connections=connections, total=calls)
    if set(answers.statuses) != {200}:
        msg = f"{what} was answered {dict(answers.statuses)}"
        raise RuntimeError(msg)
    spent = door.cpu_seconds() - before
    return {"per_second": answers.rate, "cpu_us": spent / calls * 1e6, "p50_ms": answers.percentile(50)}


def _request(door: Door, what: str) -> bytes:
    if what == "create":
        return post("/v1/items", json.dumps(_ITEM).encode(), host=door.address, key=door.token)
    return f"GET /v1/items/items-1?count=7&text=short HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n\r\n".encode()


def _median(rounds: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(each[name] for each in rounds), 1) for name in rounds[0]}


@asynccontextmanager
async def started(*line: str, python: str = sys.executable, env: Mapping[str, str] | None = None) -> AsyncGenerator[Door]:
    """A script as a process of its own, whose first line on its output is JSON: address and perhaps token."""
    process = await asyncio.create_subprocess_exec(
        python, *line, stdout=asyncio.subprocess.PIPE, env={**os.environ, **(env or {})}, cwd=_ROOT
    )
    assert process.stdout is not None
    try:
        told = json.loads(await process.stdout.readline() or "{}")
        if not told:
            msg = f"{line} did not start"
            raise RuntimeError(msg)
        yield Door(process.pid, told["address"], told.get("token", ""))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@asynccontextmanager
async def tocsin(folder: Path, file: Path, target: str, **settings: str) -> AsyncGenerator[Door]:
    """Tocsin's gateway; ``settings`` without prefix."""
    policies = folder / "policies.yaml"
    policies.write_text(f'methods: {{{SERVICE}: {{scope: "items:write", timeout: 1h}}}}')
    env = {"CONTRACTS": f"{file}@{target}", "POLICIES": str(policies), **settings}
    given = {f"TOCSIN_GATEWAY_{name}": value for name, value in env.items()} | {"TOCSIN_STATE_DIR": str(folder / "state")}
    async with started("-m", "bench.gateways.tocsin_door", env=given) as door:
        yield door


@asynccontextmanager
async def envoy(file: Path, target: str) -> AsyncGenerator[Door]:
    """Envoy with its transcoder, and one worker."""
    programs = sorted(_ROOT.glob(PROGRAM))
    if not programs:
        msg = "Envoy is missing; run: make peers"
        raise FileNotFoundError(msg)
    port = free_port()
    config = _envoy_config(port, int(target.rpartition(":")[2]), file)
    process = await asyncio.create_subprocess_exec(
        str(programs[-1]), "--config-yaml", json.dumps(config), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"
    )
    try:
        await _listens(port)
        yield Door(process.pid, f"127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _envoy_config(port: int, target: int, file: Path) -> dict[str, Any]:
    transcoder = {
        "@type": f"{_HTTP}.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(file),
        "services": [SERVICE],
    }
    manager = {
        "@type": f"{_HTTP}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "door",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]
        },
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "static_resources": {
            "listeners": [{"address": address(port), "filter_chains": [chain]}],
            "clusters": [upstream_cluster(target)],
        }
    }


@asynccontextmanager
async def fastapi(file: Path, target: str) -> AsyncGenerator[Door]:
    """FastAPI on uvicorn with uvloop and httptools, pydantic models, a grpc.aio stub: as one writes it by hand."""
    python = _ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        msg = ".venv-peers is missing; run: make peers"
        raise FileNotFoundError(msg)
    async with started(str(_ROOT / "bench" / "peers" / "fastapi_door.py"), str(file), target, python=str(python)) as door:
        yield door
