"""Many recipients, groups, categories, or suppressions, at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias, TypeVar

from mailer_svc.domain import Category, GroupDraft, Recipient, Suppression
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSuppression:
    """A suppression of a line, as if it were new."""

    line: int
    suppression: Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedGroup:
    """A group of a line."""

    line: int
    group: GroupDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCategory:
    """A category of a line, as if it were new."""

    line: int
    category: Category


Imported = TypeVar("Imported", contravariant=True)


class PeopleImportStore(Protocol[Imported]):
    """Writes batches of one kind of resource."""

    async def put(self, tenant: str, batch: Sequence[Imported], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets resources be what the lines say, in one transaction; groups that are named and missing are made.

        With ``dry`` nothing is written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleImportStores:
    """Where imports write."""

    recipients: PeopleImportStore[ImportedRecipient]
    suppressions: PeopleImportStore[ImportedSuppression]
    groups: PeopleImportStore[ImportedGroup]
    categories: PeopleImportStore[ImportedCategory]
