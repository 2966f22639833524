"""Runs the gateway."""

import sys

from tocsin.core_lines import silence_core
from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    silence_core()
    from gateway.config import GatewaySettings
    from gateway.wiring import build
    from tocsin.lifecycle import run

    return run("gateway", GatewaySettings, build)


if __name__ == "__main__":
    sys.exit(main())
