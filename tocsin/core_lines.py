"""What gRPC's C core writes to stderr by itself.

It has lines of its own, in no form of ours, one for each odd header that a stranger sends too; what matters of them arrives as errors of
the calls. The core reads how much it may say when `grpc` is imported, and never again.
"""

import os


def silence_core() -> None:
    """Keeps it silent, unless GRPC_VERBOSITY says otherwise; call it before anything imports `grpc`."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
