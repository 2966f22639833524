"""Entry point of the `tocsin` command."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from tocsin.cli.app import make_app
from tocsin.cli.output import complain, exit_code
from tocsin.errors import TocsinError
from tocsin.exit_codes import ExitCode


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; every error becomes plain words on stderr and an exit code.

    Args:
        argv: the words behind `tocsin`; those of the process unless given.
    """
    try:
        make_app(sys.argv[1:] if argv is None else argv)(args=argv)
    except TocsinError as error:
        complain(error)
        sys.exit(exit_code(error))
    except OSError as error:
        sys.exit(f"tocsin: {error.strerror}: {error.filename}" if error.filename else f"tocsin: {error}")
    sys.exit(ExitCode.OK)


if __name__ == "__main__":
    main()
