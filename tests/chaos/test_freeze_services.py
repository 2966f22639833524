"""A service that stands still for longer than every lease has lost them: what it does when it wakes must do no harm."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

# Seconds: the lease of shards, of a firing with a processor, and of a mail with a sender. The full form keeps what is usual.
SHARD_LEASE, WORK_LEASE, MAIL_LEASE = (10, 30, 30) if FULL else (1, 1, 3)
LEASES = {
    "TOCSIN_SCHEDULER_LEASE_SECONDS": str(SHARD_LEASE),
    "TOCSIN_SCHEDULER_WORK_LEASE_SECONDS": str(WORK_LEASE),
    "TOCSIN_MAILER_LEASE_SECONDS": str(MAIL_LEASE),
}
BEYOND = 2.0 if FULL else 0.5
FROZEN = {
    "auth_svc": BEYOND,
    "scheduler_svc": max(SHARD_LEASE, WORK_LEASE) + BEYOND,
    "processor_svc": WORK_LEASE + BEYOND,
    "mailer_svc": max(MAIL_LEASE, WORK_LEASE) + BEYOND,
    "gateway": BEYOND,
}
PAUSE = 0.3
SECONDS = sum(FROZEN.values()) + PAUSE * (len(SERVICES) + 1)
RATE = 25


async def freeze_in_turn(stack: RunningStack) -> list[str]:
    """Stops each service (SIGSTOP) past its leases and lets it go on; returns those that were the same process afterwards."""
    survived: list[str] = []
    for service in SERVICES:
        await asyncio.sleep(PAUSE)
        pid = stack.pid(service)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(FROZEN[service])
        finally:
            os.kill(pid, signal.SIGCONT)
        survived += [service] if stack.pid(service) == pid else []
    return survived


async def test_freezing_each_service_past_its_leases_loses_and_doubles_nothing(tmp_path: Path, record_property: Note) -> None:
    """Each service in turn is frozen for longer than any lease that it holds: nobody restarts it, and every mail arrives once."""
    with RunningStack(state=tmp_path / "state", env=LEASES) as stack:
        async with stack.client() as client:
            load = Load(client)
            await load.steady()
            survived, _ = await asyncio.gather(freeze_in_turn(stack), load.run(alarms=int(RATE * SECONDS), seconds=SECONDS))
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    frozen = ", ".join(f"{service} {seconds:g} s" for service, seconds in FROZEN.items())
    record_property("account", f"frozen {frozen}, answers {dict(load.answers)}: {account}")
    assert survived == list(SERVICES)
    assert restarts == dict.fromkeys(SERVICES, 0), "freezing is no reason to restart"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
