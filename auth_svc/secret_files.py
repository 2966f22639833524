"""The secrets of the first start, in files."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from auth_svc.domain import LEAST, LONGEST, is_api_key_secret
from auth_svc.service.installation import FirstSecrets, SecretsDiffer
from tocsin.config import ConfigError
from tocsin.private_files import create_private

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
        password = _content(self._password, "a password of 8 to 128 characters", lambda text: LEAST <= len(text) <= LONGEST)
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
