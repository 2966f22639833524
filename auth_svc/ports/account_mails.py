"""What one-time tokens and the mails about accounts need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from auth_svc.domain import AccountLetter, AccountMail, OneTimeToken, TokenPurpose


class OneTimeStore(Protocol):
    """One-time tokens, which are stored as digests. Every method is one transaction."""

    async def add_one_time(self, token: OneTimeToken, *, digest: str) -> None:
        """Stores a token; earlier ones of the same purpose and subject still work until one of them is used."""
        ...

    async def find_one_time(self, purpose: TokenPurpose, digest: str, *, now: datetime) -> OneTimeToken | None:
        """The token, if it may still be used; it is not used by that."""
        ...

    async def use_one_time(self, purpose: TokenPurpose, digest: str, *, now: datetime) -> OneTimeToken | None:
        """Uses the token up, and with it every other one of its purpose and subject; None if it may not be used."""
        ...

    async def withdraw_one_time(self, purpose: TokenPurpose, subject: str, *, now: datetime) -> None:
        """The tokens of this purpose and subject work no more."""
        ...

    async def purge_one_time(self, before: datetime) -> int:
        """Deletes tokens that expired before ``before``; returns how many."""
        ...


class AccountMailStore(Protocol):
    """Mails that wait to be handed to the mailer. Every method is one transaction."""

    async def add_account_mail(self, mail: AccountMail) -> bool:
        """Stores a mail; says False, and stores nothing, if its address got as many of its kind within the hour as it may."""
        ...

    async def take_account_mails(self, *, now: datetime, until: datetime, limit: int) -> Sequence[tuple[AccountMail, int]]:
        """The mails that are due, the oldest first, each with the attempts made; nobody else takes them before ``until``."""
        ...

    async def postpone_account_mail(self, mail: str, *, until: datetime) -> None:
        """The mail could not be handed over; it is due again at ``until``."""
        ...

    async def finish_account_mail(self, mail: str, *, now: datetime) -> None:
        """The mail was handed over, or is not to be."""
        ...

    async def purge_account_mails(self, before: datetime) -> int:
        """Deletes mails made before ``before``; returns how many."""
        ...


class Postman(Protocol):
    """Whoever sends mails."""

    async def send(self, letter: AccountLetter) -> None:
        """Hands a mail over; the same id is the same mail.

        Raises:
            AlertReaderUnreached: it is for people, and leads to nobody.
            InvalidInput: it will never be taken.
            TocsinError: not now.
        """
        ...


@dataclass(frozen=True, slots=True)
class CheckedAlertReader:
    """A recipient, a group or a rotation, whether the tenant has it, and how many recipients it leads to."""

    name: str
    exists: bool
    reached: int


class AlertReaderDirectory(Protocol):
    """Whoever knows recipients, groups and rotations."""

    async def check(self, tenant: str, names: Sequence[str]) -> Sequence[CheckedAlertReader]:
        """Whom these lead to now, in their order.

        Raises:
            TocsinError: nobody can say so now.
        """
        ...
