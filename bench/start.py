"""What it takes to start the five services, and one again, each as a fork of the template and each as a program of its own.

Run ``python -m bench.start``; it prints one JSON object. Both ways take turns; each figure is the median.
"""

import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from tocsin.stack.layout import SERVICES
from tocsin.stack.stack_file import read_stack_file
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

WAYS: Final = {"forks": "--fork", "programs": "--no-fork"}
_TICK: Final = os.sysconf("SC_CLK_TCK")


async def measure(*, rounds: int = 3) -> dict[str, dict[str, float]]:
    """Starts and stops ``rounds`` stacks of each kind, whose databases exist.

    Returns:
        For each way: seconds until all are ready; the CPU seconds of all processes until then; memory in MiB, of the five services and of
        all processes, with the supervisor and the template, where a page that several share counts once (PSS, proc_pid_smaps(5)), and of
        the services as if they shared nothing (RSS); and the seconds from the kill of the scheduler until it is ready again.
    """
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        stack = RunningStack(state=Path(folder) / "state")
        stack.start()
        stack.stop()
        seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, option in WAYS.items():
                seen[way].append(await _one(stack, option))
    return {way: {name: statistics.median(each[name] for each in found) for name in found[0]} for way, found in seen.items()}


async def _one(stack: RunningStack, option: str) -> dict[str, float]:
    begun = time.monotonic()
    stack.command("up", "--port-base", str(stack.port_base), "--detach", option)
    ready = time.monotonic() - begun
    try:
        processes = _family(stack.info["supervisor"])
        services = [stack.pid(service) for service in SERVICES]
        found = {
            "ready_s": ready,
            "cpu_s": sum(map(_cpu, processes)),
            "services_pss_mib": _memory(services, "Pss"),
            "all_pss_mib": _memory(processes, "Pss"),
            "services_rss_mib": _memory(services, "Rss"),
        }
        return {**found, "scheduler_back_s": await _back(stack)}
    finally:
        stack.stop()


async def _back(stack: RunningStack) -> float:
    pid, killed = stack.pid("scheduler_svc"), time.monotonic()
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        picture = read_stack_file(stack.state)
        return picture is not None and picture.healthy and picture.services["scheduler_svc"].pid != pid

    await eventually(is_back, what="the scheduler")
    return time.monotonic() - killed


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _memory(processes: list[int], kind: str) -> float:
    lines = [line for pid in processes for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return round(sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024, 1)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=1))
