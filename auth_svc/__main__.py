"""Runs auth_svc: settings, wiring, until told to stop."""

import sys

from auth_svc.config import AuthSettings
from auth_svc.wiring import build
from tocsin.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("auth_svc", AuthSettings, build))
