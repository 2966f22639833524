"""Many recipients, or suppressions, at once, line by line: each is made, changed to what the line says, or left as it is."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from mailer_svc.domain import Suppression
from mailer_svc.ports import (
    ImportedRecipient,
    ImportedSuppression,
    ImportOutcome,
    Outcome,
    RecipientImportStore,
    SuppressionImportStore,
)
from mailer_svc.service.people import SuppressionRules
from mailer_svc.service.recipients import RecipientDraft, RecipientRules
from tocsin.bulk.results import ImportResult, RecentKeys
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, ResourceExhausted, TocsinError

_RETRY_SECONDS: Final = 10.0
_NEARBY_KEYS: Final = 100_000

Wanted = TypeVar("Wanted", ImportedRecipient, ImportedSuppression)


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


class RecipientImport:
    """One import of recipients into a tenant."""

    def __init__(self, *, tenant: str, store: RecipientImportStore, rules: RecipientRules, clock: Clock, dry: bool) -> None:
        self._tenant = tenant
        self._store = store
        self._rules = rules
        self._clock = clock
        self._dry = dry
        self._names = RecentKeys(_NEARBY_KEYS, field="name")

    def begin_batch(self) -> None:
        """Nothing of one batch matters to the next."""

    def read(self, line: int, draft: RecipientDraft) -> ImportedRecipient:
        """The recipient that a line asks for, as if it were new.

        Raises:
            InvalidInput: it has no name, a line before it has the same, or a field is not valid.
        """
        if not draft.id:
            raise InvalidInput.at("name", "is required in an import: a recipient is known again by it")
        recipient = self._rules.recipient(self._tenant, draft)
        self._names.add(draft.id, line)
        said = {
            (address.channel, address.value)
            for given, address in zip(draft.addresses, recipient.addresses, strict=True)
            if given.state is not None
        }
        return ImportedRecipient(line=line, recipient=recipient, said=said)

    async def commit(self, batch: Sequence[ImportedRecipient]) -> ImportResult[str]:
        """Makes and changes recipients in one transaction.

        Raises:
            DatabaseUnavailable: nothing of the batch is committed, or nobody can know; the same lines may be imported again.
        """
        outcomes = await self._store.put(self._tenant, batch, now=self._clock.micros(), dry=self._dry) if batch else ()
        return _result(batch, outcomes)


class SuppressionImport:
    """One import of suppressions into a tenant."""

    def __init__(self, *, tenant: str, store: SuppressionImportStore, rules: SuppressionRules, clock: Clock, dry: bool) -> None:
        self._tenant = tenant
        self._store = store
        self._rules = rules
        self._clock = clock
        self._dry = dry

    def begin_batch(self) -> None:
        """Nothing of one batch matters to the next."""

    def read(self, line: int, draft: Suppression) -> ImportedSuppression:
        """The suppression that a line asks for, as if it were new.

        Raises:
            InvalidInput: a field is not valid.
        """
        return ImportedSuppression(line=line, suppression=self._rules.checked(draft))

    async def commit(self, batch: Sequence[ImportedSuppression]) -> ImportResult[str]:
        """Makes and changes suppressions in one transaction.

        Raises:
            DatabaseUnavailable: nothing of the batch is committed, or nobody can know; the same lines may be imported again.
        """
        outcomes = await self._store.put(self._tenant, batch, now=self._clock.micros(), dry=self._dry) if batch else ()
        return _result(batch, outcomes)


def _result(batch: Sequence[Wanted], outcomes: Sequence[Outcome]) -> ImportResult[str]:
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
    """Begins imports of recipients and of suppressions."""

    def __init__(
        self,
        *,
        recipients: RecipientImportStore,
        suppressions: SuppressionImportStore,
        recipient_rules: RecipientRules,
        suppression_rules: SuppressionRules,
        clock: Clock,
    ) -> None:
        self.slots = ImportSlots()
        self._recipients = recipients
        self._suppressions = suppressions
        self._recipient_rules = recipient_rules
        self._suppression_rules = suppression_rules
        self._clock = clock

    def of_recipients(self, tenant: str, *, dry: bool) -> RecipientImport:
        """An import of recipients; ``dry``: nothing is written."""
        return RecipientImport(tenant=tenant, store=self._recipients, rules=self._recipient_rules, clock=self._clock, dry=dry)

    def of_suppressions(self, tenant: str, *, dry: bool) -> SuppressionImport:
        """An import of suppressions; ``dry``: nothing is written."""
        return SuppressionImport(tenant=tenant, store=self._suppressions, rules=self._suppression_rules, clock=self._clock, dry=dry)
