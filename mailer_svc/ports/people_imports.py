"""Many recipients, or suppressions, at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from mailer_svc.domain import Recipient, Suppression
from tocsin.errors import TocsinError


class ImportOutcome(Enum):
    """What became of a line."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


Outcome: TypeAlias = ImportOutcome | TocsinError
"""What became of a line, or why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRecipient:
    """A recipient of a line, as if it were new; ``said`` are the addresses whose state the line says, by (channel, value)."""

    line: int
    recipient: Recipient
    said: Collection[tuple[str, str]] = ()


class RecipientImportStore(Protocol):
    """Writes batches of recipients."""

    async def put(self, tenant: str, batch: Sequence[ImportedRecipient], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets recipients be what the lines say, in one transaction; missing groups are made. With ``dry`` nothing is written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSuppression:
    """A suppression of a line, as if it were new."""

    line: int
    suppression: Suppression


class SuppressionImportStore(Protocol):
    """Writes batches of suppressions."""

    async def put(self, tenant: str, batch: Sequence[ImportedSuppression], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets suppressions be what the lines say, in one transaction. With ``dry`` nothing is written."""
        ...
