"""What may be wrong with an archive."""

from tocsin.errors import DataLoss, FailedPrecondition, SettingsAtFault, Unavailable


class ArchiveUnavailable(Unavailable):
    """The archive cannot be written or read."""


class ArchiveDamaged(DataLoss):
    """The archive is not whole."""


class ArchiveNotPossible(FailedPrecondition, SettingsAtFault):
    """The archive needs `pip install 'tocsin[archive]'`."""
