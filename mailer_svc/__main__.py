"""Runs mailer_svc: ``python -m mailer_svc``."""

import sys

from mailer_svc.config import MailerSettings
from mailer_svc.wiring import build
from tocsin.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("mailer_svc", MailerSettings, build))
