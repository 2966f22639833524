"""A service under three times the load that it can carry: what it still answers, how fast what matters is answered, and who is refused.

Run ``python -m bench.overload``; it prints one JSON object. The service is a process of its own whose calls compute for two milliseconds;
the load is an open loop (calls begin when they are due, whatever became of those before) over bare grpc.aio, which holds nothing back.
"""

import asyncio
import json
import math
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, text_format

from tocsin.api.mesh.v1 import policy_pb2
from tocsin.mesh.library import ServiceProcess

_LOADED: Final = policy_pb2  # its options are used below
_MIX: Final = {"Critical": 20, "Normal": 40, "Sheddable": 40}
"""Percent of the calls."""
_CONTRACT: Final = """
name: "bench/overload.proto" package: "bench.overload" syntax: "proto3"
dependency: "tocsin/api/mesh/v1/policy.proto" dependency: "google/protobuf/empty.proto"
service {
  name: "Work"
  method { name: "Critical" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty"
           options { [tocsin.api.mesh.v1.policy] { criticality: CRITICALITY_CRITICAL } } }
  method { name: "Normal" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty" }
  method { name: "Sheddable" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty"
           options { [tocsin.api.mesh.v1.policy] { criticality: CRITICALITY_SHEDDABLE } } }
}
"""
_WORK_SECONDS: Final = 0.002
_PLACES: Final = 2
_PLACE_SECONDS: Final = 0.008
_STANDING: Final = Path(__file__).with_name("standing.yaml")
_CALLERS: Final = 8
_TIMEOUT: Final = 2.0
_CONNECTIONS: Final = 4


@dataclass(slots=True)
class Seen:
    """What became of the calls of one run: milliseconds of those that were answered, and codes of all, by method."""

    took: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _MIX})
    codes: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _MIX})


def _contract() -> Any:
    pool = descriptor_pool.Default()
    pool.Add(text_format.Parse(_CONTRACT, descriptor_pb2.FileDescriptorProto()))
    return pool.FindFileByName("bench/overload.proto")


async def serve(kind: str) -> None:
    """Serves until SIGTERM.

    Each call computes for `_WORK_SECONDS` of the CPU time of its own thread ("compute"), or waits for one of `_PLACES` for
    `_PLACE_SECONDS`, as for a database ("wait"; "gradient" and "standing" with one of the limits that follow how long calls take).
    """
    places = asyncio.Semaphore(_PLACES)

    async def wait(request: Any, _: Any) -> Any:
        async with places:
            await asyncio.sleep(_PLACE_SECONDS)
        return request

    async def work(request: Any, _: Any) -> Any:
        end = time.thread_time() + _WORK_SECONDS
        while time.thread_time() < end:
            pass
        return request

    def add(_: Any, server: Any) -> None:
        empty = empty_pb2.Empty
        handler = grpc.unary_unary_rpc_method_handler(
            work if kind == "compute" else wait, request_deserializer=empty.FromString, response_serializer=empty.SerializeToString
        )
        server.add_registered_method_handlers("bench.overload.Work", dict.fromkeys(_MIX, handler))

    gradient, policies = kind == "gradient", _STANDING if kind == "standing" else None
    contract = [_contract()]
    async with ServiceProcess("work", contract=contract, drain_seconds=0.5, adaptive_concurrency=gradient, policy_file=policies) as process:
        server = await process.serve((add, None))
        print(server.address, flush=True)
        await process.wait()


