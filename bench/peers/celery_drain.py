"""Celery with Redis: so many empty tasks in the broker, and a worker with a process a core that runs them all."""

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import celery
import redis

REDIS = os.environ.get("PEER_REDIS", "redis://127.0.0.1:6379/0")
app = celery.Celery("celery_drain", broker=REDIS)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=100,
    broker_connection_retry_on_startup=True,
    task_store_errors_even_if_ignored=False,
)


@app.task(name="noop")
def noop(number: int) -> None:
    """Does nothing, like its peers."""


def drain(jobs: int) -> dict[str, object]:
    """Seconds from the first task taken to the last one done."""
    client = redis.Redis.from_url(REDIS)
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(jobs):
            noop.apply_async((number,), producer=producer)
    line = [sys.executable, "-m", "celery", "--quiet", "-A", "celery_drain", "worker", "-P", "prefork", "-c", str(os.cpu_count() or 2)]
    line += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    folder = Path(__file__).resolve().parent
    worker = subprocess.Popen(line, cwd=folder, env={**os.environ, "PEER_REDIS": REDIS}, stdout=sys.stderr)
    try:
        while client.llen("celery") == jobs:
            if worker.poll() is not None:
                msg = f"the worker ended with {worker.returncode}"
                raise RuntimeError(msg)
            time.sleep(0.01)
        begun = time.perf_counter()
        while client.llen("celery") or client.hlen("unacked"):
            time.sleep(0.02)
        seconds = time.perf_counter() - begun
        done = sum(stats["total"].get("noop", 0) for stats in app.control.inspect(timeout=5).stats().values())
    finally:
        worker.terminate()
        worker.wait()
    return {"version": version("celery"), "jobs": jobs, "done": done, "per_second": round(jobs / seconds)}


def main() -> None:
    """Measures once and prints JSON. The broker is named by PEER_REDIS, and must be empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    print(json.dumps(drain(parser.parse_args().jobs)))


if __name__ == "__main__":
    main()
