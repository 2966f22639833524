"""A sample of `make rolling`: every service is replaced, one of each, while events are published and a watch hears what they fire."""

import asyncio
import os
import signal

import pytest

from tests.chaos.rolling import PATIENT, Events, GrpcDoors
from tocsin.stack.layout import SERVICES
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually
from tocsin_client import AsyncClient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def test_one_watch_hears_of_each_event_once_whatever_is_restarted(stack: RunningStack) -> None:
    """Clients that wait and send again lose nothing; with one process of each, that is all that a restart asks of them."""
    async with AsyncClient(stack.info["http"], stack.api_key, retry=PATIENT, timeout=120.0) as client:
        doors = GrpcDoors([stack.info["grpc"]], stack.api_key)
        events = Events(doors, [client])
        ending = asyncio.Event()

        async def publish(first: int) -> None:
            number = first
            while not ending.is_set() or number < 20:
                await events.publish(number)
                number += 2
                await asyncio.sleep(0.02)

        async with events.watched():
            publishing = asyncio.gather(publish(0), publish(1))
            for service in SERVICES:
                pid = stack.pid(service)
                os.kill(pid, signal.SIGTERM)
                await eventually(
                    lambda name=service, pid=pid: (
                        stack.info["services"][name]["pid"] not in (None, pid) and stack.info["services"][name]["state"] == "healthy"
                    ),
                    what=f"another {service}",
                )
            ending.set()
            await publishing
            await events.settle()
        await doors.close()
    assert events.account.verdict == "valid", f"{events.account}\n{events.account.faults()}"
    assert events.heard == dict.fromkeys(events.account.accepted, 1)
    assert set(events.changes.values()) == {1}, "no change was told twice"
