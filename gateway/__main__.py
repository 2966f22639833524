"""Runs the gateway."""

import sys

from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    from gateway.config import GatewaySettings
    from gateway.wiring import build
    from tocsin.lifecycle import run

    return run("gateway", GatewaySettings, build)


if __name__ == "__main__":
    sys.exit(main())
