"""What there is of an installation: the databases of its services, the gateway's spools, and the files of its state folder."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from tocsin.backups.manifest import BackupFailed, BackupUnfit, Kind
from tocsin.config import ServiceSettings, StoreSettings, load
from tocsin.database.engine import parse_url
from tocsin.installation_key import KEY_FILE, InstallationKey
from tocsin.spool_files import spool_at, spools_beside
from tocsin.stack.layout import SERVICES

KEPT: Final = (KEY_FILE, "dev-api-key", "admin-password", "keys", "pki", "error_reports")
"""Files and folders of the state folder that are backed up as they are, beside databases and journals."""
JOURNALS: Final = "audit_log"
"""The folder of what the audit log does not have yet."""
CACHES: Final = ("jwks", "pii", "tenants")
"""Folders of copies of what other services say, which they say again; after a restore they are out of date."""
BESIDE: Final = ("pki", "secret")
"""Folders beside the state folders of services that have one each: the certificates of all, and the secret of the installation."""
ASIDE: Final = "before-restore-"
"""How the folders begin in which a restore keeps what it replaced."""
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
        state: the state folder; where each service has one of its own, the folder in which these lie.
        folders: the state folders: ``state`` itself, or one for each service.
        stores: the databases, in the order in which work is handed on: who hands something on comes before who takes it.
        spool: the gateway's first spool file.
        key: the secret of the installation.
        key_file: where it lies if it is in the state folder, and so in a backup.
        key_is_set: whether it comes from elsewhere.
        settings: those that have to be the same where a backup is restored, by variable.
        outside: files that settings name outside of the state folder, by variable.
    """

    state: Path
    folders: tuple[Path, ...]
    stores: tuple[ServiceDatabase, ...]
    spool: Path
    key: InstallationKey
    key_file: Path
    key_is_set: bool
    settings: Mapping[str, str]
    outside: Mapping[str, str]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "BackedUpInstallation":
        """What an environment describes.

        Raises:
            ConfigError: a setting is not valid.
            BackupUnfit: the state folders of the services do not lie beside each other.
        """
        found = {service: _settings(service, env) for service in SERVICES}
        gateway: Any = found["gateway"]
        folders = tuple(dict.fromkeys(Path(settings.state_dir).absolute() for settings in found.values()))
        state = _root(folders)
        holder = gateway if len(folders) == 1 else found[_KEY_HOLDER]
        key_file = _key_file(holder, env, state)
        stores = [_store(each) for service in _ORDER if isinstance(each := found[service], StoreSettings)]
        outside = {
            f"TOCSIN_{name}": str(path)
            for settings in found.values()
            for name, path in _files(settings)
            if not path.absolute().is_relative_to(state) and path != gateway.spool_file
        }
        return cls(
            state=state,
            folders=folders,
            stores=tuple(stores),
            spool=Path(gateway.spool_file).absolute(),
            key=InstallationKey.of(holder),
            key_file=key_file or holder.state_dir.absolute() / KEY_FILE,
            key_is_set=holder.secret_key is not None and key_file is None,
            settings={name: str(getattr(gateway, name)) for name in _SAME},
            outside=outside,
        )

    @property
    def identity(self) -> str:
        """Tells installations apart, and nothing of the secret from which it is derived; empty where there is none yet."""
        if not self.key_is_set and not self.key_file.exists():
            return ""
        return self.key.derive("identity of backups", length=_ID_BYTES).hex()

    def spools(self) -> dict[int, Path]:
        """The spool files that exist, by their place."""
        return spools_beside(self.spool)

    def spool_at(self, place: int) -> Path:
        """The spool file of a place, counted from 1."""
        return spool_at(self.spool, place)

    def existing_outside(self) -> dict[str, str]:
        """Those files outside of the state folder that there are."""
        return {name: path for name, path in self.outside.items() if Path(path).exists()}

    def kept(self) -> Iterator[Path]:
        """The plain files that are backed up as they are.

        Raises:
            BackupFailed: one of them is a link or a device, so that what it stands for would be missing from the backup.
        """
        for path in self.places(KEPT):
            yield from _plain(path)

    def journals(self) -> list[Path]:
        """What the audit log does not have yet."""
        return sorted(path for folder in self.folders for path in (folder / JOURNALS).glob("*/*.journal"))

    @property
    def apart(self) -> bool:
        """Whether each service has a state folder of its own."""
        return self.folders != (self.state,)

    @property
    def homes(self) -> tuple[Path, ...]:
        """Folders that may lie on disks of their own; what is replaced in one of them stays in it."""
        return (*self.folders, *(self.state / name for name in BESIDE)) if self.apart else self.folders

    def home(self, path: Path) -> Path | None:
        """Which of them a path lies in."""
        return next((home for home in self.homes if path.is_relative_to(home)), None)

    def places(self, names: Sequence[str]) -> list[Path]:
        """Files and folders of these names in every state folder, and what lies beside these; not all of them exist."""
        found = [folder / name for folder in self.folders for name in names]
        if self.apart:
            beside = (path for name in BESIDE for path in sorted((self.state / name).glob("*")))
            found += [path for path in beside if not path.name.startswith((ASIDE, "."))]
        return found

    def may_hold(self, parts: Sequence[str]) -> bool:
        """Whether a file of a backup has a place here.

        Args:
            parts: its path below ``state``.
        """
        if self.apart and parts[0] in BESIDE:
            return len(parts) > 1
        inner = parts[1:] if self.apart else parts
        known = not self.apart or self.state / parts[0] in self.folders
        return known and bool(inner) and inner[0] in (*KEPT, JOURNALS)


_ORDER: Final = ("scheduler_svc", "processor_svc", "auth_svc", "mailer_svc")
"""Firings go from the scheduler to the processor and the mailer, mails about accounts from auth_svc to the mailer."""


_KEY_HOLDER: Final = "auth_svc"
"""Which of several services knows the secret of the installation."""


def _root(folders: Sequence[Path]) -> Path:
    """The one folder, or that in which several lie.

    Raises:
        BackupUnfit: they lie in different ones.
    """
    if len(folders) == 1:
        return folders[0]
    parents = {folder.parent for folder in folders}
    if len(parents) > 1 or len(folders) != len(SERVICES):
        told = ", ".join(map(str, folders))
        raise BackupUnfit(f"services have one state folder together, or each one of its own in the same folder; these are {told}")
    return parents.pop()


def _key_file(settings: ServiceSettings, env: Mapping[str, str], state: Path) -> Path | None:
    """The file that the secret was read from, if it is backed up with the rest."""
    names = (f"TOCSIN_{settings.service.upper()}_SECRET_KEY_FILE", "TOCSIN_SECRET_KEY_FILE")
    named = next((Path(env[name]).absolute() for name in names if env.get(name)), None)
    return named if named is not None and any(named.is_relative_to(state / name) for name in BESIDE) else None


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
