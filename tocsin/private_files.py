"""Files that hold secrets: whole or not there at all, for their owner alone."""

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
    sync_folder(path.parent)
    return True


def replace_private(path: Path, data: bytes) -> None:
    """Writes ``path`` with ``data`` and mode 0600 in the place of what is there: a reader sees the old file or the new one, each whole.

    Raises:
        OSError: the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Has the disk know which files are in a folder, and under which names.

    Raises:
        OSError: it cannot.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
