"""arq: so many empty jobs in Redis, and one worker that runs them all."""

import argparse
import asyncio
import json
import logging
import time
from importlib.metadata import version
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func


async def noop(context: dict[str, Any], number: int) -> None:
    """Does nothing, like its peers."""


async def drain(url: str, jobs: int, concurrency: int) -> dict[str, object]:
    """Seconds that a worker takes for ``jobs`` jobs that are all due when it starts."""
    pool = await create_pool(RedisSettings.from_dsn(url))
    for number in range(jobs):
        await pool.enqueue_job("noop", number)
    worker = Worker(
        functions=[func(noop, name="noop", keep_result=0)],
        redis_pool=pool,
        burst=True,
        max_jobs=concurrency,
        poll_delay=0.01,
        handle_signals=False,
    )
    begun = time.perf_counter()
    await worker.async_run()
    seconds = time.perf_counter() - begun
    done = worker.jobs_complete
    await worker.close()
    return {"version": version("arq"), "jobs": jobs, "done": done, "per_second": round(done / seconds)}


def main() -> None:
    """Measures once and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="URL of an empty Redis")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=100)
    options = parser.parse_args()
    logging.getLogger("arq").setLevel(logging.ERROR)
    print(json.dumps(asyncio.run(drain(options.url, options.jobs, options.concurrency))))


if __name__ == "__main__":
    main()
