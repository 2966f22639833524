"""A process that looks at one mail in no standard form: patterns of many servers, which are nobody's guarantee of time or memory.

``python -m mailer_svc.bounces.scan`` reads the mail from its standard input and writes "failed", "delayed" or "nothing".
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from typing import Final, cast

import flufl.bounce

from mailer_svc.bounces.reading import AnyMessage, BounceUnreadable, parsed

CPU_SECONDS: Final = 2
_MEMORY_BYTES: Final = 512 * 1024 * 1024


_failures = cast("Callable[[AnyMessage], tuple[frozenset[bytes], frozenset[bytes]]]", flufl.bounce.all_failures)


def scan(data: bytes) -> str:
    """What the patterns find: "failed", "delayed" or "nothing"."""
    try:
        message = parsed(data)
    except BounceUnreadable:
        return "nothing"
    if not message["From"]:
        message["From"] = "nobody@invalid"  # a pattern that stumbles over its absence would keep the others from being tried
    try:
        temporary, permanent = _failures(message)
    except Exception:  # noqa: BLE001 - what a pattern stumbles over is no bounce that anybody knows
        return "nothing"
    return "failed" if permanent else "delayed" if temporary else "nothing"


if __name__ == "__main__":
    most = math.ceil(time.process_time()) + CPU_SECONDS  # beside what it took to start
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    sys.stdout.write(scan(sys.stdin.buffer.read()))
