"""What is known of people, for those who decide about many messages at once.

Each question is one query, whatever the size of the batch.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain.people import Category, Suppression, SuppressionReason, comparable_address
from mailer_svc.domain.personal_rules import PersonalRules
from mailer_svc.domain.preferences import UNSAID, Preferences


class TenantKey(NamedTuple):
    """A resource of a tenant, by its id."""

    tenant: str
    id: str


class AddressKey(NamedTuple):
    """An address of a tenant, by which people and suppressions are looked up; made by `of`."""

    tenant: str
    channel: str
    address: str

    @classmethod
    def of(cls, tenant: str, channel: str, address: str) -> "AddressKey":
        """The key of an address in whatever case it is written."""
        return cls(tenant, channel, comparable_address(channel, address))


class PersonKey(NamedTuple):
    """Whom a message goes to: an address of a tenant, and whose it is; an empty recipient is whoever has it. Made by `of`."""

    tenant: str
    channel: str
    address: str
    recipient: str

    @classmethod
    def of(cls, tenant: str, channel: str, address: str, recipient: str = "") -> "PersonKey":
        """The key of an address in whatever case it is written."""
        return cls(tenant, channel, comparable_address(channel, address), recipient)


class ActiveAddress(NamedTuple):
    """An address that gets messages."""

    channel: str
    address: str


class RecipientFacts(NamedTuple):
    """What messages to a recipient need. ``time_zone`` is an IANA name; ``attributes`` a JSON object."""

    display_name: str
    locale: str
    time_zone: str
    attributes: str


class SuppressionFacts(NamedTuple):
    """Why an address gets nothing of a category; an empty one is every category."""

    category: str
    reason: SuppressionReason


class PersonFacts(NamedTuple):
    """What the gates ask about whom a message goes to.

    Attributes:
        recipient_id: whose address it is; empty: nobody's.
        recipient: None: there is no such recipient.
        wants: the recipient's preferences.
        suppressions: of the address, those that hold.
    """

    recipient_id: str = ""
    recipient: RecipientFacts | None = None
    wants: Preferences = UNSAID
    suppressions: Sequence[SuppressionFacts] = ()


class PeopleFacts(Protocol):
    """Reads what the gates ask for. What is not there is not in an answer."""

    async def tenants_in_use(self, tenants: Collection[str]) -> Mapping[str, Preferences]:
        """The preferences of those of the tenants that have addresses, preferences or suppressions: the others need no other question."""
        ...

    async def about(self, people: Sequence[PersonKey], *, now: int) -> list[PersonFacts]:
        """What is known of each of ``people``, in their order, at ``now`` (microseconds)."""
        ...

    async def active_addresses(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Sequence[ActiveAddress]]:
        """The ACTIVE addresses of recipients, those of a channel in the order in which they were added."""
        ...

    async def personal_rules(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, PersonalRules]:
        """How recipients want to be told of incidents; those that have rules."""
        ...

    async def telling(self, incidents: Collection[TenantKey]) -> set[TenantKey]:
        """Those of the incidents of which a message to people who are named in it is still to be made."""
        ...

    async def told(self, tenant: str, incidents: Collection[str], people: Collection[str]) -> Mapping[str, Sequence[ActiveAddress]]:
        """By which channels and where these people were told of the incidents, or will be; each address once, in order."""
        ...

    async def categories(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Category]:
        """The categories that exist."""
        ...

    async def missing(self, tenant: str, names: Collection[str]) -> list[str]:
        """Those of the resource names that are of nothing that exists: of recipients, groups, rotations and categories."""
        ...

    async def expand(self, tenant: str, targets: Sequence[str], *, after: str, limit: int) -> list[str]:
        """Ids of recipients behind ``targets`` ("recipients/{id}", "groups/{id}"), each once, in order, behind the id ``after``.

        One who is named is in the answer also if there is no such recipient, and so is, as "groups/{id}", a group that is not there. Fewer
        than ``limit``: there are no more.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionQuery:
    """Which suppressions of a tenant to list. Each pair is a column and the value that it has to have, or not to have."""

    tenant: str
    equal: tuple[tuple[str, str | int], ...] = ()
    unequal: tuple[tuple[str, str | int], ...] = ()


class Suppressions(Protocol):
    """Keeps addresses that get nothing."""

    async def add(self, added: Collection[Suppression]) -> None:
        """Adds suppressions; one that is there for the same address and category gets the new reason, source, detail and end."""
        ...

    async def put(self, suppression: Suppression) -> Suppression:
        """Adds one as `add` does; returns it as it is stored then."""
        ...

    async def get(self, *, tenant: str, id: str) -> Suppression | None:  # noqa: A002 - the word of the contract
        """One suppression."""
        ...

    async def page(self, query: SuppressionQuery, *, after: str, limit: int) -> list[Suppression]:
        """Suppressions by id, those behind the id ``after``."""
        ...

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        ...


class AddressRetirement(Protocol):
    """Ends addresses that no longer work, or whose owners want nothing."""

    async def retire(self, reasons: Mapping[AddressKey, str], *, now: int) -> None:
        """Addresses that are gone, with the reason; nothing is changed where nobody has such an address."""
        ...

    async def replace(self, key: AddressKey, new: str, *, now: int) -> None:
        """An address is another one now; where the tenant has that already, the old one is gone."""
        ...

    async def suppress(self, suppression: Suppression) -> None:
        """An address gets nothing any more; see `Suppressions.add`."""
        ...
