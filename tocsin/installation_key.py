"""The secret of the installation, and the keys that are derived from it: one for each purpose, so that none tells of another.

The secret is ``TOCSIN_SECRET_KEY`` (or the file that ``TOCSIN_SECRET_KEY_FILE`` names). Without one, it is made at the first start and kept
in ``<state_dir>/secret-key``. Whoever loses it loses what is sealed with it: credentials of providers, and links in mails.
"""

import asyncio
import secrets
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tocsin.config import ConfigError, ServiceSettings, StoreSettings
from tocsin.private_files import create_private
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
KEY_FILE: Final = "secret-key"
_FEWEST: Final = 32  # characters
_MADE_BYTES: Final = 32
_SALT: Final = b"tocsin installation key v1"


class InstallationKey:
    """Derives keys. As a component it reads the secret at the start, and makes it if there is none."""

    def __init__(self, *, secret: str, file: Path, shared: bool = False) -> None:
        """Reads nothing yet.

        Args:
            secret: as it is set; empty: the file's.
            file: where the secret is kept if none is set.
            shared: other processes may use the same database, so that a secret of this one's own is a mistake waiting to happen.
        """
        self._setting = secret
        self._file = file
        self._shared = shared

    @classmethod
    def of(cls, settings: ServiceSettings) -> "InstallationKey":
        """The key that these settings name."""
        url = settings.resolved_database_url if isinstance(settings, StoreSettings) else ""
        secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
        return cls(secret=secret, file=settings.state_dir / KEY_FILE, shared=url.startswith("postgresql"))

    def derive(self, purpose: str, *, length: int = 32) -> bytes:
        """``length`` bytes for one purpose, such as "unsubscribe"; the same at every call (HKDF with SHA-256, RFC 5869).

        Raises:
            ConfigError: the file holds no secret.
            OSError: it can neither be read nor made.
        """
        return HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=purpose.encode()).derive(self._secret)

    async def start(self) -> None:
        """Reads the secret, and makes it at the first start.

        Raises:
            ConfigError: the file holds no secret.
            OSError: it can neither be read nor made.
        """
        await asyncio.to_thread(lambda: self._secret)
        if self._shared and not self._setting:
            _log.warning("secret of this process alone", file=str(self._file), hint="replicas need the same: set TOCSIN_SECRET_KEY")

    async def stop(self) -> None:
        """Has nothing to end."""

    @cached_property
    def _secret(self) -> bytes:
        return (self._setting or self._kept()).encode()

    def _kept(self) -> str:
        """What the file holds; whoever makes it first makes it for all."""
        if not self._file.exists():
            create_private(self._file, secrets.token_urlsafe(_MADE_BYTES).encode())
        try:
            secret = self._file.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            secret = ""
        if len(secret) < _FEWEST:
            raise ConfigError([f"{self._file}: does not hold a secret of {_FEWEST} characters or more; restore it from a backup"])
        return secret
