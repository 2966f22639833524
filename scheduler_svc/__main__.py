"""Runs the scheduler: `python -m scheduler_svc`."""

import sys

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build
from tocsin.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("scheduler_svc", SchedulerSettings, build))
