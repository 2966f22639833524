"""Where the gateway's spools are: each replica has one of its own, and a lock beside it for as long as it runs.

The first one is the file that the settings name, the next one has that name with "-2", and so on. Backups and `tocsin migrate` look
there, too.
"""

import errno
import fcntl
import os
from pathlib import Path


def spool_at(first: Path, place: int) -> Path:
    """The spool of a place, counted from 1."""
    return first if place == 1 else first.with_name(f"{first.stem}-{place}{first.suffix}")


def spools_beside(first: Path) -> dict[int, Path]:
    """The spools that there are, by their place."""
    names = (path.name.removeprefix(f"{first.stem}-").removesuffix(first.suffix) for path in first.parent.glob("*"))
    places = [1, *sorted(int(name) for name in names if name.isascii() and name.isdigit() and int(name) > 1)]
    return {place: path for place in places if (path := spool_at(first, place)).is_file()}


def lock_of(spool: Path) -> Path:
    """The file whose lock a gateway holds while it has the spool; SQLite has locks of its own on the spool itself."""
    return spool.with_name(f"{spool.name}.lock")


def lock_spool(spool: Path) -> int | None:
    """A descriptor whose lock keeps every gateway away from the spool until it is closed; None when a process has it.

    Raises:
        OSError: the folder cannot be used, or the lock not be had.
    """
    spool.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(lock_of(spool), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return lock
