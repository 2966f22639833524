"""Recipients and their addresses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from mailer_svc.domain import (
    AddressNotFound,
    AddressState,
    Channel,
    Channels,
    Recipient,
    RecipientAddress,
    RecipientNotFound,
    UnsupportedChannel,
    comparable_address,
)
from mailer_svc.domain.personal_rules import UNRULED, PersonalRules, PersonalStep
from mailer_svc.ports import AddressStore, RecipientQuery, RecipientStore
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, ResourceExhausted
from tocsin.zones import NoSuchZone, zone

Found = TypeVar("Found")

MAX_ADDRESSES: Final = 50
_REGION: Final = 2
_SCRIPT: Final = 4


class TooManyAddresses(ResourceExhausted):
    """The recipient has as many addresses as one may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressDraft:
    """An address as somebody wrote it; ``state`` None: not said."""

    channel: str
    value: str
    state: AddressState | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientDraft:
    """A recipient as somebody wrote it; an empty id: one is to be made. ``attributes`` is a JSON object, ``rules`` None: not said."""

    id: str = ""
    display_name: str = ""
    locale: str = ""
    time_zone: str = ""
    attributes: str = "{}"
    addresses: Sequence[AddressDraft] = ()
    groups: Sequence[str] = ()
    rules: PersonalRules | None = None


class RecipientRules:
    """What a recipient has to be before it is stored."""

    def __init__(self, *, channels: Channels, clock: Clock, new_id: Callable[[], str]) -> None:
        self._channels = channels
        self._clock = clock
        self._new_id = new_id

    def recipient(self, tenant: str, draft: RecipientDraft, *, prefix: str = "") -> Recipient:
        """The recipient of a draft, as a new one; ``prefix`` stands before its fields in errors.

        Raises:
            InvalidInput: a field is not valid.
        """
        now = self._clock.micros()
        addresses = self._addresses(draft.addresses, prefix=prefix)
        return Recipient(
            tenant=tenant,
            id=draft.id or self._new_id(),
            display_name=draft.display_name,
            locale=canonical_locale(draft.locale),
            time_zone=checked_zone(draft.time_zone, field=f"{prefix}timeZone"),
            attributes=draft.attributes,
            created=now,
            updated=now,
            addresses=addresses,
            groups=tuple(sorted(set(draft.groups))),
            rules=None if draft.rules is None else self.personal(draft.rules, addresses, prefix=f"{prefix}rules."),
        )

    def personal(self, rules: PersonalRules, addresses: Sequence[RecipientAddress], *, prefix: str) -> PersonalRules:
        """The personal rules of a recipient who has these addresses; the address that a step names is in its normal form then.

        Raises:
            InvalidInput: the mailer does not have a channel, an address is not the recipient's, or the times are in no order.
        """
        urgent = self._steps(rules.urgent, addresses, prefix=f"{prefix}urgent")
        return PersonalRules(urgent, self._steps(rules.other, addresses, prefix=f"{prefix}other"))

    def _steps(self, steps: Sequence[PersonalStep], addresses: Sequence[RecipientAddress], *, prefix: str) -> tuple[PersonalStep, ...]:
        own = {(address.channel, address.value) for address in addresses}
        found: list[PersonalStep] = []
        for place, step in enumerate(steps):
            at = f"{prefix}[{place}]."
            channel = self._channel(step.channel, field=f"{at}channel")
            value = _normal(channel, step.address, field=f"{at}address") if step.address else ""
            if value and (channel.address_channel, value) not in own:
                raise InvalidInput.at(f"{at}address", f"is no address of the recipient for {channel.name}")
            if found and step.after < found[-1].after:
                raise InvalidInput.at(f"{at}after", "is before that of the step above it")
            made = PersonalStep(channel.name, value, step.after)
            if made in found:
                raise InvalidInput.at(f"{prefix}[{place}]", "is there twice")
            found.append(made)
        return tuple(found)

    def _channel(self, name: str, *, field: str) -> Channel:
        try:
            return self._channels.find(name)
        except UnsupportedChannel as error:
            raise InvalidInput.at(field, error.message) from None

    def _addresses(self, drafts: Sequence[AddressDraft], *, prefix: str) -> tuple[RecipientAddress, ...]:
        found: dict[tuple[str, str], RecipientAddress] = {}
        for place, draft in enumerate(drafts):
            # In the order in which they are given, which is that of the time when they were added.
            address = self.address(draft, prefix=f"{prefix}addresses[{place}].", later=place)
            if (address.channel, address.value) in found:
                raise InvalidInput.at(f"{prefix}addresses[{place}].value", "is there twice")
            found[address.channel, address.value] = address
        return tuple(found.values())

    def address(self, draft: AddressDraft, *, prefix: str, later: int = 0) -> RecipientAddress:
        """The address of a draft, as a new one.

        Raises:
            InvalidInput: the mailer does not have the channel, or the channel could not deliver to it.
        """
        channel = self._channel(draft.channel, field=f"{prefix}channel")
        value = _normal(channel, draft.value, field=f"{prefix}value")
        state = draft.state or (AddressState.PENDING if channel.codes else AddressState.ACTIVE)
        if state is AddressState.PENDING and not channel.codes:
            raise InvalidInput.at(f"{prefix}state", f"cannot be PENDING: addresses of {channel.name} take no codes")
        if draft.reason and state is not AddressState.RETIRED:
            raise InvalidInput.at(f"{prefix}reason", "is that of a RETIRED address")
        now = self._clock.micros() + later
        return RecipientAddress(
            id=self._new_id(), channel=channel.address_channel, value=value, state=state, reason=draft.reason, created=now, updated=now
        )

    def address_channel(self, name: str) -> str:
        """The channel that has the addresses of the channel of this name; that name if this mailer does not know it."""
        return next((channel.address_channel for channel in self._channels if channel.name == name), name)

    def forms(self, value: str) -> list[tuple[str, str]]:
        """What ``value`` may be stored as: the channel that has it, and its normal form, for each channel that takes it."""
        found: list[tuple[str, str]] = []
        for channel in self._channels:
            try:
                found.append((channel.address_channel, comparable_address(channel.name, channel.normal_address(value))))
            except InvalidInput:
                continue
        return found


