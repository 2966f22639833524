"""What limits and idempotency add to a call at the door: each off and on in turn, in one run, in one process.

The rest of the door is left out, so that differences of microseconds are not lost in it. CPU time counts what the process takes in all its
threads, writing to disk included.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import uvloop
from prometheus_client import CollectorRegistry

from gateway.idempotency import IdempotentCalls, KeyBounds, KeyedCall, SharedKeys
from gateway.limits import TENANT_DEFAULTS, DoorLimits, RedisLeases, ignore
from gateway.metrics import KeyMetrics, LimitMetrics
from gateway.spool import IdempotencyStore, SpoolFile
from tocsin.clock import SystemClock
from tocsin.mesh.limits import LocalLeases, RateLimiter, parse_limits
from tocsin.mesh.policy import policies
from tocsin.mesh.tokens import Principal
from tocsin.redis import Redis
from tocsin.redis_pipe import RedisPipe
from tocsin.sealing import Sealer
from tocsin.testing.redis import RedisServer

_CLOCK: Final = SystemClock()
_CREATE: Final = policies()["/tocsin.api.scheduler.v1.AlarmService/CreateAlarm"]
_WHO: Final = Principal(tenant="acme", subject="users/1", scopes=frozenset(), time_zone="UTC", token="", expires=_CLOCK.now())
_REQUEST: Final = b"y" * 300
_ANSWER: Final = b"x" * 600
_ROUNDS: Final = 5

Step = Callable[[int], Awaitable[object]]


async def measure(*, calls: int = 4000) -> dict[str, Any]:
    """Microseconds a call, by what is on: the median of the wall time, and CPU."""
    server = RedisServer()
    server.start()
    try:
        return {name: await _measured(url, calls) for name, url in (("without Redis", None), ("with Redis", server.url))}
    finally:
        server.close()


async def _measured(url: str | None, calls: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        steps = await _steps(stack, url)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
        for number in range(_ROUNDS):  # in turn, so that what the machine does besides falls on all alike
            for name, step in steps.items():
                found[name].append(await _timed(step, calls, first=number * calls))
    return {
        name: {"p50_us": round(min(wall for wall, _ in rounds), 1), "cpu_us": round(min(cpu for _, cpu in rounds), 1)}
        for name, rounds in found.items()
    }


async def _steps(stack: AsyncExitStack, url: str | None) -> dict[str, Step]:
    redis, file = Redis(url=url, clock=_CLOCK), SpoolFile(path=Path(tempfile.mkdtemp()) / "spool.db", clock=_CLOCK)
    limiter = RateLimiter(shared=RedisLeases(redis=redis, clock=_CLOCK), local=LocalLeases(clock=_CLOCK), clock=_CLOCK)
    rules = parse_limits("", defaults=TENANT_DEFAULTS, known={policy.rate_class for policy in policies().values()})
    metrics = LimitMetrics(CollectorRegistry(), alone=lambda: False)
    limits = DoorLimits(limiter=limiter, tenants=rules, addresses={}, metrics=metrics)
    keys = IdempotentCalls(
        store=IdempotencyStore(file),
        shared=SharedKeys(redis, clock=_CLOCK),
        sealer=Sealer(lambda: bytes(32)),
        bounds=KeyBounds(keys=10**6, tenant_keys=10**6, size=1 << 30),
        clock=_CLOCK,
        metrics=KeyMetrics(CollectorRegistry()),
    )
    for part in (redis, file, limiter, keys):
        await part.start()
        stack.push_async_callback(part.stop)

    async def send(request: bytes) -> bytes:
        del request
        return _ANSWER

    async def limited(number: int) -> None:
        del number
        await limits.count(_CREATE, _WHO, address="192.0.2.1", tell=ignore)

    async def keyed(number: int) -> None:
        payload = (b"POST", b"/v1/alarms", b"", _REQUEST)
        call = KeyedCall.wanted(b"key-%d" % number, principal=_WHO, policy=_CREATE, payload=payload, tell=ignore)
        await keys.answer(call, _REQUEST, send)

    steps: dict[str, Step] = {"off": lambda _: send(_REQUEST), "limits": limited, "idempotency, new key": keyed}
    if url is not None:
        pipe = RedisPipe(redis, clock=_CLOCK)
        await pipe.start()
        stack.push_async_callback(pipe.stop)
        steps["a command to Redis alone"] = lambda number: pipe.ask("SET", f"bench:{number}", b"u" * 33, "NX", "GET", "PX", 60_000)
    return steps


async def _timed(step: Step, calls: int, *, first: int) -> tuple[float, float]:
    """The median of the wall time, and the CPU time, of one call in microseconds."""
    times: list[int] = []
    cpu = time.process_time()
    for number in range(first, first + calls):
        begun = time.perf_counter_ns()
        await step(number)
        times.append(time.perf_counter_ns() - begun)
    return sorted(times)[calls // 2] / 1000, (time.process_time() - cpu) / calls * 1e6


def main() -> None:
    """Measures from the command line: ``python -m bench.door``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000)
    print(json.dumps(uvloop.run(measure(calls=parser.parse_args().calls)), indent=2))


if __name__ == "__main__":
    main()
