"""APScheduler: so many one-shot jobs in PostgreSQL, all due at one instant."""

import argparse
import asyncio
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

_done = 0


async def noop(number: int) -> None:
    """Does nothing, like its peers; a stored job names a function of a module, so the count is the module's."""
    global _done
    _done += 1


async def drain(url: str, jobs: int) -> dict[str, object]:
    """Seconds from the common due time to the last job done."""
    store = SQLAlchemyJobStore(url=url.replace("postgresql://", "postgresql+psycopg://"))
    scheduler = AsyncIOScheduler(jobstores={"default": store}, timezone=UTC)
    scheduler.start(paused=True)
    due = datetime.now(UTC) + timedelta(seconds=1)
    for number in range(jobs):
        scheduler.add_job(noop, "date", run_date=due, args=(number,), misfire_grace_time=None)
    begun = time.perf_counter()
    scheduler.resume()
    while _done < jobs:  # noqa: ASYNC110  the jobs know nobody to tell
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - begun
    scheduler.shutdown(wait=False)
    return {"version": version("apscheduler"), "jobs": jobs, "done": _done, "per_second": round(_done / seconds)}


def main() -> None:
    """Measures once and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="URL of an empty PostgreSQL database")
    parser.add_argument("--jobs", type=int, required=True)
    options = parser.parse_args()
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    print(json.dumps(asyncio.run(drain(options.url, options.jobs))))


if __name__ == "__main__":
    main()
