"""Runs the processor: `python -m processor_svc`."""

import sys

from tocsin.core_lines import silence_core
from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    silence_core()
    from processor_svc.config import ProcessorSettings
    from processor_svc.wiring import build
    from tocsin.lifecycle import run

    return run("processor_svc", ProcessorSettings, build)


if __name__ == "__main__":
    sys.exit(main())
