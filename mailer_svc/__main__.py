"""Runs mailer_svc: ``python -m mailer_svc``."""

import sys

from tocsin.core_lines import silence_core
from tocsin.garbage_collection import raise_thresholds


def main() -> int:
    """Imports the service and runs it; returns the exit code."""
    raise_thresholds()
    silence_core()
    from mailer_svc.config import MailerSettings
    from mailer_svc.wiring import build
    from tocsin.lifecycle import run

    return run("mailer_svc", MailerSettings, build)


if __name__ == "__main__":
    sys.exit(main())
