"""Bytes that are nearly HTTP/1.1, and nearly gRPC, at the doors: none is a fault of this house, and who comes next is served.

Each attack is drawn from the seed and its own number, so that one is made again by itself.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc
import httpx2
import pytest

from tests.hostile import grpc_wire, http_wire
from tests.hostile.conftest import FULL
from tests.hostile.neighbour import sign_up
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

SEED: Final = os.environ.get("HOSTILE_SEED", "1")
HTTP_ATTACKS: Final = 6_000 if FULL else 300
GRPC_ATTACKS: Final = 3_000 if FULL else 150
ABREAST: Final = 24
SILENCE: Final = 0.3
"""Seconds without a word after which a connection is left: what is answered later is not looked at, but for the log."""
FAULTS: Final = frozenset({500, 502, 503})

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(3600 if FULL else 600),
    pytest.mark.parametrize("stack", ["sqlite"], indirect=True),
]

Attempt = Callable[[int], Awaitable[None]]


async def test_bytes_that_are_nearly_http(stack: RunningStack, record_property: Any) -> None:
    """Whatever comes back is well-formed, each answer behind the one before it, and none is a 5xx but for a deadline that was asked for."""
    token = await _signed_up(stack)
    place = _place(stack.info["http"])
    found, faults = Counter[int](), list[str]()

    async def attempt(number: int) -> None:
        data = http_wire.attack(random.Random(f"{SEED}/{number}"), token)
        said = await http_wire.sent(place, data, silence=SILENCE)
        try:
            # The answer to HEAD has no body, though it tells of its length.
            answers = http_wire.statuses(said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if b"HEAD " in data and said else said)
        except ValueError as error:
            faults.append(f"{number}: {error} after {data[:300]!r}")
            return
        found.update(answers)
        if FAULTS.intersection(answers):
            faults.append(f"{number}: {answers} for {data[:300]!r}")

    await _survives(stack, range(HTTP_ATTACKS), attempt, faults)
    assert found[400], "nothing was refused: nothing was tried"
    assert found[200], "nothing was served: nothing was tried"
    record_property("account", f"HTTP/1.1: {HTTP_ATTACKS} connections, {sum(found.values())} answers, {dict(sorted(found.items()))}")


@pytest.mark.parametrize("head", http_wire.SMUGGLED)
async def test_what_could_be_understood_in_two_ways_is_not_understood(stack: RunningStack, head: bytes) -> None:
    """One refusal, and what is hidden behind is not looked at (RFC 9112, 6.1 and 11.2)."""
    host, port = _place(stack.info["http"])
    hidden = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    said = await http_wire.sent(
        (host, port), b"POST /v1/alarms HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n2\r\n{}\r\n0\r\n\r\n" + hidden, silence=60
    )
    assert http_wire.statuses(said) == [400]


async def test_bytes_that_are_nearly_grpc(stack: RunningStack, record_property: Any) -> None:
    """No call ends with UNKNOWN, INTERNAL, UNAVAILABLE or DATA_LOSS, unless gRPC's own core chose it."""
    token = await _signed_up(stack)
    place = _place(stack.info["grpc"])
    found, faults = Counter[str](), list[str]()
    names = {code.value[0]: code.name for code in grpc.StatusCode}

    async def attempt(number: int) -> None:
        data, calls = grpc_wire.attack(random.Random(f"{SEED}/{number}"), token)
        for ended in await grpc_wire.sent(place, data, silence=SILENCE):
            found[names[ended.code]] += 1
            if ended.is_ours:
                faults.append(f"{number}: {names[ended.code]} {ended.words!r} for {calls[ended.stream // 2]!r:.600}")

    await _survives(stack, range(GRPC_ATTACKS), attempt, faults)
    assert found["INVALID_ARGUMENT"], "nothing was refused: nothing was tried"
    assert found["OK"], "nothing was served: nothing was tried"
    record_property("account", f"gRPC: {GRPC_ATTACKS} connections, {sum(found.values())} ends, {dict(sorted(found.items()))}")


async def _signed_up(stack: RunningStack) -> bytes:
    """The token of a fresh tenant, however long a machine with much else to do takes to hash its password."""
    found: list[bytes] = []

    async def made() -> bool:
        with suppress(httpx2.HTTPStatusError):
            found.append((await sign_up(stack)).encode())
        return bool(found)

    await eventually(made, what="a tenant")
    return found[0]


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition("/")[2].rpartition(":")
    return host, int(port)


async def _survives(stack: RunningStack, numbers: range, attempt: Attempt, faults: list[str]) -> None:
    """Makes every attempt, several at a time; then both doors serve, all is healthy, and no log got an error, or a library's own line."""
    pids, rest = {name: stack.pid(name) for name in stack.info["services"]}, iter(numbers)
    logs = {log: log.stat().st_size for log in (Path(stack.state, "logs", f"{name}.log") for name in pids)}

    async def assailant() -> None:
        for number in rest:
            await attempt(number)

    await asyncio.gather(*(assailant() for _ in range(ABREAST)))
    assert not faults, "\n".join(faults[:20])
    async with stack.client() as client:
        assert (await client.get("/v1/alarms")).status_code == 200
        assert (await client.get("/health")).json()["status"] == "healthy"
    async with grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://")) as channel:
        assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60) == b"\x08\x01"
    assert {name: stack.pid(name) for name in stack.info["services"]} == pids
    assert [line for log, size in logs.items() for line in _odd_lines(log, size)] == []


def _odd_lines(log: Path, size: int) -> list[str]:
    """Lines of a log behind its first ``size`` bytes that are errors, or not ours."""
    lines = log.read_bytes()[size:].decode(errors="replace").splitlines()
    return [line[:600] for line in lines if not line.startswith("{") or json.loads(line)["level"] in ("error", "critical")]
