"""The first start: one tenant, one owner, one key for development, so that a newcomer has something to begin with."""

import secrets
from dataclasses import dataclass
from typing import Protocol

from ulid import ULID

from auth_svc.domain import (
    EVERY_SCOPE,
    OWNER,
    ApiKey,
    SecurityEvent,
    ServiceAccount,
    Tenant,
    User,
    digest,
    new_api_key_secret,
    shown_prefix,
)
from auth_svc.ports import Installation, PasswordHasher, SecurityLog, Store
from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition

PASSWORD_BYTES = 18
"""Random bytes of the first password."""

_ATTEMPTS = 5


class SecretsDiffer(FailedPrecondition):
    """Another process has written different secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSecrets:
    """The two secrets that the first start makes."""

    password: str
    key: str


class SecretFiles(Protocol):
    """Where the first start leaves its secrets for the operator."""

    async def read(self) -> tuple[str | None, str | None]:
        """The administrator's password and the development key, as far as the files are there.

        Raises:
            ConfigError: a file is there with something else in it.
        """
        ...

    async def write(self, secrets: FirstSecrets) -> None:
        """Writes both, whole and durably; a file that is there is never overwritten.

        Raises:
            SecretsDiffer: a file is there and holds something else.
        """
        ...

    def describe(self) -> dict[str, str]:
        """Where the files are, for the log."""
        ...


class Installer:
    """Installs the first tenant once, however many replicas start together and whenever one of them dies.

    The files are written after the database has said who may install, and before the commit that makes their secrets valid. A crash
    between the two leaves files whose secrets the next attempt takes over.
    """

    def __init__(
        self, *, store: Store, hasher: PasswordHasher, files: SecretFiles, log: SecurityLog, clock: Clock, email: str, enabled: bool
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._files = files
        self._log = log
        self._clock = clock
        self._email = email
        self._enabled = enabled

    async def start(self) -> None:
        """Installs, unless it is switched off or a tenant exists.

        Raises:
            ConfigError: a file is there with something else in it.
            OSError: the files cannot be written.
        """
        if not self._enabled or await self._store.installed():
            return
        for attempt in range(_ATTEMPTS):
            try:
                await self._install()
            except SecretsDiffer:  # a replica on the same folder died after writing; what it wrote is what counts
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Nothing to release."""

    async def _install(self) -> None:
        chosen = await self._secrets()
        first = self._first(chosen, await self._hasher.hash(chosen.password))
        if await self._store.install(first, before_commit=lambda: self._files.write(chosen)):
            self._log.record(
                SecurityEvent.BOOTSTRAPPED, tenant=first.tenant.id, subject=first.admin.name, by="first start", **self._files.describe()
            )

    async def _secrets(self) -> FirstSecrets:
        """The secrets of an attempt that did not get to its commit, or new ones."""
        password, key = await self._files.read()
        return FirstSecrets(password=password or secrets.token_urlsafe(PASSWORD_BYTES), key=key or new_api_key_secret())

    def _first(self, chosen: FirstSecrets, password_hash: str) -> Installation:
        now = self._clock.now()
        tenant = Tenant(id=str(ULID.from_datetime(now)), display_name="default", time_zone="UTC", operator=True, created=now)
        admin = User(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            email=self._email,
            display_name="Administrator",
            role=OWNER,
            created=now,
        )
        programs = ServiceAccount(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            display_name="development",
            description="Holds the key that the first start made.",
            role=OWNER,
            maker="",
            created=now,
        )
        key = ApiKey(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            owner=programs.name,
            display_name="development",
            scopes=frozenset({EVERY_SCOPE}),
            prefix=shown_prefix(chosen.key),
            created=now,
            expires=None,
        )
        return Installation(
            tenant=tenant,
            admin=admin,
            password_hash=password_hash,
            service_account=programs,
            key=key,
            key_digest=digest(chosen.key),
        )
