"""Measures from the command line: ``python -m bench.gateways``."""

import argparse
import json
import sys

import uvloop

from bench.gateways import measure

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--connections", type=int, nargs="*", default=[32, 256])
    given = parser.parse_args()
    sys.stdout.write(json.dumps(uvloop.run(measure(calls=given.calls, connections=tuple(given.connections))), indent=2) + "\n")
