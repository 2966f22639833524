"""Two of every service on one PostgreSQL and one Redis, and one of each is killed: the other one carries on."""

import asyncio
import random

import pytest

from tests.chaos.load import FULL, NO_ANSWER, SERVICES, Load, Note
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

ROUNDS, PAUSE = (5, 6.0) if FULL else (1, 1.0)
"""How often each service loses one of its two processes, and seconds between two kills."""
SECONDS = ROUNDS * PAUSE * len(SERVICES)
RATE = 25


async def kill_in_turn(pair: tuple[RunningStack, RunningStack]) -> list[str]:
    """Kills one process of each service, now of this stack and now of that one; returns what was killed."""
    killed: list[str] = []
    for _ in range(ROUNDS):
        for service in random.sample(SERVICES, len(SERVICES)):
            stack = random.choice(pair)
            stack.kill(service)
            killed.append(f"{service} of {stack.state.name}")
            await asyncio.sleep(PAUSE)
    return killed


async def test_one_of_each_may_die_and_nobody_is_refused(pair: tuple[RunningStack, RunningStack], record_property: Note) -> None:
    """Clients see at most the broken connection to a gateway that was killed; every mail arrives once."""
    first, second = pair
    async with first.client() as one, second.client(key=first.api_key) as two:
        load = Load(one, two)
        await load.steady()
        replicas = {name: service["replicas"] for name, service in (await one.get("/health")).json()["services"].items()}
        assert set(replicas.values()) == {2}, replicas
        killed, _ = await asyncio.gather(kill_in_turn(pair), load.run(alarms=int(RATE * SECONDS), seconds=SECONDS))
        account = await load.settle()
    record_property("account", f"killed {', '.join(killed)}, answers {dict(load.answers)}: {account}")
    assert len(killed) == ROUNDS * len(SERVICES)
    assert load.answers.keys() <= {200, NO_ANSWER}, "there was another one of each"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{first.logs()}\n{second.logs()}"
