"""Runs the scheduler: `python -m scheduler_svc`."""

import sys

from tocsin.core_lines import silence_core
from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    silence_core()
    from scheduler_svc.config import SchedulerSettings
    from scheduler_svc.wiring import build
    from tocsin.lifecycle import run

    return run("scheduler_svc", SchedulerSettings, build)


if __name__ == "__main__":
    sys.exit(main())
