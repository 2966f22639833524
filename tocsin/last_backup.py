"""When the last backup was made, in a file of the state folder, so that whoever runs there can export it."""

import json
from pathlib import Path
from typing import Any, Final

from tocsin.private_files import replace_private

FILE: Final = "last-backup.json"


def note_backup(state: Path, *, seconds: float, size: int) -> None:
    """Notes a backup that is whole and on the disk.

    Args:
        state: the state folder.
        seconds: since the Unix epoch.
        size: bytes of the archive.

    Raises:
        OSError: the folder cannot be written.
    """
    replace_private(state / FILE, json.dumps({"seconds": seconds, "bytes": size}).encode())


def last_backup_seconds(state: Path) -> float:
    """When the last backup was made, in seconds since the Unix epoch; 0 if there was none."""
    try:
        noted: Any = json.loads((state / FILE).read_bytes())
        return float(noted["seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0
