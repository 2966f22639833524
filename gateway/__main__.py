"""Runs the gateway."""

import sys

from tocsin.collection import look_rarely


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    look_rarely()
    from gateway.config import GatewaySettings
    from gateway.wiring import build
    from tocsin.lifecycle import run

    return run("gateway", GatewaySettings, build)


if __name__ == "__main__":
    sys.exit(main())
