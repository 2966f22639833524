"""What may be wrong with an archive."""

from tocsin.errors import DataLoss, FailedPrecondition, SettingsAtFault, Unavailable


class ArchiveUnavailable(Unavailable):
    """The archive of the ledger cannot be written or read."""


class ArchiveDamaged(DataLoss):
    """The archive of the ledger is not whole."""


class ArchiveNotPossible(FailedPrecondition, SettingsAtFault):
    """The archive of the ledger needs `pip install 'tocsin[archive]'`."""
