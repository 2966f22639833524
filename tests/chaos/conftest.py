"""Two stacks that are one Tocsin."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.load import FULL
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import FIRST_PORT
from tocsin.testing.redis import RedisServer
from tocsin.testing.stack import OFFSETS, RunningStack, free_port_base

BEHIND = {"AUTH": 11, "SCHEDULER": 12, "PROCESSOR": 13, "MAILER": 14}
"""The ports of the services behind the gateway, relative to the port base."""
SHARED = ("pki", "keys", "dev-api-key", "admin-password")
"""What replicas have in common beside the databases: one authority, one signing key, one first tenant."""


def port_bases() -> tuple[int, int]:
    """Two free ranges of ports. The second one waits until the first stack is up, so both are below those that `free_port` gives away."""
    first, second = (next(base for base in iter(free_port_base, 0) if base + max(OFFSETS) < FIRST_PORT) for _ in range(2))
    return (first, second) if first != second else port_bases()


@pytest.fixture
def settings_of_both() -> Mapping[str, str]:
    """What a module adds to the environment of both stacks."""
    return {}


@pytest.fixture
def pair(
    tmp_path: Path, own_postgres_server: PostgresServer, own_redis_server: RedisServer, settings_of_both: Mapping[str, str]
) -> Generator[tuple[RunningStack, RunningStack]]:
    """Two stacks whose services know both of each: together they are one Tocsin."""
    bases = port_bases()
    env = {
        "TOCSIN_DATABASE_URL": own_postgres_server.url(),
        "TOCSIN_REDIS_URL": own_redis_server.url,
        "TOCSIN_SCHEDULER_LEASE_SECONDS": "10" if FULL else "2",
        **{f"TOCSIN_{name}_TARGET": "ipv4:" + ",".join(f"127.0.0.1:{base + offset}" for base in bases) for name, offset in BEHIND.items()},
        **settings_of_both,
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
