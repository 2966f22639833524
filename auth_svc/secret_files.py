"""Files that hold secrets: whole or not there at all, for their owner alone, never overwritten."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from auth_svc.domain import PASSWORD_LENGTH, is_api_key_secret
from auth_svc.service.installation import FirstSecrets, SecretsDiffer
from tocsin.config import ConfigError

KEY_FILE = "dev-api-key"
PASSWORD_FILE = "admin-password"  # noqa: S105  the name of a file


class StateFolder:
    """The two files of the first start, in the state folder; implements `auth_svc.service.SecretFiles`.

    Each file holds the secret and nothing else, not even a line's end.
    """

    def __init__(self, *, folder: Path) -> None:
        self._key = folder / KEY_FILE
        self._password = folder / PASSWORD_FILE

    async def read(self) -> tuple[str | None, str | None]:
        """What is there."""
        return await asyncio.to_thread(self._read)

    async def write(self, secrets: FirstSecrets) -> None:
        """Writes what is not there."""
        await asyncio.to_thread(self._write, secrets)

    def describe(self) -> dict[str, str]:
        """Where the files are."""
        return {"key_file": str(self._key), "password_file": str(self._password)}

    def _read(self) -> tuple[str | None, str | None]:
        password = _content(self._password, "a password of 8 to 128 characters", lambda text: len(text) in PASSWORD_LENGTH)
        return password, _content(self._key, "an API key", is_api_key_secret)

    def _write(self, secrets: FirstSecrets) -> None:
        for path, secret in ((self._password, secrets.password), (self._key, secrets.key)):
            if not create_private(path, secret.encode()) and path.read_text(encoding="utf-8").strip() != secret:
                raise SecretsDiffer


def _content(path: Path, what: str, is_good: Callable[[str], bool]) -> str | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = ""
    if not is_good(text):
        raise ConfigError([f"{path}: does not hold {what}; remove it, or set TOCSIN_AUTH_BOOTSTRAP=false"])
    return text


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
