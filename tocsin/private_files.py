"""Files that hold secrets: whole or not there at all, for their owner alone, never overwritten."""

import os
import tempfile
from pathlib import Path


def create_private(path: Path, data: bytes) -> bool:
    """Makes ``path`` with ``data`` and mode 0600; false if it exists. Whole and on the disk when this returns, whoever dies meanwhile.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        try:
            path.hardlink_to(draft)  # unlike a rename, it refuses to replace
        except FileExistsError:
            return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
