"""Where people are kept: recipients, addresses, groups, categories, preferences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain import Category, Member, Preferences, Recipient, RecipientAddress, RecipientGroup
from mailer_svc.domain.personal_rules import PersonalRules


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientQuery:
    """Which recipients of a tenant to list; None: any.

    Attributes:
        tenant: whose.
        name: the display name, whatever the case.
        prefix: what the display name begins with, whatever the case.
        addresses: (channel, address) pairs of which they have one.
        channel: by which they have an address.
        group: that they are in themselves.
    """

    tenant: str
    name: str | None = None
    prefix: str | None = None
    addresses: Sequence[tuple[str, str]] | None = None
    channel: str | None = None
    group: str | None = None


class RecipientStore(Protocol):
    """Keeps recipients."""

    async def create(self, recipient: Recipient) -> None:
        """Stores a new recipient with its addresses and memberships, or nothing.

        Raises:
            RecipientExists: the id is in use.
            AddressTaken: an address is another recipient's.
            GroupNotFound: there is no such group.
        """
        ...

    async def get(self, *, tenant: str, id: str) -> Recipient | None:  # noqa: A002 - the word of the contract
        """One recipient."""
        ...

    async def page(self, query: RecipientQuery, *, after: str, limit: int) -> list[Recipient]:
        """Recipients by id, those behind the id ``after``."""
        ...

    async def update(self, *, tenant: str, id: str, changes: Mapping[str, str], now: int) -> Recipient | None:  # noqa: A002
        """Sets fields of a recipient; returns it as it is then. None: there is none."""
        ...

    async def set_rules(
        self, tenant: str, recipient: str, *, check: Callable[[Recipient], PersonalRules], now: int
    ) -> PersonalRules | None:
        """Stores the rules that ``check`` makes of the recipient as it is; returns them. None: there is no such recipient."""
        ...

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes a recipient with everything that is only its own. False: there was none."""
        ...


class CodeFacts(NamedTuple):
    """The hash of a code that was sent, and how many attempts to bring it back are left."""

    code_hash: str
    left: int


class AddressStore(Protocol):
    """Keeps addresses of recipients."""

    async def add(self, *, tenant: str, recipient: str, address: RecipientAddress, most: int) -> RecipientAddress | None:
        """Adds an address; one of the recipient's own that is RETIRED begins anew under its id. None: the recipient has ``most`` already.

        Raises:
            RecipientNotFound: there is no such recipient.
            AddressTaken: somebody has it.
        """
        ...

    async def get(self, *, tenant: str, recipient: str, id: str) -> RecipientAddress | None:  # noqa: A002 - the word of the contract
        """One address."""
        ...

    async def remove(self, *, tenant: str, recipient: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        ...

    async def set_code(self, *, tenant: str, id: str, code_hash: str, expires: int, now: int, before: int) -> bool:  # noqa: A002
        """Puts a new code in place of the one before, and makes the address PENDING. False: one was sent after the instant ``before``."""
        ...

    async def take_attempt(self, *, tenant: str, id: str, most: int, now: int) -> CodeFacts | None:  # noqa: A002
        """Counts an attempt to bring the code back. None: no code stands, it has expired, or ``most`` attempts were made."""
        ...

    async def activate(self, *, tenant: str, id: str, code_hash: str, now: int) -> RecipientAddress | None:  # noqa: A002
        """Makes the address ACTIVE whose code this is; None: it has another one by now."""
        ...


class GroupStore(Protocol):
    """Keeps groups."""

    async def create(self, group: RecipientGroup) -> None:
        """Stores a new group.

        Raises:
            GroupExists: the id is in use.
        """
        ...

    async def get(self, *, tenant: str, id: str) -> RecipientGroup | None:  # noqa: A002 - the word of the contract
        """One group."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[RecipientGroup]:
        """Groups by id, those behind the id ``after``."""
        ...

    async def update(self, *, tenant: str, id: str, display_name: str | None, now: int) -> RecipientGroup | None:  # noqa: A002
        """Sets what is not None; returns the group as it is then. None: there is none."""
        ...

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes a group, also from others. False: there was none."""
        ...

    async def add_members(self, *, tenant: str, id: str, members: Sequence[Member], now: int) -> RecipientGroup:  # noqa: A002
        """Adds members, all or none.

        Raises:
            GroupNotFound: there is no such group, or none of a member's id.
            RecipientNotFound: there is no recipient of a member's id.
            GroupCycle: a group would be in itself, or too deep.
        """
        ...

    async def remove_members(self, *, tenant: str, id: str, members: Sequence[Member], now: int) -> RecipientGroup:  # noqa: A002
        """Removes those of the members that are in the group.

        Raises:
            GroupNotFound: there is no such group.
        """
        ...

    async def members(self, *, tenant: str, id: str, after: tuple[int, str], limit: int) -> list[Member]:  # noqa: A002
        """What is in a group itself, by kind and id, behind ``after``."""
        ...

    async def names(self, *, tenant: str, members: Sequence[Member]) -> Mapping[Member, str]:
        """The names for people of those members that exist."""
        ...


class CategoryStore(Protocol):
    """Keeps categories."""

    async def create(self, category: Category) -> None:
        """Stores a new category.

        Raises:
            CategoryExists: the id is in use.
        """
        ...

    async def get(self, *, tenant: str, id: str) -> Category | None:  # noqa: A002 - the word of the contract
        """One category."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Category]:
        """Categories by id, those behind the id ``after``."""
        ...

    async def revise(self, *, tenant: str, id: str, revise: Callable[[Category], Category]) -> Category | None:  # noqa: A002
        """Stores what ``revise`` makes of a category. None: there is none."""
        ...

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        ...


class StoredPreferences(NamedTuple):
    """Preferences, and when they changed last: microseconds since the epoch, 0 for never."""

    preferences: Preferences
    updated: int


class PreferenceStore(Protocol):
    """Keeps preferences; those of a tenant are of the recipient with an empty id."""

    async def get(self, *, tenant: str, recipient: str) -> StoredPreferences:
        """What a recipient wants.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        ...

    async def revise(self, *, tenant: str, recipient: str, revise: Callable[[Preferences], Preferences], now: int) -> StoredPreferences:
        """Stores what ``revise`` makes of them.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        ...
