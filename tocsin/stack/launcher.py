"""Becomes a service that cannot outlive its supervisor.

Run as ``python -I -S launcher.py SUPERVISOR_PID PROGRAM ARGUMENT...``. On Linux it asks the kernel to kill this process when the
supervisor dies (prctl(2), PR_SET_PDEATHSIG; kept across execve), so that ``kill -9`` of the supervisor leaves no orphan on the ports.
SIGKILL and not SIGTERM: a new `tocsin up` must find the ports free at once, and accepted work is durable. Elsewhere an orphan shows
itself as a port in use. Only the standard library, and little of it: this runs before every start.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Lets this process die with its parent, whose id was ``parent``; ends it at once when that is gone already."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("the supervisor died before its service started")


def main(argv: list[str]) -> None:
    """Ties this process to its supervisor and turns into the program."""
    supervisor, program = int(argv[0]), argv[1:]
    tie_to(supervisor)
    os.execvp(program[0], program)  # noqa: S606 - there is no shell to want; the supervisor chose the arguments


if __name__ == "__main__":
    main(sys.argv[1:])
