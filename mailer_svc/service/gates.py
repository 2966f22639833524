"""Asking the gates about many messages at once: every fact is read by one query a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mailer_svc.domain import PASSED, DeliveryState, GateReason, GateRuling, Priority, Situation, decide, situation_of_category, suppressed
from mailer_svc.domain.people import Category, person_name
from mailer_svc.domain.preferences import UNSAID, Preferences
from mailer_svc.ports import AddressKey, PeopleFacts, RecipientFacts, SuppressionFacts, TenantKey
from tocsin.clock import Clock

NOBODY: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateQuestion:
    """Whether a message may go out.

    Attributes:
        tenant: whose.
        channel: by which it leaves.
        address_channel: by which the address is known; see `Channel`.
        to: the address in its normal form; empty if the recipient has none.
        priority: how urgent it is.
        category: id; empty: none.
        recipient_id: whose address it is; empty: that is for the gates to find out.
    """

    tenant: str
    channel: str
    address_channel: str
    to: str
    priority: Priority
    category: str = ""
    recipient_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """What the gates say of a message, and whose address it goes to as far as anybody knows."""

    ruling: GateRuling = PASSED
    recipient_id: str = NOBODY
    recipient: RecipientFacts | None = None


_UNKNOWN: Final = GateAnswer()


@dataclass(frozen=True, slots=True)
class _GateFacts:
    """What is known of a batch."""

    recipients: Mapping[TenantKey, RecipientFacts]
    preferences: Mapping[TenantKey, Preferences]
    suppressed: Mapping[AddressKey, Sequence[SuppressionFacts]]
    categories: Mapping[TenantKey, Category]


class Gates:
    """The gates before rendering: identity, suppression, category, preference, quiet hours. Caps and digests are the transaction's."""

    def __init__(self, *, people: PeopleFacts, clock: Clock) -> None:
        self._people = people
        self._clock = clock

    async def ask(self, questions: Sequence[GateQuestion]) -> list[GateAnswer]:
        """The answer to each question.

        A tenant that has neither people nor suppressions costs one query a batch, and a message that names a recipient or a category is
        of one that has.

        Raises:
            Unavailable: the database is away.
        """
        if not questions:
            return []
        used = await self._people.in_use({question.tenant for question in questions})
        answers = [_UNKNOWN] * len(questions)
        asked = [place for place, each in enumerate(questions) if each.tenant in used or each.recipient_id or each.category]
        if asked:
            for place, answer in zip(asked, await self._ask([questions[place] for place in asked]), strict=True):
                answers[place] = answer
        return answers

    async def _ask(self, questions: Sequence[GateQuestion]) -> list[GateAnswer]:
        now = self._clock.micros()
        addresses = [AddressKey.of(question.tenant, question.address_channel, question.to) for question in questions]
        owners = await self._owners(questions, addresses)
        people = [TenantKey(question.tenant, owner) for question, owner in zip(questions, owners, strict=True)]
        known = {key for key in people if key.id}
        facts = _GateFacts(
            recipients=await self._people.recipients_of(known),
            preferences=await self._people.preferences(known | {TenantKey(question.tenant, NOBODY) for question in questions}),
            suppressed=await self._people.suppressed(set(addresses), now=now),
            categories=await self._categories(questions),
        )
        return [_answer(*each, facts, now) for each in zip(questions, people, addresses, strict=True)]

    async def _owners(self, questions: Sequence[GateQuestion], addresses: Sequence[AddressKey]) -> list[str]:
        """The identity gate: whose addresses these are."""
        raw = {address for question, address in zip(questions, addresses, strict=True) if not question.recipient_id}
        found = await self._people.owners(raw)
        return [question.recipient_id or found.get(address, NOBODY) for question, address in zip(questions, addresses, strict=True)]

    async def _categories(self, questions: Sequence[GateQuestion]) -> Mapping[TenantKey, Category]:
        keys = {TenantKey(question.tenant, question.category) for question in questions if question.category}
        return await self._people.categories(keys)


def _answer(question: GateQuestion, person: TenantKey, address: AddressKey, facts: _GateFacts, now: int) -> GateAnswer:
    recipient = facts.recipients.get(person)
    if person.id and recipient is None:
        unknown = suppressed(GateReason.UNKNOWN_RECIPIENT, f"there is no {person_name(person.id)}")
        return GateAnswer(ruling=unknown, recipient_id=person.id)
    if not question.to:
        return GateAnswer(ruling=_no_address(person.id, question.channel), recipient_id=person.id)
    kind, window = situation_of_category(facts.categories.get(TenantKey(question.tenant, question.category)))
    found = Situation(
        channel=question.channel,
        priority=question.priority,
        category=question.category,
        kind=kind,
        digest_window=window,
        suppressions=facts.suppressed.get(address, ()),
        recipient_id=person.id,
        time_zone=recipient.time_zone if recipient else "",
        wants=facts.preferences.get(person, UNSAID) if person.id else UNSAID,
        tenant_wants=facts.preferences.get(TenantKey(question.tenant, NOBODY), UNSAID),
    )
    return GateAnswer(ruling=decide(found, now), recipient_id=person.id, recipient=recipient)


def _no_address(recipient: str, channel: str) -> GateRuling:
    return suppressed(GateReason.NO_ADDRESS, f"recipients/{recipient} has no active address for {channel}")


def passes(ruling: GateRuling) -> bool:
    """Whether a message has to be made of it: it goes out, or waits."""
    return ruling.state in (DeliveryState.ACCEPTED, DeliveryState.HELD)
