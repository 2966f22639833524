"""Codes that prove an address: sent to it by its channel, and brought back by whoever reads there."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from mailer_svc.domain import (
    Ack,
    AddressNotFound,
    AddressState,
    AddressSuppressed,
    Channel,
    Channels,
    CodeNotNeeded,
    CodeTooSoon,
    CodeVoid,
    CodeWrong,
    Priority,
    RecipientAddress,
    Submission,
    SuppressionReason,
    TemplateUse,
)
from mailer_svc.ports import AddressStore, PeopleFacts, PersonFacts, PersonKey
from mailer_svc.service.accepting import Accepting
from mailer_svc.service.composing import recipient_context
from tocsin.clock import MINUTE, SECOND, Clock
from tocsin.errors import FailedPrecondition, FieldViolation, Unavailable

PURPOSE: Final = "address-codes"
"""What the key of the hashes is derived for."""

TEMPLATE: Final = "tocsin.verification"
"""What the code is sent with: the template that ships, or the tenant's own of that code."""

MAX_ATTEMPTS: Final = 5
VALID: Final = 15 * MINUTE
RESEND: Final = MINUTE
DIGITS: Final = 8


class AddressVerification:
    """Sends codes and takes them back. Only a hash of a code is kept, with a key of the installation."""

    def __init__(
        self,
        *,
        store: AddressStore,
        people: PeopleFacts,
        accepting: Accepting,
        channels: Channels,
        key: Callable[[], bytes],
        clock: Clock,
        draw: Callable[[int], int],
        new_id: Callable[[], str],
    ) -> None:
        """Makes it.

        Args:
            store: keeps addresses.
            people: knows which addresses are suppressed, and the language of recipients.
            accepting: takes the messages.
            channels: by which they leave.
            key: of the hashes.
            clock: source of time.
            draw: a random number below one, from the machine's best source.
            new_id: makes the ids of messages.
        """
        self._store = store
        self._people = people
        self._accepting = accepting
        self._channels = channels
        self._key = key
        self._clock = clock
        self._draw = draw
        self._new_id = new_id

    async def request(self, *, tenant: str, recipient: str, id: str) -> RecipientAddress:  # noqa: A002 - the word of the contract
        """Sends a code to an address; the one before is void.

        Raises:
            AddressNotFound: there is none.
            CodeNotNeeded: it is ACTIVE, or its channel takes no codes.
            AddressSuppressed: nothing is sent to it.
            CodeTooSoon: one was sent less than a minute ago.
            NoProvider: nothing can be sent by its channel.
            UnsupportedChannel: this mailer does not know its channel.
            FailedPrecondition: the message was refused.
            Unavailable: it could not be stored.
        """
        address = await self._address(tenant, recipient, id)
        channel = self._sending_channel(tenant, address.channel)
        if address.state is AddressState.ACTIVE:
            raise CodeNotNeeded("The address is ACTIVE; it needs no code")
        if not channel.codes:
            raise CodeNotNeeded(f"Addresses of {channel.name} take no codes; add it again to make it ACTIVE")
        person = await self._person(PersonKey.of(tenant, address.channel, address.value, recipient))
        code = f"{self._draw(10**DIGITS):0{DIGITS}}"
        now = self._clock.micros()
        stored = await self._store.set_code(
            tenant=tenant, id=id, code_hash=self._hash(id, code), expires=now + VALID, now=now, before=now - RESEND
        )
        if not stored:
            raise CodeTooSoon(retry_after=RESEND / SECOND)
        await self._send(tenant, recipient, person, address.value, channel.name, code)
        return await self._address(tenant, recipient, id)

    async def verify(self, *, tenant: str, recipient: str, id: str, code: str) -> RecipientAddress:  # noqa: A002
        """Makes the address ACTIVE to which this code was sent.

        Raises:
            AddressNotFound: there is none.
            CodeNotNeeded: it is ACTIVE.
            CodeVoid: no code can come back any more; ask for another one.
            CodeWrong: it is not this one.
        """
        address = await self._address(tenant, recipient, id)
        if address.state is AddressState.ACTIVE:
            raise CodeNotNeeded("The address is ACTIVE; it needs no code")
        now = self._clock.micros()
        facts = await self._store.take_attempt(tenant=tenant, id=id, most=MAX_ATTEMPTS, now=now)
        if facts is None:
            raise CodeVoid("No code stands for this address: none was sent, it is too old, or wrong ones came too often. Request another")
        given = "".join(code.split())
        if not hmac.compare_digest(facts.code_hash, self._hash(id, given)):
            raise CodeWrong.at("code", f"is not the one that was sent; {facts.left} more attempts")
        active = await self._store.activate(tenant=tenant, id=id, code_hash=facts.code_hash, now=now)
        if active is None:
            raise CodeVoid("Another code was sent to this address meanwhile")
        return active

    async def _address(self, tenant: str, recipient: str, identity: str) -> RecipientAddress:
        found = await self._store.get(tenant=tenant, recipient=recipient, id=identity)
        if found is None:
            raise AddressNotFound(f"There is no address recipients/{recipient}/addresses/{identity}")
        return found

    async def _person(self, whom: PersonKey) -> PersonFacts:
        """What is known of a recipient and the address.

        Raises:
            AddressSuppressed: it gets nothing of any category; the reasons are named.
        """
        (person,) = await self._people.about([whom], now=self._clock.micros())
        reasons = sorted({_word(reason) for category, reason in person.suppressions if not category})
        if reasons:
            words = f"the address is suppressed ({', '.join(reasons)}); delete its suppressions first, if it works again"
            raise AddressSuppressed(f"name: {words}", violations=[FieldViolation("name", words)])
        return person

    def _hash(self, identity: str, code: str) -> str:
        return hmac.new(self._key(), f"{identity}:{code}".encode(), hashlib.sha256).hexdigest()

    def _sending_channel(self, tenant: str, name: str) -> Channel:
        """The channel by which a code goes to addresses of a channel: itself, or one that shares them and can send."""
        usable = self._channels.usable_by(tenant)
        sharing = [channel for channel in self._channels if channel.address_channel == name and channel.name in usable]
        own = [channel for channel in sharing if channel.name == name]
        return next(iter([*own, *sharing]), None) or self._channels.usable_channel(name, tenant=tenant)

    async def _send(self, tenant: str, recipient: str, person: PersonFacts, address: str, channel: str, code: str) -> None:
        message = Submission(
            key=1,
            tenant=tenant,
            firing="",
            alarm="",
            to=address,
            channel=channel,
            priority=Priority.NORMAL,
            content=TemplateUse(
                TEMPLATE,
                {"code": code, "minutes": str(VALID // MINUTE)},
                recipient=recipient_context(recipient, person.recipient) if person.recipient else None,
            ),
            occasion=f"verification-{self._new_id()}",
        )
        acks: list[Ack] = []
        async with aclosing(self._accepting.accept([message])) as answers:
            async for part in answers:
                acks += part
        _check(acks)


def _word(reason: SuppressionReason) -> str:
    """The reason's name; of one that this version does not know, what is stored."""
    return getattr(reason, "name", str(reason)).lower()


def _check(acks: Sequence[Ack]) -> None:
    """Raises what an acknowledgement says."""
    for ack in acks:
        if ack.retryable:
            raise Unavailable(ack.message, reason=ack.reason)
        if not ack.delivery:
            raise FailedPrecondition(f"The code could not be sent: {ack.message}", reason=ack.reason)
