"""What there is of an installation: the databases of its services, the gateway's spools, and the files of its state folder."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from tocsin.backups.manifest import BackupFailed, BackupUnfit, Kind
from tocsin.config import ServiceSettings, StoreSettings, load
from tocsin.database.engine import parse_url
from tocsin.installation_key import KEY_FILE, InstallationKey
from tocsin.stack.layout import SERVICES

KEPT: Final = (KEY_FILE, "dev-api-key", "admin-password", "keys", "pki", "error_reports")
"""Files and folders of the state folder that are backed up as they are, beside databases and journals."""
JOURNALS: Final = "audit_log"
"""The folder of what the audit log does not have yet."""
CACHES: Final = ("jwks", "pii", "tenants")
"""Folders of copies of what other services say, which they say again; after a restore they are out of date."""
_SAME: Final = ("trust_domain", "token_issuer", "token_audience")
"""Settings that certificates and tokens were made for."""
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDatabase:
    """The database of one service.

    Attributes:
        service: its package.
        url: as its settings say.
        schema: on PostgreSQL.
        kind: of database.
        file: on SQLite; an empty path on PostgreSQL.
    """

    service: str
    url: str
    schema: str
    kind: Kind
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUpInstallation:
    """An installation as its settings say, running or not.

    Attributes:
        state: the state folder.
        stores: the databases, in the order in which work is handed on: who hands something on comes before who takes it.
        spool: the gateway's first spool file.
        key: the secret of the installation.
        key_is_set: whether it comes from the settings and not from the state folder.
        settings: those that have to be the same where a backup is restored, by variable.
        outside: files that settings name outside of the state folder, by variable.
    """

    state: Path
    stores: tuple[ServiceDatabase, ...]
    spool: Path
    key: InstallationKey
    key_is_set: bool
    settings: Mapping[str, str]
    outside: Mapping[str, str]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "BackedUpInstallation":
        """What an environment describes.

        Raises:
            ConfigError: a setting is not valid.
        """
        found = {service: _settings(service, env) for service in SERVICES}
        gateway: Any = found["gateway"]
        state = Path(gateway.state_dir).absolute()
        stores = [_store(each) for service in _ORDER if isinstance(each := found[service], StoreSettings)]
        outside = {
            f"TOCSIN_{name}": str(path)
            for settings in found.values()
            for name, path in _files(settings)
            if not path.absolute().is_relative_to(state) and path != gateway.spool_file
        }
        return cls(
            state=state,
            stores=tuple(stores),
            spool=Path(gateway.spool_file).absolute(),
            key=InstallationKey.of(gateway),
            key_is_set=gateway.secret_key is not None,
            settings={name: str(getattr(gateway, name)) for name in _SAME},
            outside=outside,
        )

    @property
    def identity(self) -> str:
        """Tells installations apart, and nothing of the secret from which it is derived; empty where there is none yet."""
        if not self.key_is_set and not (self.state / KEY_FILE).exists():
            return ""
        return self.key.derive("identity of backups", length=_ID_BYTES).hex()

    def spools(self) -> dict[int, Path]:
        """The spool files that exist, by their place."""
        beside = (path.name.removeprefix(f"{self.spool.stem}-").removesuffix(self.spool.suffix) for path in self.spool.parent.glob("*"))
        places = [1, *sorted(int(name) for name in beside if name.isascii() and name.isdigit() and int(name) > 1)]
        return {place: path for place in places if (path := self.spool_at(place)).is_file()}

    def spool_at(self, place: int) -> Path:
        """The spool file of a place, counted from 1."""
        return self.spool if place == 1 else self.spool.with_name(f"{self.spool.stem}-{place}{self.spool.suffix}")

    def existing_outside(self) -> dict[str, str]:
        """Those files outside of the state folder that there are."""
        return {name: path for name, path in self.outside.items() if Path(path).exists()}

    def kept(self) -> Iterator[Path]:
        """The plain files that are backed up as they are.

        Raises:
            BackupFailed: one of them is a link or a device, so that what it stands for would be missing from the backup.
        """
        for name in KEPT:
            yield from _plain(self.state / name)

    def journals(self) -> list[Path]:
        """What the audit log does not have yet."""
        return sorted((self.state / JOURNALS).glob("*/*.journal"))


_ORDER: Final = ("scheduler_svc", "processor_svc", "auth_svc", "mailer_svc")
"""Firings go from the scheduler to the processor and the mailer, mails about accounts from auth_svc to the mailer."""


def product_version() -> str:
    """The version of Tocsin that runs; "source" where it is not installed."""
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "source"


def _plain(path: Path) -> Iterator[Path]:
    if path.is_symlink() or (path.exists() and not path.is_dir() and not path.is_file()):
        raise BackupFailed(f"{path} is a link or a device; only plain files can be backed up")
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if not each.name.startswith("."):  # drafts that are about to get their name
                yield from _plain(each)
    elif path.is_file():
        yield path


def _settings(service: str, env: Mapping[str, str]) -> ServiceSettings:
    """The settings of a service.

    Raises:
        ConfigError: they are not valid.
        BackupUnfit: this distribution has no such service.
    """
    kinds = vars(importlib.import_module(f"{service}.config")).values()
    short = service.removesuffix("_svc")
    kind = next((each for each in kinds if isinstance(each, type) and issubclass(each, ServiceSettings) and each.service == short), None)
    if kind is None:
        raise BackupUnfit(f"{service} has no settings")
    return load(kind, env)


def _store(settings: Any) -> ServiceDatabase:
    url = parse_url(settings.resolved_database_url)
    sqlite = url.get_backend_name() == "sqlite"
    return ServiceDatabase(
        service=settings.service_name,
        url=settings.resolved_database_url,
        schema="" if sqlite else settings.resolved_database_schema,
        kind="sqlite" if sqlite else "postgresql",
        file=Path(url.database or "").absolute() if sqlite else Path(),
    )


def _files(settings: ServiceSettings) -> Iterator[tuple[str, Path]]:
    """The files that settings name, but not those of other programs."""
    prefix = f"{settings.service.upper()}_"
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Path) and name.endswith("_file"):
            yield (f"{prefix}{name.upper()}", value)
