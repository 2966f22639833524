"""Any of the five processes may be killed at any moment, and every mail still arrives once."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.stack import RunningStack

ALARMS, SECONDS = (6000, 240.0) if FULL else (250, 10.0)


async def kill_in_turn(stack: RunningStack) -> list[str]:
    """Kills each service in turn, again and again in the full form; returns what was killed."""
    killed: list[str] = []
    rounds = 8 if FULL else 1
    pause = SECONDS / (rounds * len(SERVICES) + 1)
    for _ in range(rounds):
        for service in random.sample(SERVICES, len(SERVICES)):
            await asyncio.sleep(pause)
            try:
                stack.kill(service)
            except ProcessLookupError:  # it is being restarted already
                continue
            killed.append(service)
    return killed


@pytest.mark.chaos
@pytest.mark.e2e
@pytest.mark.timeout(900 if FULL else 600)
async def test_killing_each_service_in_turn_loses_and_doubles_nothing(tmp_path: Path, record_property: Note) -> None:
    """Alarms at an even pace while SIGKILL goes round: none lost, none twice in the inbox, none that nobody asked for."""
    with RunningStack(state=tmp_path / "state") as stack:
        async with stack.client() as client:
            load = Load(client, ahead=(0.5, 5.0))
            await load.steady()
            killed, _ = await asyncio.gather(kill_in_turn(stack), load.run(alarms=ALARMS, seconds=SECONDS))
            account = await load.settle(quiet=3.0)
        logs = stack.logs()
    record_property("account", f"{len(killed)} kills of {', '.join(sorted(set(killed)))}: {account}")
    assert set(killed) == set(SERVICES)
    assert len(account.accepted) == len(account.attempted) > ALARMS
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
