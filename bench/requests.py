"""What a request costs each process that serves it, by the kernel's account: a record or an alarm read, and an alarm made, over REST."""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.load import post, run
from tocsin.testing.stack import RunningStack

CALLS: Final = 10_000
_CONNECTIONS: Final = 32
_TICKS: Final = os.sysconf("SC_CLK_TCK")


async def measure(*, calls: int = CALLS, carriers: bool = True) -> dict[str, Any]:
    """Microseconds of processor time a request, of each process that it goes through; what else these do in the time is in it.

    Args:
        calls: of each kind.
        carriers: let calls between services ride on one stream.
    """
    env = {"TOCSIN_CARRIERS": str(carriers).lower()}
    with tempfile.TemporaryDirectory() as folder, RunningStack(state=Path(folder) / "state", env=env) as stack:
        address = stack.info["http"].removeprefix("http://")
        async with stack.client() as client:
            (await client.put("/v1/records/k", json={"value": "a short value"})).raise_for_status()
            due = (datetime.now(UTC) + timedelta(days=300)).isoformat()
            alarm = {"trigger": {"at": due}, "action": {"task": {"handler": "noop"}}}
            made = (await client.post("/v1/alarms", json=alarm)).raise_for_status().json()
        read = _get("/v1/records/k", address, stack.api_key)
        read_alarm = _get(f"/v1/{made['name']}", address, stack.api_key)
        make = post("/v1/alarms", json.dumps(alarm).encode(), host=address, key=stack.api_key)
        return {
            "read by key": await _cost(stack, repeat(read), calls, "processor_svc"),
            "read of an alarm": await _cost(stack, repeat(read_alarm), calls, "scheduler_svc"),
            "create": await _cost(stack, repeat(make), calls, "scheduler_svc"),
        }


def _get(path: str, address: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


async def _cost(stack: RunningStack, requests: Iterator[bytes], calls: int, service: str) -> Mapping[str, float]:
    address = stack.info["http"].removeprefix("http://")
    await run(address, requests, connections=_CONNECTIONS, total=calls // 10)
    before = {name: _seconds(stack.pid(name)) for name in ("gateway", service)}
    answers = await run(address, requests, connections=_CONNECTIONS, total=calls)
    if set(answers.statuses) != {200}:
        msg = f"answered {dict(answers.statuses)}"
        raise RuntimeError(msg)
    return {f"{name}_cpu_us": round((_seconds(stack.pid(name)) - at) / calls * 1e6) for name, at in before.items()}


def _seconds(pid: int) -> float:
    """Processor time of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--carriers", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(measure(calls=options.calls, carriers=options.carriers)), indent=2))
