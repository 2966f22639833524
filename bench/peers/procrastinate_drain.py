"""procrastinate: so many empty jobs in PostgreSQL, and one worker that runs them all."""

import argparse
import asyncio
import json
import time
from importlib.metadata import version

import procrastinate

_BATCH = 5000


async def drain(url: str, jobs: int, concurrency: int) -> dict[str, object]:
    """Seconds that a worker takes for ``jobs`` jobs that are all due when it starts."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=20))
    done = 0

    @app.task(name="noop")
    async def noop(number: int) -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, jobs, _BATCH):
            await noop.batch_defer_async(*({"number": number} for number in range(start, min(start + _BATCH, jobs))))
        await app.connector.execute_query_async("ANALYZE")  # autovacuum does so within a minute
        begun = time.perf_counter()
        await app.run_worker_async(concurrency=concurrency, wait=False, install_signal_handlers=False, delete_jobs="never")
        seconds = time.perf_counter() - begun
    return {"version": version("procrastinate"), "jobs": jobs, "done": done, "per_second": round(done / seconds)}


def main() -> None:
    """Measures once and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="URL of an empty PostgreSQL database")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=20)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(drain(options.url, options.jobs, options.concurrency))))


if __name__ == "__main__":
    main()
