"""Runs auth_svc: settings, wiring, until told to stop."""

import sys

from tocsin.core_lines import silence_core
from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    silence_core()
    from auth_svc.config import AuthSettings
    from auth_svc.wiring import build
    from tocsin.lifecycle import run

    return run("auth_svc", AuthSettings, build)


if __name__ == "__main__":
    sys.exit(main())
