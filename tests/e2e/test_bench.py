"""`tocsin bench` against a stack that runs: what it counts, what holds it back, and that nothing of it stays."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import httpx2
import pytest

from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def line(stack: RunningStack, *words: str, token: str = "") -> list[str]:
    """The command, with the stack's own key or as somebody else."""
    target = ["--url", stack.info["http"], "--grpc", stack.info["grpc"].removeprefix("grpc://"), "--api-key", token] if token else []
    return [sys.executable, "-m", "tocsin.cli", "bench", *(target or ["--state", str(stack.state)]), *words]


def bench(stack: RunningStack, *words: str, token: str = "") -> dict[str, Any]:
    """What it writes for programs."""
    done = subprocess.run(line(stack, *words, "--output", "json", token=token), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def interrupted(command: list[str], mark: str) -> "subprocess.CompletedProcess[str]":
    """A command that gets SIGINT once it has written a line that begins with ``mark``."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        for text in running.stdout:
            if text.startswith(mark):
                running.send_signal(signal.SIGINT)
                break
        out, err = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, out, err)


async def left(client: httpx2.AsyncClient, run: str) -> int:
    """How many alarms of a test there are."""
    answer = await client.get("/v1/alarms", params={"filter": f'labels.tocsin-bench="{run}"', "pageSize": 5})
    answer.raise_for_status()
    return len(answer.json().get("alarms", ()))


async def test_each_stage_is_told_and_nothing_stays(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """More alarms than a request takes, calls of three kinds, firings with their lateness, what processes use; nothing is left."""
    words = ("--alarms", "10040", "--rate", "20", "--seconds", "2", "--firings", "10", "--firing-seconds", "2")
    told = await asyncio.to_thread(bench, stack, *words)
    stages = {stage["name"].partition(" ")[0]: stage for stage in told["stages"]}
    assert list(stages) == ["store", "call", "fire", "remove"]
    assert (stages["store"]["done"], stages["call"]["done"]) == (10_040, 40)
    assert {kind: (calls["answered"], calls["failed"]) for kind, calls in stages["call"]["calls"].items()} == {
        "rest": (20, {}),
        "grpc": (10, {}),
        "events": (10, {}),
    }
    assert set(stages["store"]["memory_bytes"]) == {"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"}
    assert (told["expected"], told["fired"], told["early"]) == (20, 20, 0)
    assert (told["alarms_left"], told["stopped"], await left(client, told["run"])) == (0, False, 0)


async def test_ctrl_c_ends_it_with_the_tables_so_far(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """What it made is removed before it ends."""
    words = ("--alarms", "30", "--rate", "5", "--seconds", "3000", "--mix", "rest=1")
    done = await asyncio.to_thread(interrupted, line(stack, *words), "  call")  # how far it is
    assert done.returncode == 0, done.stderr
    assert "store 30 alarms" in done.stdout
    assert "stopped early" in done.stdout
    assert "are left" not in done.stdout
    assert "fire" not in done.stdout
    answer = await client.get("/v1/alarms", params={"filter": 'labels.tocsin-bench-part="stored"', "pageSize": 5})
    assert answer.json().get("alarms", []) == []


async def test_a_quota_holds_it_back_and_is_named(stack: RunningStack, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    """What the quota refuses is no throughput and no failure; what was made within it is removed."""
    tenant = (await stranger.get("/v1/tenant")).json()["name"]
    (await client.put(f"/v1/{tenant}/quotas", json={"alarms": 30})).raise_for_status()

    async def known() -> bool:
        """The scheduler has heard of it."""
        quotas = (await stranger.get("/v1/usage")).json()["quotas"]
        return ("alarms", "30") in [(one["name"], one.get("limit")) for one in quotas]

    await eventually(known)
    token = stranger.headers["authorization"].removeprefix("Bearer ")
    told = await asyncio.to_thread(bench, stack, "--alarms", "100", "--rate", "0", "--firings", "0", token=token)
    assert told["stages"][0]["done"] < 100
    assert "may have 30 alarms" in told["stages"][0]["limited_by"]
    assert (told["alarms_left"], await left(stranger, told["run"])) == (0, 0)
