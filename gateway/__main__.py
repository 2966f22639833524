"""Runs the gateway."""

import sys

from gateway.config import GatewaySettings
from gateway.wiring import build
from tocsin.lifecycle import run

if __name__ == "__main__":
    sys.exit(run("gateway", GatewaySettings, build))
