"""Many recipients, groups, categories, or suppressions, at once: each line is made, changed to what it says, or left as it is."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from mailer_svc.domain import Category, GroupDraft, Suppression
from mailer_svc.ports import (
    ImportedCategory,
    ImportedGroup,
    ImportedRecipient,
    ImportedSuppression,
    ImportOutcome,
    Outcome,
    PeopleImportStore,
    PeopleImportStores,
)
from mailer_svc.service.people import Categories, SuppressionRules
from mailer_svc.service.recipients import RecipientDraft, RecipientRules
from tocsin.bulk.results import ImportResult, RecentKeys
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, ResourceExhausted, TocsinError

_RETRY_SECONDS: Final = 10.0
_NEARBY_KEYS: Final = 100_000

Draft = TypeVar("Draft")


class OfLine(Protocol):
    """What a line asks for."""

    @property
    def line(self) -> int:
        """Its number."""
        ...


Wanted = TypeVar("Wanted", bound=OfLine)


class ImportsBusy(ResourceExhausted):
    """This replica runs as many imports as it may."""


class ImportSlots:
    """The imports of people in this replica."""

    def __init__(self, *, most: int = 4) -> None:
        """Takes ``most`` at a time."""
        self._most = most
        self._running = 0
        self._draining = False

    def drain(self) -> None:
        """Asks every import to go on elsewhere."""
        self._draining = True

    def is_draining(self) -> bool:
        """Whether imports are to go on elsewhere."""
        return self._draining

    @contextmanager
    def slot(self) -> Generator[None]:
        """One import, while the context lasts.

        Raises:
            ImportsBusy: come back later.
        """
        if self._running >= self._most:
            raise ImportsBusy(retry_after=_RETRY_SECONDS)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class PeopleImport(Generic[Draft, Wanted]):
    """One import of one kind of resource into a tenant."""

    def __init__(
        self, *, tenant: str, store: PeopleImportStore[Wanted], read: Callable[[int, Draft], Wanted], clock: Clock, dry: bool
    ) -> None:
        """Makes it.

        Args:
            tenant: whose.
            store: writes batches.
            read: what a line asks for, as if it were new; raises an InvalidInput for what cannot be.
            clock: source of time.
            dry: nothing is written.
        """
        self._tenant = tenant
        self._store = store
        self._read = read
        self._clock = clock
        self._dry = dry

    def begin_batch(self) -> None:
        """Nothing of one batch matters to the next."""

    def read(self, line: int, draft: Draft) -> Wanted:
        """What a line asks for.

        Raises:
            InvalidInput: a field is not valid, or a line before it says the same.
        """
        return self._read(line, draft)

    async def commit(self, batch: Sequence[Wanted]) -> ImportResult[str]:
        """Makes and changes resources in one transaction.

        Raises:
            DatabaseUnavailable: nothing of the batch is committed, or nobody can know; the same lines may be imported again.
        """
        outcomes = await self._store.put(self._tenant, batch, now=self._clock.micros(), dry=self._dry) if batch else ()
        return _result(batch, outcomes)


def _result(batch: Sequence[OfLine], outcomes: Sequence[Outcome]) -> ImportResult[str]:
    result: ImportResult[str] = ImportResult()
    for wanted, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, TocsinError):
            result.refused.append((wanted.line, outcome))
        else:
            result.created += outcome is ImportOutcome.CREATED
            result.updated += outcome is ImportOutcome.UPDATED
            result.unchanged += outcome is ImportOutcome.UNCHANGED
    return result


class PeopleImports:
    """Begins imports."""

    def __init__(
        self,
        *,
        stores: PeopleImportStores,
        recipient_rules: RecipientRules,
        suppression_rules: SuppressionRules,
        categories: Categories,
        clock: Clock,
    ) -> None:
        self.slots = ImportSlots()
        self._stores = stores
        self._recipients = recipient_rules
        self._suppressions = suppression_rules
        self._categories = categories
        self._clock = clock

    def of_recipients(self, tenant: str, *, dry: bool) -> PeopleImport[RecipientDraft, ImportedRecipient]:
        """An import of recipients; ``dry``: nothing is written."""
        names = RecentKeys(_NEARBY_KEYS, field="name")

        def read(line: int, draft: RecipientDraft) -> ImportedRecipient:
            if not draft.id:
                raise InvalidInput.at("name", "is required in an import: a recipient is known again by it")
            recipient = self._recipients.recipient(tenant, draft)
            names.add(draft.id, line)
            pairs = zip(draft.addresses, recipient.addresses, strict=True)
            said = {(address.channel, address.value) for given, address in pairs if given.state is not None}
            return ImportedRecipient(line=line, recipient=recipient, said=said)

        return PeopleImport(tenant=tenant, store=self._stores.recipients, read=read, clock=self._clock, dry=dry)

    def of_suppressions(self, tenant: str, *, dry: bool) -> PeopleImport[Suppression, ImportedSuppression]:
        """An import of suppressions; ``dry``: nothing is written."""

        def read(line: int, draft: Suppression) -> ImportedSuppression:
            return ImportedSuppression(line=line, suppression=self._suppressions.checked(draft))

        return PeopleImport(tenant=tenant, store=self._stores.suppressions, read=read, clock=self._clock, dry=dry)

    def of_groups(self, tenant: str, *, dry: bool) -> PeopleImport[GroupDraft, ImportedGroup]:
        """An import of groups; ``dry``: nothing is written."""
        names = RecentKeys(_NEARBY_KEYS, field="name")

        def read(line: int, draft: GroupDraft) -> ImportedGroup:
            if not draft.partial:
                names.add(draft.id, line)
            return ImportedGroup(line=line, group=draft)

        return PeopleImport(tenant=tenant, store=self._stores.groups, read=read, clock=self._clock, dry=dry)

    def of_categories(self, tenant: str, *, dry: bool) -> PeopleImport[Category, ImportedCategory]:
        """An import of categories; ``dry``: nothing is written."""
        names = RecentKeys(_NEARBY_KEYS, field="name")

        def read(line: int, draft: Category) -> ImportedCategory:
            checked = self._categories.checked(draft, prefix="")
            names.add(draft.id, line)
            return ImportedCategory(line=line, category=checked)

        return PeopleImport(tenant=tenant, store=self._stores.categories, read=read, clock=self._clock, dry=dry)
