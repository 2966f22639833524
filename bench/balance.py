"""How calls are spread over replicas: one of three is slow, and one of two is killed.

Run ``python -m bench.balance``; it prints one JSON object. Each replica is a process of its own, called in plaintext.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any, Final

import grpc
import uvloop
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, text_format

from tocsin.api.mesh.v1 import policy_pb2
from tocsin.errors import TocsinError
from tocsin.mesh.library import ServiceProcess

_LOADED: Final = policy_pb2  # its options are used below
_CONTRACT: Final = """
name: "bench/balance.proto" package: "bench.balance" syntax: "proto3"
dependency: "tocsin/api/mesh/v1/policy.proto" dependency: "google/protobuf/empty.proto"
service {
  name: "Work"
  method { name: "LeastRequest" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty" }
  method { name: "RoundRobin" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty"
           options { [tocsin.api.mesh.v1.policy] { balance: BALANCE_ROUND_ROBIN } } }
}
"""
_METHODS: Final = {"least_request": "/bench.balance.Work/LeastRequest", "round_robin": "/bench.balance.Work/RoundRobin"}
_WORK_SECONDS: Final = 0.02
_SLOWER: Final = 50
_CALLERS: Final = 32


def _contract() -> Any:
    pool = descriptor_pool.Default()
    pool.Add(text_format.Parse(_CONTRACT, descriptor_pb2.FileDescriptorProto()))
    return pool.FindFileByName("bench/balance.proto")


async def serve(seconds: float) -> None:
    """Serves until SIGTERM; each call takes so many seconds."""

    async def work(request: Any, _: Any) -> Any:
        await asyncio.sleep(seconds)
        return request

    def add(_: Any, server: Any) -> None:
        empty = empty_pb2.Empty
        handler = grpc.unary_unary_rpc_method_handler(
            work, request_deserializer=empty.FromString, response_serializer=empty.SerializeToString
        )
        server.add_registered_method_handlers("bench.balance.Work", dict.fromkeys(("LeastRequest", "RoundRobin"), handler))

    async with ServiceProcess("work", contract=[_contract()], drain_seconds=0.5) as process:
        server = await process.serve((add, None))
        print(server.address, flush=True)
        await process.wait()


class Replica:
    """One replica, as a process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process = process
        self.address = address

    async def kill(self) -> None:
        """Ends it at once."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def replicas(seconds: Sequence[float]) -> AsyncGenerator[list[Replica]]:
    """Processes whose calls take so many seconds."""
    async with AsyncExitStack() as stack:
        found: list[Replica] = []
        for each in seconds:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.balance", "serve", str(each), stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            found.append(Replica(process, (await process.stdout.readline()).decode().strip()))
            stack.push_async_callback(found[-1].kill)
        yield found


async def _calls(call: Any, *, seconds: float) -> tuple[list[float], list[float], Counter[str]]:
    """With 32 callers: the milliseconds of each answered call, when each was answered, and how the others ended."""
    clock = time.perf_counter
    end, took, answered, failed = clock() + seconds, list[float](), list[float](), Counter[str]()

    async def caller() -> None:
        while (started := clock()) < end:
            try:
                await call(empty_pb2.Empty())
            except TocsinError as error:
                failed[error.error_reason] += 1
            else:
                answered.append(clock())
                took.append((answered[-1] - started) * 1000)

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return took, answered, failed


@asynccontextmanager
async def client(found: Sequence[Replica]) -> AsyncGenerator[dict[str, Any]]:
    """The methods by how they are balanced, over one channel."""
    target = "ipv4:" + ",".join(replica.address for replica in found)
    async with ServiceProcess("bench", contract=[_contract()], targets={"work": target}) as process:
        channel, empty = process.channel("work"), empty_pb2.Empty
        how: dict[str, Any] = {"request_serializer": empty.SerializeToString, "response_deserializer": empty.FromString}
        yield {name: channel.unary_unary(path, **how) for name, path in _METHODS.items()}


async def _latencies(work: Sequence[float], seconds: float) -> dict[str, dict[str, float]]:
    async with replicas(work) as found, client(found) as methods:
        results: dict[str, dict[str, float]] = {}
        for name, call in methods.items():
            await _calls(call, seconds=min(1.0, seconds))  # connections
            took, _, failed = await _calls(call, seconds=seconds)
            percentiles = statistics.quantiles(took, n=100)
            results[name] = {
                "calls_per_second": round(len(took) / seconds),
                "p50_ms": round(percentiles[49], 1),
                "p99_ms": round(percentiles[98], 1),
                "half_as_slow_percent": round(100 * sum(each > _WORK_SECONDS * _SLOWER * 500 for each in took) / len(took), 2),
                "failed": failed.total(),
            }
        return results


async def _killed(seconds: float) -> dict[str, float]:
    """One of two is killed in the middle, while 32 calls that are not idempotent are under way."""
    async with replicas([_WORK_SECONDS] * 2) as found, client(found) as methods:
        call = methods["least_request"]
        await _calls(call, seconds=min(1.0, seconds))
        running = asyncio.ensure_future(_calls(call, seconds=seconds))
        await asyncio.sleep(seconds / 2)
        await found[0].kill()
        took, answered, failed = await running
    gaps = (later - earlier for earlier, later in pairwise(answered))
    return {
        "answered": len(took),
        "lost": failed.total() - failed["CIRCUIT_OPEN"],
        "refused_by_a_circuit": failed["CIRCUIT_OPEN"],
        "longest_without_an_answer_ms": round(max(gaps) * 1000),
    }


async def measure(*, seconds: float = 5.0) -> dict[str, Any]:
    """Measures runs of so many seconds.

    Returns:
        ``healthy`` and ``one_slow``, of three replicas, by balancing, with the share of calls that took at least half as long as the slow
        replica takes; ``p99_ratio`` of the two; ``one_killed``, of two.
    """
    healthy = await _latencies([_WORK_SECONDS] * 3, seconds)
    slow = await _latencies([_WORK_SECONDS * _SLOWER, _WORK_SECONDS, _WORK_SECONDS], seconds)
    return {
        "healthy": healthy,
        "one_slow": slow,
        "p99_ratio": {name: round(slow[name]["p99_ms"] / healthy[name]["p99_ms"], 2) for name in _METHODS},
        "one_killed": await _killed(seconds),
    }


def main() -> int:
    """Prints the measures as JSON, or serves."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(float(sys.argv[2])))
        return 0
    print(json.dumps(uvloop.run(measure(seconds=float(sys.argv[1]) if sys.argv[1:] else 5.0)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