@asynccontextmanager
async def service(kind: str) -> AsyncGenerator[list[dict[str, Any]]]:
    """A process that serves, and its methods over some connections."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.overload", "serve", kind, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    # Channels of one target share a connection unless their pools are their own.
    channels = [grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(_CONNECTIONS)]
    try:
        yield [{name: channel.unary_unary(f"/bench.overload.Work/{name}") for name in _MIX} for channel in channels]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
        process.kill()
        await process.wait()


async def _call(methods: list[dict[str, Any]], name: str, seen: Seen) -> None:
    begun = time.perf_counter()
    try:
        await random.choice(methods)[name](b"", timeout=_TIMEOUT)
    except grpc.aio.AioRpcError as error:
        seen.codes[name][error.code().name] += 1
    else:
        seen.codes[name]["OK"] += 1
        seen.took[name].append((time.perf_counter() - begun) * 1000)


async def peak(methods: list[dict[str, Any]], seconds: float) -> float:
    """Answers a second to a few callers that wait for each."""
    seen, end = Seen(), time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < end:
            await _call(methods, "Normal", seen)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return seen.codes["Normal"]["OK"] / (time.perf_counter() - begun)


def drawn() -> Iterator[str]:
    """The methods of the calls of a run, one after the other, the same in every run."""
    draw = random.Random(1)
    while True:
        yield draw.choices(tuple(_MIX), tuple(_MIX.values()))[0]


def ideal(*, most: float, seconds: float) -> float:
    """The critical calls' p99 in milliseconds under three times ``most`` calls a second, if whatever else a server does cost nothing.

    It computes without a pause, a call for ``1 / most`` seconds, and begins what is critical first. What was begun it does not leave, and
    critical calls come at random: some have to wait for others of their kind.
    """
    takes, free, latencies = 1 / most, 0.0, list[float]()
    for place, name in zip(range(int(3 * most * seconds)), drawn(), strict=False):
        came = place / (3 * most)
        if name == "Critical":
            begins = free if came < free else free + math.ceil((came - free) / takes) * takes  # others are begun until then
            free = begins + takes
            latencies.append((free - came) * 1000)
    return statistics.quantiles(latencies, n=100)[98]


async def offer(methods: list[dict[str, Any]], *, rate: float, seconds: float, only: str | None = None) -> dict[str, Any]:
    """Calls that begin at an even rate, with the mix; what became of them. With ``only`` those of one method, each when it would begin."""
    seen, names = Seen(), drawn()
    begun, sent, running = time.perf_counter(), 0, set[asyncio.Task[None]]()
    while (passed := time.perf_counter() - begun) < seconds:
        for _ in range(int(passed * rate) - sent):
            name = next(names)
            sent += 1
            if only in (None, name):
                task = asyncio.ensure_future(_call(methods, name, seen))
                running.add(task)
                task.add_done_callback(running.discard)
        await asyncio.sleep(0.001)
    await asyncio.gather(*running)
    took = time.perf_counter() - begun
    answered = sum(codes["OK"] for codes in seen.codes.values())
    figures: dict[str, Any] = {"offered_per_second": round(sent / seconds), "goodput_per_second": round(answered / took)}
    for name, codes in seen.codes.items():
        latencies = seen.took[name]
        if not codes:
            continue
        figures[name.lower()] = {
            "answered_percent": round(100 * codes["OK"] / max(1, codes.total()), 1),
            "p50_ms": round(statistics.median(latencies), 1) if latencies else None,
            "p99_ms": round(statistics.quantiles(latencies, n=100)[98], 1) if len(latencies) > 1 else None,
            **{code.lower(): count for code, count in codes.items() if code != "OK"},
        }
    return figures


async def measure(*, kind: str = "compute", seconds: float = 10.0) -> dict[str, Any]:
    """Measures runs of so many seconds, of handlers of one kind.

    Returns:
        ``peak_per_second``, of callers that wait; what became of an open loop at ``half``, ``once`` and ``three_times`` that;
        ``goodput_of_peak`` and ``critical_p99_ratio``: three times beside half the peak, which is what unloaded means here;
        ``critical_alone``: the critical calls of three times, each when it came then, without the others, and the ratio to that.
    """
    async with service(kind) as methods:
        await peak(methods, min(1.0, seconds))  # connections
        most = await peak(methods, seconds / 2)
        half = await offer(methods, rate=most / 2, seconds=seconds)
        once = await offer(methods, rate=most, seconds=seconds)
        three = await offer(methods, rate=3 * most, seconds=seconds)
        alone = await offer(methods, rate=3 * most, seconds=seconds, only="Critical")
    took = three["critical"]["p99_ms"] or float("inf")
    return {
        "peak_per_second": round(most),
        "half": half,
        "once": once,
        "three_times": three,
        "goodput_of_peak": round(three["goodput_per_second"] / most, 2),
        "critical_p99_ratio": round(took / half["critical"]["p99_ms"], 2),
        "critical_alone": alone["critical"],
        "critical_p99_ratio_to_alone": round(took / alone["critical"]["p99_ms"], 2),
    }


async def measure_all() -> dict[str, Any]:
    """Measures handlers that compute, and beside them what is to be known of those that wait, without a limit and with each."""
    found = await measure()
    found["ideal"] = {"critical_p99_ms": round(ideal(most=found["peak_per_second"], seconds=10.0), 1)}
    for kind, name in {"wait": "waiting", "gradient": "waiting, gradient", "standing": "waiting, standing queue"}.items():
        figures = await measure(kind=kind, seconds=6.0)
        found[name] = {
            "peak_per_second": figures["peak_per_second"],
            "goodput_of_peak": figures["goodput_of_peak"],
            "critical_p99_ratio": figures["critical_p99_ratio"],
            "critical_p99_ratio_to_alone": figures["critical_p99_ratio_to_alone"],
            **{
                f"{each}_answered_percent": figures["three_times"][each]["answered_percent"] for each in ("critical", "normal", "sheddable")
            },
        }
    return found


def main() -> int:
    """Prints the measures as JSON, or serves."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(sys.argv[2]))
        return 0
    kind, seconds = (*sys.argv[1:], *("compute", "10")[len(sys.argv) - 1 :])
    print(json.dumps(uvloop.run(measure(kind=kind, seconds=float(seconds))), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
