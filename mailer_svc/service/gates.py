"""Asking the gates about many messages at once: what is known of all people of a batch is read by one query."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from mailer_svc.domain import PASSED, DeliveryState, GateReason, GateRuling, Priority, Situation, decide, situation_of_category, suppressed
from mailer_svc.domain.people import Category, CategoryKind, person_name
from mailer_svc.domain.preferences import UNSAID, Preferences
from mailer_svc.ports import PeopleFacts, PersonFacts, PersonKey, RecipientFacts, TenantKey
from tocsin.clock import Clock

NOBODY: Final = ""


class GateQuestion(Struct, frozen=True, kw_only=True):
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


class GateAnswer(Struct, frozen=True, kw_only=True):
    """What the gates say of a message, whose address it goes to as far as anybody knows, and whether its category is one to leave."""

    ruling: GateRuling = PASSED
    recipient_id: str = NOBODY
    recipient: RecipientFacts | None = None
    may_leave: bool = False


_UNKNOWN: Final = GateAnswer()


class Gates:
    """The gates before rendering: identity, suppression, category, preference, quiet hours. Caps and digests are the transaction's."""

    def __init__(self, *, people: PeopleFacts, clock: Clock) -> None:
        self._people = people
        self._clock = clock

    async def ask(self, questions: Sequence[GateQuestion]) -> list[GateAnswer]:
        """The answer to each question.

        A tenant that has neither people nor suppressions costs one query a batch, and a message that names a recipient or a category is
        of one that has. All messages of the others together cost a second one, and those that name a category a third.

        Raises:
            Unavailable: the database is away.
        """
        if not questions:
            return []
        used = await self._people.tenants_in_use({question.tenant for question in questions})
        answers = [_UNKNOWN] * len(questions)
        asked = [place for place, each in enumerate(questions) if each.tenant in used or each.recipient_id or each.category]
        if asked:
            for place, answer in zip(asked, await self._ask([questions[place] for place in asked], used), strict=True):
                answers[place] = answer
        return answers

    async def _ask(self, questions: Sequence[GateQuestion], tenants: Mapping[str, Preferences]) -> list[GateAnswer]:
        now = self._clock.micros()
        people = [PersonKey.of(each.tenant, each.address_channel, each.to, each.recipient_id) for each in questions]
        facts, categories = await asyncio.gather(self._people.about(people, now=now), self._categories(questions))
        return [
            _answer(question, person, tenants.get(question.tenant, UNSAID), categories, now)
            for question, person in zip(questions, facts, strict=True)
        ]

    async def _categories(self, questions: Sequence[GateQuestion]) -> Mapping[TenantKey, Category]:
        keys = {TenantKey(question.tenant, question.category) for question in questions if question.category}
        return await self._people.categories(keys) if keys else {}


def _answer(
    question: GateQuestion, person: PersonFacts, tenant_wants: Preferences, categories: Mapping[TenantKey, Category], now: int
) -> GateAnswer:
    owner = person.recipient_id
    if owner and person.recipient is None:
        unknown = suppressed(GateReason.UNKNOWN_RECIPIENT, f"there is no {person_name(owner)}")
        return GateAnswer(ruling=unknown, recipient_id=owner)
    if not question.to:
        return GateAnswer(ruling=_no_address(owner, question.channel), recipient_id=owner)
    kind, window = situation_of_category(categories.get(TenantKey(question.tenant, question.category)) if question.category else None)
    found = Situation(
        channel=question.channel,
        priority=question.priority,
        category=question.category,
        kind=kind,
        digest_window=window,
        suppressions=person.suppressions,
        recipient_id=owner,
        time_zone=person.recipient.time_zone if person.recipient else "",
        wants=person.wants,
        tenant_wants=tenant_wants,
    )
    may_leave = bool(question.category) and kind is not CategoryKind.MANDATORY
    return GateAnswer(ruling=decide(found, now), recipient_id=owner, recipient=person.recipient, may_leave=may_leave)


def _no_address(recipient: str, channel: str) -> GateRuling:
    return suppressed(GateReason.NO_ADDRESS, f"recipients/{recipient} has no active address for {channel}")


def passes(ruling: GateRuling) -> bool:
    """Whether a message has to be made of it: it goes out, or waits."""
    return ruling.state in (DeliveryState.ACCEPTED, DeliveryState.HELD)
