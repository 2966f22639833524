"""Who messages are for: recipients with their addresses, groups, categories, and addresses that get nothing."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from mailer_svc.domain.personal_rules import PersonalRules

_OF_MAIL: Final = frozenset({"email", "inbox"})


def comparable_address(channel: str, address: str) -> str:
    """The form in which an address is stored for people and suppressions, and looked up.

    An address of mail is in lower case: RFC 5321, 2.4 lets a server tell "Ann@" from "ann@", and none does; whoever unsubscribed as the one
    must not be reached as the other.
    """
    return address.lower() if channel in _OF_MAIL else address


class AddressState(IntEnum):
    """Where an address stands; the numbers are those of the contract. Only an ACTIVE one gets anything but its code."""

    PENDING = 1
    ACTIVE = 2
    RETIRED = 3


def person_name(identity: str) -> str:
    """The resource name of whom a message is for; the id of a group that is not there has its collection before it."""
    return identity if identity.startswith("groups/") or not identity else f"recipients/{identity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientAddress:
    """An address of a recipient, as `comparable_address` has it; times in microseconds since the epoch.

    Attributes:
        id: a made one.
        channel: the channel's name.
        value: what the channel delivers to.
        state: whether it gets messages.
        reason: why it is RETIRED.
        created: when it was added.
        updated: when it changed last.
        last_seen: when a message last reached it, as far as anybody told; 0: never.
    """

    id: str
    channel: str
    value: str
    state: AddressState
    reason: str = ""
    created: int = 0
    updated: int = 0
    last_seen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody, or something, that messages are for; times in microseconds since the epoch.

    Attributes:
        tenant: whose.
        id: the client's own, or a made one.
        display_name: for people.
        locale: of messages, a BCP 47 tag; empty: not known.
        time_zone: of quiet hours, an IANA name; empty: UTC.
        attributes: a JSON object for templates.
        created: when it was made.
        updated: when it changed last.
        addresses: in the order in which they were added.
        groups: ids of those that it is in itself, in order.
        rules: how it wants to be told of incidents; None: not said.
    """

    tenant: str
    id: str
    display_name: str = ""
    locale: str = ""
    time_zone: str = ""
    attributes: str = "{}"
    created: int = 0
    updated: int = 0
    addresses: tuple[RecipientAddress, ...] = ()
    groups: tuple[str, ...] = ()
    rules: PersonalRules | None = None


class MemberKind(IntEnum):
    """What a member of a group is."""

    RECIPIENT = 1
    GROUP = 2
    ROTATION = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group: a recipient, a group, or whoever is on call in a rotation."""

    kind: MemberKind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientGroup:
    """A group; ``member_count`` counts what is in it itself, and the members are read a page at a time."""

    tenant: str
    id: str
    display_name: str = ""
    created: int = 0
    updated: int = 0
    member_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDraft:
    """A group with members, as imports and exports have it; ``partial``: it has more than these."""

    tenant: str
    id: str
    display_name: str = ""
    members: tuple[Member, ...] = ()
    partial: bool = False


class CategoryKind(IntEnum):
    """How much a recipient may say about messages of a category; the numbers are those of the contract."""

    MANDATORY = 1
    TRANSACTIONAL = 2
    MARKETING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """What a message is about; ``digest_window`` in microseconds, 0: each goes out by itself."""

    tenant: str
    id: str
    display_name: str = ""
    kind: CategoryKind = CategoryKind.TRANSACTIONAL
    channels: tuple[str, ...] = ()
    digest_window: int = 0
    created: int = 0
    updated: int = 0


class SuppressionReason(IntEnum):
    """Why an address gets nothing; the numbers are those of the contract."""

    BOUNCE = 1
    COMPLAINT = 2
    UNSUBSCRIBE = 3
    MANUAL = 4
    PROVIDER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that gets nothing, as `comparable_address` has it.

    Attributes:
        tenant: whose.
        id: a made one; one address, channel and category have one suppression.
        channel: the channel's name.
        address: what the channel would deliver to.
        category: of which it gets nothing; empty: of any.
        reason: why.
        source: who says so: "users/{id}", "deliveries/{id}", the name of a provider.
        detail: what they said.
        until: when it ends; None: never.
        created: when it was made, in microseconds since the epoch.
    """

    tenant: str
    id: str
    channel: str
    address: str
    category: str = ""
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: str = ""
    detail: str = ""
    until: int | None = None
    created: int = 0
