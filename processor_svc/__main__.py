"""Runs the processor: `python -m processor_svc`."""

import sys

from processor_svc.config import ProcessorSettings
from processor_svc.wiring import build
from tocsin.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("processor_svc", ProcessorSettings, build))
