"""Makes deploy/.env of deploy/.env.example, with a password of its own in each empty place that wants one.

python3 deploy/passwords.py
"""

import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
EMPTY: Final = re.compile(r"^(\w+_PASSWORD|SECRET_KEY)=$", re.MULTILINE)
_BYTES: Final = 32


def filled(example: str) -> str:
    """``example`` with 256 random bits in each empty place, as hexadecimal digits: they stand in URLs as they are."""
    return EMPTY.sub(lambda place: f"{place[1]}={secrets.token_hex(_BYTES)}", example)


def main(folder: Path = FOLDER) -> None:
    """Writes the file, readable by its owner alone; one that is there stays as it is."""
    target = folder / ".env"
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{target} is there already; its passwords are in use, so it stays as it is")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(filled((folder / ".env.example").read_text("utf-8")))
    sys.stdout.write(f"{target} is made; keep it with the backups\n")


if __name__ == "__main__":
    main()
