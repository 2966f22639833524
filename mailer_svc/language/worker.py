"""A rendering process: it reads requests from its socket, one after the other, and answers each. It keeps nothing between two of them.

It runs as ``python -m mailer_svc.language.worker FD MEGABYTES CPU_SECONDS`` and ends with the socket, with its parent, or when one request
takes more processor time than it may. A frame is four bytes of length and a pickle: both ends of the socket are ours, and nobody else has
it. The first one, None, says that the process is ready.
"""

import math
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final, cast

from mailer_svc.language.context import context_of
from mailer_svc.language.errors import BudgetSpent, RenderTooExpensive
from mailer_svc.language.inlining import inlined
from mailer_svc.language.parser import SAVED, STORED, parse
from mailer_svc.language.program import Program, run_program
from mailer_svc.language.requests import LENGTH, Inline, Parse, Parsed, Request
from tocsin.errors import TocsinError

BUDGET: Final = 10_000_000
"""Characters that one rendering may touch; about a quarter of a second."""

_MEGABYTE: Final = 1 << 20


def answer(request: Request) -> object:
    """What comes of a request: a `Parsed`, the texts, an `Inlined`, or the error."""
    try:
        if isinstance(request, Parse):
            program = parse(request.parts, bounds=STORED if request.stored else SAVED)
            return Parsed(program.variables, program.required, program.nodes, pickle.dumps(program))
        if isinstance(request, Inline):
            return inlined(request.html)
        program = cast("Program", pickle.loads(request.program))  # noqa: S301 - see above
        return run_program(program, request.variables, context_of(request.context, request.recipient), budget=BUDGET)
    except BudgetSpent:
        return RenderTooExpensive(f"The template touches more than {BUDGET} characters with these values")
    except TocsinError as error:
        return error
    except (MemoryError, RecursionError) as error:
        return RenderTooExpensive(f"The template needs more memory than a rendering may have ({type(error).__name__})")


def serve(receive: Callable[[], bytes | None], send: Callable[[bytes], None], *, cpu_seconds: float) -> None:
    """Answers requests until there is none."""
    send(_frame(None))
    while (frame := receive()) is not None:
        _allow(cpu_seconds)
        send(_frame(answer(pickle.loads(frame))))  # noqa: S301 - see above


def _frame(value: object) -> bytes:
    body = pickle.dumps(value)
    return LENGTH.pack(len(body)) + body


def _allow(cpu_seconds: float) -> None:
    """Lets the process run so much longer: what takes more ends it by SIGXCPU, whatever it is busy with."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        piece = connection.recv(min(size - len(found), _MEGABYTE))
        if not piece:
            return None
        found += piece
    return bytes(found)


def _receiver(connection: socket.socket) -> Callable[[], bytes | None]:
    def receive() -> bytes | None:
        head = _exactly(connection, LENGTH.size)
        return _exactly(connection, LENGTH.unpack(head)[0]) if head is not None else None

    return receive


def main(descriptor: int, megabytes: int, cpu_seconds: float) -> None:
    """Serves the socket ``descriptor``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C of the terminal is the parent's; we end with it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * _MEGABYTE, megabytes * _MEGABYTE))
    with socket.socket(fileno=descriptor) as connection:
        serve(_receiver(connection), connection.sendall, cpu_seconds=cpu_seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