class Recipients:
    """The recipients of all tenants."""

    def __init__(self, *, store: RecipientStore, addresses: AddressStore, rules: RecipientRules, clock: Clock) -> None:
        self._store = store
        self._addresses = addresses
        self._rules = rules
        self._clock = clock

    async def create(self, *, tenant: str, draft: RecipientDraft) -> Recipient:
        """Stores a new recipient.

        Raises:
            InvalidInput: a field is not valid.
            RecipientExists: the id is in use.
            AddressTaken: an address is another recipient's.
            GroupNotFound: there is no such group.
        """
        recipient = self._rules.recipient(tenant, draft, prefix="recipient.")
        await self._store.create(recipient)
        return recipient

    async def get(self, *, tenant: str, id: str) -> Recipient:  # noqa: A002 - the word of the contract
        """One recipient.

        Raises:
            RecipientNotFound: there is none.
        """
        return _there(await self._store.get(tenant=tenant, id=id), id)

    async def page(self, query: RecipientQuery, *, address: str | None, after: str, limit: int) -> list[Recipient]:
        """Recipients by id, those behind the id ``after``; with an ``address``, who has it by any channel."""
        if query.channel is not None:
            query = replace(query, channel=self._rules.address_channel(query.channel))
        if address is not None:
            query = replace(query, addresses=self._rules.forms(address))
            if not query.addresses:
                return []
        return await self._store.page(query, after=after, limit=limit)

    async def update(self, *, tenant: str, id: str, changes: Mapping[str, str]) -> Recipient:  # noqa: A002 - the word of the contract
        """Sets fields: ``display_name``, ``locale``, ``time_zone``, ``attributes``.

        Raises:
            InvalidInput: a field is not valid.
            RecipientNotFound: there is none.
        """
        checked = dict(changes)
        if "locale" in checked:
            checked["locale"] = canonical_locale(checked["locale"])
        if "time_zone" in checked:
            checked_zone(checked["time_zone"], field="recipient.timeZone")
        return _there(await self._store.update(tenant=tenant, id=id, changes=checked, now=self._clock.micros()), id)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Removes a recipient with its addresses, preferences and memberships.

        Raises:
            RecipientNotFound: there is none.
        """
        if not await self._store.delete(tenant=tenant, id=id):
            raise RecipientNotFound(f"There is no recipient recipients/{id}")

    async def rules(self, *, tenant: str, recipient: str) -> PersonalRules:
        """How a recipient wants to be told of incidents.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        return (await self.get(tenant=tenant, id=recipient)).rules or UNRULED

    async def replace_rules(self, *, tenant: str, recipient: str, rules: PersonalRules) -> PersonalRules:
        """Changes how a recipient wants to be told of incidents.

        Raises:
            InvalidInput: see `RecipientRules.personal`.
            RecipientNotFound: there is no such recipient.
        """

        def check(found: Recipient) -> PersonalRules:
            return self._rules.personal(rules, found.addresses, prefix="rules.")

        return _there(await self._store.set_rules(tenant, recipient, check=check, now=self._clock.micros()), recipient)

    async def add_address(self, *, tenant: str, recipient: str, draft: AddressDraft) -> RecipientAddress:
        """Adds an address.

        Raises:
            InvalidInput: it is not valid.
            RecipientNotFound: there is no such recipient.
            AddressTaken: somebody has it.
            TooManyAddresses: the recipient has 50.
        """
        address = self._rules.address(draft, prefix="address.")
        added = await self._addresses.add(tenant=tenant, recipient=recipient, address=address, most=MAX_ADDRESSES)
        if added is None:
            raise TooManyAddresses(f"recipients/{recipient} has {MAX_ADDRESSES} addresses; remove one first")
        return added

    async def remove_address(self, *, tenant: str, recipient: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Removes an address.

        Raises:
            AddressNotFound: there is none.
        """
        if not await self._addresses.remove(tenant=tenant, recipient=recipient, id=id):
            raise AddressNotFound(f"There is no address recipients/{recipient}/addresses/{id}")


def _there(found: Found | None, identity: str) -> Found:
    if found is None:
        raise RecipientNotFound(f"There is no recipient recipients/{identity}")
    return found


def _normal(channel: Channel, address: str, *, field: str) -> str:
    """An address of a channel as it is stored.

    Raises:
        InvalidInput: the channel could not deliver to it.
    """
    try:
        return comparable_address(channel.name, channel.normal_address(address))
    except InvalidInput as error:
        raise InvalidInput.at(field, error.violations[0].description if error.violations else error.message) from None


def checked_zone(name: str, *, field: str) -> str:
    """``name``, if it is empty or a time zone.

    Raises:
        InvalidInput: it is neither.
    """
    try:
        if name:
            zone(name)
    except NoSuchZone as error:
        raise InvalidInput.at(field, str(error)) from None
    return name


def canonical_locale(tag: str) -> str:
    """A BCP 47 tag in its usual spelling (RFC 5646, 2.1.1): "de-ch" is "de-CH", "ZH-hant" is "zh-Hant"."""
    first, *more = tag.split("-")
    parts = [first.lower()]
    for part in more:
        if len(parts[-1]) == 1:  # behind a singleton, as in "de-u-co-phonebk", all is in lower case
            parts.append(part.lower())
        elif len(part) == _REGION:
            parts.append(part.upper())
        else:
            parts.append(part.title() if len(part) == _SCRIPT and part.isalpha() else part.lower())
    return "-".join(parts)
