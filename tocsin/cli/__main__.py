"""Entry point of the `tocsin` command."""

import sys

from tocsin.cli.app import make_app
from tocsin.cli.output import complain, exit_code
from tocsin.errors import TocsinError


def main() -> None:
    """Runs the command; every error becomes plain words on stderr and an exit code."""
    try:
        make_app()()
    except TocsinError as error:
        complain(error)
        sys.exit(exit_code(error))
    except OSError as error:
        sys.exit(f"tocsin: {error.strerror}: {error.filename}" if error.filename else f"tocsin: {error}")


if __name__ == "__main__":
    main()
