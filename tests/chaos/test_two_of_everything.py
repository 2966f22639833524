"""Two of every service on one PostgreSQL and one Redis, and one of each is killed: the other one carries on."""

import asyncio
import random
import shutil
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.load import FULL, NO_ANSWER, SERVICES, Load, Note
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import FIRST_PORT
from tocsin.testing.redis import RedisServer
from tocsin.testing.stack import OFFSETS, RunningStack, free_port_base

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 240)]

ROUNDS, PAUSE = (5, 6.0) if FULL else (1, 1.0)
"""How often each service loses one of its two processes, and seconds between two kills."""
SECONDS = ROUNDS * PAUSE * len(SERVICES)
RATE = 25
BEHIND = {"AUTH": 11, "SCHEDULER": 12, "PROCESSOR": 13, "MAILER": 14}
"""The ports of the services behind the gateway, relative to the port base."""
SHARED = ("pki", "keys", "dev-api-key", "admin-password")
"""What replicas have in common beside the databases: one authority, one signing key, one first tenant."""


def port_bases() -> tuple[int, int]:
    """Two free ranges of ports. The second one waits until the first stack is up, so both are below those that `free_port` gives away."""
    first, second = (next(base for base in iter(free_port_base, 0) if base + max(OFFSETS) < FIRST_PORT) for _ in range(2))
    return (first, second) if first != second else port_bases()


@pytest.fixture
def pair(
    tmp_path: Path, own_postgres_server: PostgresServer, own_redis_server: RedisServer
) -> Generator[tuple[RunningStack, RunningStack]]:
    """Two stacks whose services know both of each: together they are one Tocsin."""
    bases = port_bases()
    env = {
        "TOCSIN_DATABASE_URL": own_postgres_server.url(),
        "TOCSIN_REDIS_URL": own_redis_server.url,
        "TOCSIN_SCHEDULER_LEASE_SECONDS": "10" if FULL else "2",
        **{f"TOCSIN_{name}_TARGET": "ipv4:" + ",".join(f"127.0.0.1:{base + offset}" for base in bases) for name, offset in BEHIND.items()},
    }
    first, second = (RunningStack(state=tmp_path / name, env=env, port_base=base) for name, base in zip(("one", "two"), bases, strict=True))
    with ExitStack() as running:
        running.enter_context(first)
        second.state.mkdir(mode=0o700)
        for name in SHARED:
            source = first.state / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, second.state / name)
        running.enter_context(second)
        yield first, second


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
