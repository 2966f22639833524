"""Whatever a tenant sends, at either door, costs that tenant: no error of ours, no open circuit, no neighbour that waits."""

import os
import random
import re
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from tests.hostile.conftest import FULL
from tests.hostile.doors import Verdict, attack_all, over_connect, over_grpc, over_grpc_web, over_rest, over_websocket
from tests.hostile.neighbour import Neighbour, sign_up
from tests.hostile.requests import GOOD
from tests.hostile.walk import Attack, attacks, contract
from tocsin.mesh.policy import MethodKind
from tocsin.testing.stack import RunningStack

SAMPLE = 600
"""Attacks a door in the short form; the full form makes all of them."""
SEED = int(os.environ.get("HOSTILE_SEED", "1"))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(3600 if FULL else 600),
    pytest.mark.parametrize("stack", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True),
]


def chosen(*, streams_alone: bool = False) -> list[Attack]:
    """All attacks in a drawn order, or as many of them as a sample has; those on RPCs that stream, if they alone are wanted."""
    rpcs = [rpc for rpc in contract().rpcs() if not streams_alone or rpc.policy.kind is not MethodKind.UNARY_UNARY]
    found = [attack for rpc in rpcs for attack in attacks(rpc, GOOD.get(rpc.policy.method, {}))]
    draw = random.Random(SEED)
    draw.shuffle(found)
    return found if FULL else found[:SAMPLE]


@pytest.mark.parametrize("door", ["rest", "grpc", "connect", "grpc-web", "websocket"])
async def test_nothing_that_a_tenant_sends_stops_the_bell(stack: RunningStack, door: str, record_property: Any) -> None:
    """Every field of every RPC with every hostile value, while a neighbour's alarm fires every second."""
    hostile, quiet = await sign_up(stack), await sign_up(stack)
    async with stack.client(key=quiet) as neighbour_client, stack.client() as operator:
        neighbour = Neighbour(neighbour_client)
        await neighbour.begin()
        verdict = await _attack(stack, door, hostile)
        suffered = await neighbour.end()
        health = (await operator.get("/health")).json()
        breakers = await _open_breakers(operator)
        lag = await _worst_lag(stack)
    errors = _errors(stack)
    record_property("account", f"{door}: {verdict.attempts} attacks, {verdict}; {suffered}; worst lag of an event loop {lag}")
    assert verdict.attempts > SAMPLE / 3
    assert not verdict.defects, "\n".join(verdict.defects)
    assert breakers == []
    assert suffered.fine, suffered
    assert health["status"] == "healthy", health
    assert errors == []


async def _attack(stack: RunningStack, door: str, token: str) -> Verdict:
    over_http = {"rest": over_rest, "connect": over_connect, "grpc-web": over_grpc_web}
    if door in over_http:
        async with stack.client(key=token) as client:
            return await attack_all(chosen(), over_http[door](client))
    if door == "websocket":
        return await attack_all(chosen(streams_alone=True), over_websocket(stack.info["http"], token))
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://"), options=options) as channel:
        return await attack_all(chosen(), over_grpc(channel, token))


async def _open_breakers(operator: Any) -> list[str]:
    """The identities of the breakers that are not closed, in every process."""
    answer = await operator.get("/v1/mesh")
    answer.raise_for_status()
    return [
        f"{process['service']}: {breaker['id']}"
        for process in answer.json()["processes"]
        for breaker in process.get("status", {}).get("circuitBreakers", ())
        if breaker["state"] != "CLOSED"
    ]


async def _worst_lag(stack: RunningStack) -> dict[str, float]:
    """The worst delay of each service's event loop since its start, in seconds: told and not judged, for machines are busy."""
    found: dict[str, float] = {}
    async with httpx2.AsyncClient(trust_env=False) as client:
        for name, service in stack.info["services"].items():
            text = (await client.get(service["metrics"])).text
            found[name] = round(max(float(value) for value in re.findall(r"^tocsin_loop_lag_max_seconds (\S+)", text, re.MULTILINE)), 3)
    return found


def _errors(stack: RunningStack) -> list[str]:
    """Lines of the logs at the level of an error: what a caller sends is worth none."""
    return [
        f"{log.name}: {line[:400]}"
        for log in sorted(Path(stack.state, "logs").glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if '"level":"error"' in line.replace(" ", "") or line.startswith("Traceback")
    ]
