"""What an archive says of itself: the manifest, and why one is refused."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from tocsin.errors import DataLoss, FailedPrecondition

FORMAT: Final = 2
"""The version of the archive's format that is read; one with a greater number is refused."""
OF_ONE_FOLDER: Final = 1
"""That of a backup of one state folder, which earlier versions read as well."""

Kind = Literal["sqlite", "postgresql"]


class BackupDamaged(DataLoss):
    """The backup is damaged: it is cut short, was changed, or is no backup."""


class BackupTooNew(FailedPrecondition):
    """The backup was made by a newer version of Tocsin."""


class BackupUnfit(FailedPrecondition):
    """The backup cannot be restored here."""


class RestoreRefused(FailedPrecondition):
    """Something is in the place to which the backup would be restored."""


class RestoreIncomplete(FailedPrecondition):
    """A restore could neither be finished nor undone."""


class BackupFailed(FailedPrecondition):
    """The backup could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """A file in the archive."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseBackup:
    """The database of a service.

    Attributes:
        kind: of database.
        revision: of its schema; empty if it was never migrated.
        schema: its name on PostgreSQL; empty on SQLite.
        member: the file in the archive.
        server: major version of the server; 0 on SQLite.
    """

    kind: Kind
    revision: str
    schema: str
    member: str
    server: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a reader has to know before it touches anything.

    Attributes:
        format: version of the archive's format.
        version: of Tocsin.
        created: when, RFC 3339.
        installation: derived from the secret of the installation, and does not tell it.
        key_in_file: whether that secret is in the archive; otherwise it was set, and has to be set where this is restored.
        databases: of each service.
        spools: the gateway's spool files by their place, 1 being the one that its settings name; their members.
        spool_revision: the newest revision of their schemas; empty without any.
        settings: those that have to be the same again, by name.
        outside: files that settings name outside of the state folder; they are not in the archive.
        folders: the names of the state folders, where each service has one of its own; else empty.
        members: all files.
    """

    format: int = FORMAT
    version: str
    created: str
    installation: str
    key_in_file: bool
    databases: Mapping[str, DatabaseBackup]
    spools: Mapping[str, str]
    spool_revision: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    outside: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: tuple[str, ...] = ()
    members: tuple[ArchiveMember, ...] = ()

    def to_json(self) -> bytes:
        """As it stands in the archive."""
        told = asdict(self)
        if not self.folders:
            del told["folders"]
        return json.dumps(told, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Reads one.

        Raises:
            BackupTooNew: its format is of a newer version.
            BackupDamaged: it cannot be read.
        """
        try:
            told: dict[str, Any] = json.loads(data)
            number, version = int(told["format"]), str(told["version"])
        except (ValueError, TypeError, KeyError) as error:
            raise BackupDamaged(f"The manifest of the backup cannot be read: {error!r}") from error
        if number > FORMAT:
            raise BackupTooNew(
                f"The backup has format {number} and was made by Tocsin {version}; this version reads up to format {FORMAT}. "
                "Restore it with that version or a newer one."
            )
        try:
            databases = {str(name): DatabaseBackup(**each) for name, each in told.pop("databases").items()}
            members = tuple(ArchiveMember(**each) for each in told.pop("members"))
            folders = tuple(str(name) for name in told.pop("folders", ()))
            return cls(**told, databases=databases, folders=folders, members=members)
        except (TypeError, KeyError, AttributeError) as error:
            raise BackupDamaged(f"The manifest of the backup cannot be read: {error!r}") from error
