"""Other schedulers and task queues at the same work, beside Tocsin, in one run on one machine.

Each peer is a script that runs in an environment of its own (`make peers`), with the store that its users give it: PostgreSQL that flushes
each commit, or Redis. A job does nothing. The clock runs from when all jobs are due and a worker is there, until the last one
is done.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import drain
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.redis import RedisServer

_HERE: Final = Path(__file__).resolve().parent
_ROOT: Final = _HERE.parent.parent
_ALARMS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A script, the environment it runs in, and how many jobs keep it busy for long enough."""

    name: str
    environment: str
    store: str
    jobs: int

    async def measure(self, postgresql: str, *, redis: str) -> dict[str, Any]:
        """What the script prints."""
        python = _ROOT / self.environment / "bin" / "python"
        if not python.exists():
            msg = f"{self.environment} is missing; run: make peers"
            raise FileNotFoundError(msg)
        url = [] if self.store == "broker" else ["--url", postgresql if self.store == "postgresql" else redis]
        line = [str(python), str(_HERE / f"{self.name}_drain.py"), "--jobs", str(self.jobs), *url]
        process = await asyncio.create_subprocess_exec(
            *line,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PEER_REDIS": redis},
        )
        output, _ = await process.communicate()
        if process.returncode:
            msg = f"{' '.join(line)} ended with {process.returncode}"
            raise RuntimeError(msg)
        return json.loads(output)


PEERS: Final[Sequence[Peer]] = (
    Peer(name="procrastinate", environment=".venv-peers", store="postgresql", jobs=10_000),
    Peer(name="celery", environment=".venv-peers", store="broker", jobs=20_000),
    Peer(name="arq", environment=".venv-peers-arq", store="redis", jobs=10_000),
    Peer(name="apscheduler", environment=".venv-peers", store="postgresql", jobs=4_000),
)


async def measure() -> dict[str, Any]:
    """Rates of each, and how many times as fast Tocsin is."""
    ours = await _on_postgresql(_tocsin)
    results: dict[str, Any] = {"tocsin": ours}
    for peer in PEERS:
        redis = RedisServer()
        redis.start()
        try:
            found = await _on_postgresql(partial(peer.measure, redis=redis.url))
        finally:
            redis.close()
        results[peer.name] = {**found, "tocsin_is_times_as_fast": round(ours["drained_per_second"] / found["per_second"], 1)}
    return results


async def _tocsin(url: str) -> dict[str, Any]:
    return await drain.measure(url=url, alarms=_ALARMS)


async def _on_postgresql(measure: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The measurement on a PostgreSQL of its own that flushes each commit."""
    server = PostgresServer(fsync=True)
    server.start()
    try:
        return await measure(server.url())
    finally:
        server.close()
