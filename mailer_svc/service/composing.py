"""Making deliveries of submissions: where each goes, what the gates say of it, and what it says.

It is rendered now, so that later changes of its template do not matter.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct, structs

from mailer_svc.domain import (
    NO_ALERT,
    Channel,
    Channels,
    Content,
    DeliveryState,
    GateReason,
    GateRuling,
    MessageInvalid,
    NewDelivery,
    NobodyOnCall,
    PeopleSubmission,
    Priority,
    Submission,
    Template,
    TemplateNotFound,
    TemplatePart,
    TemplateUse,
    Unsubscription,
    by_rule,
    checked_submission,
    checked_traceparent,
    delivery_id,
    held_by_rule,
    message_id,
    person_name,
    printable,
    repaired_content,
    suppressed,
)
from mailer_svc.language.context import about_recipient, context_of
from mailer_svc.ports import RecipientFacts, Renderer
from mailer_svc.service.answering import Answering
from mailer_svc.service.gates import GateAnswer, GateQuestion, Gates, passes
from mailer_svc.service.screening import PiiScreen
from mailer_svc.service.templates import Templates
from tocsin.errors import TocsinError

Known = Mapping[tuple[str, str], Template]
"""Templates by tenant and code."""

_NOTHING: Final = Content("")
_SLICE_SECONDS: Final = 0.002
_EMAIL: Final = "email"
REPLY_VARIABLE: Final = "replies"
"""The variable of templates that holds what a recipient may reply to a mail about an incident."""
ANSWER_VARIABLE: Final = "acknowledge_url"
"""The variable of templates that holds the link by which a recipient answers an incident."""


class Addressed(Struct, frozen=True, kw_only=True):
    """A submission of which is known where it goes, with the id of its delivery; ``kept`` and ``repeatable`` are its channel's."""

    item: Submission
    id: str
    question: GateQuestion
    kept: bool
    repeatable: bool = False


class Composer:
    """Makes deliveries; stores none."""

    def __init__(
        self,
        *,
        templates: Templates,
        renderer: Renderer,
        channels: Channels,
        gates: Gates,
        screen: PiiScreen,
        answering: Answering,
        domain: str,
        leave_link: Callable[[Unsubscription], str],
    ) -> None:
        """Makes it.

        Args:
            templates: gives the current versions.
            renderer: fills them in.
            channels: by which messages leave.
            gates: say whether they may.
            screen: looks for personal data in what they say.
            answering: makes the links by which people answer incidents.
            domain: the right side of each Message-ID.
            leave_link: the URL by which somebody leaves; empty: nobody knows where people reach us.
        """
        self._answering = answering
        self._templates = templates
        self._renderer = renderer
        self._channels = channels
        self._gates = gates
        self._screen = screen
        self._domain = domain
        self._leave_link = leave_link
        self._repaired: tuple[Content | None, Content] = (None, _NOTHING)
        self._slice_end = 0.0

    async def known(self, batch: Sequence[Submission]) -> Known:
        """The templates that a batch needs, as far as they exist."""
        used = {(item.tenant, item.content.code) for item in batch if isinstance(item.content, TemplateUse)}
        return await self._templates.current(used) if used else {}

    def address(self, item: Submission) -> Addressed:
        """Where a message goes.

        Raises:
            NobodyOnCall: it is for whoever is on call, and nobody is.
            InvalidInput: its ids or its address cannot be used.
            UnsupportedChannel: this mailer does not know its channel.
            NoProvider: its channel has no provider.
        """
        if item.nobody:
            raise NobodyOnCall(item.nobody)
        checked_submission(item)
        channel = self._channels.usable_channel(item.channel, tenant=item.tenant)
        to = self._place(channel, item)
        return Addressed(
            item=item,
            id=_identity(item, to),
            question=_question(item, channel.name, channel.address_channel, to),
            kept=channel.kept,
            repeatable=channel.repeatable,
        )

    def check(self, item: PeopleSubmission, known: Known) -> None:
        """Returns if a message to recipients can become a notification.

        Raises:
            InvalidInput: its ids or what it says cannot be used.
            TemplateNotFound: there is no such template.
            UnsupportedChannel: this mailer does not know one of its channels.
            NoProvider: one of its channels has no provider.
        """
        message = item.message
        checked_submission(message)
        if message.content == _NOTHING:
            raise MessageInvalid.at("content", "is empty")
        if isinstance(message.content, TemplateUse) and (message.tenant, message.content.code) not in known:
            raise TemplateNotFound(f"There is no template templates/{message.content.code}")
        for channel in item.channels or ("",):
            self._channels.usable_channel(channel, tenant=message.tenant)

    def identity(self, item: Submission) -> str:
        """The id of a message's delivery, also if it would be refused now.

        Raises:
            TocsinError: it can have none.
        """
        return _identity(item, self._place(self._channels.find(item.channel), item))

    def _place(self, channel: Channel, item: Submission) -> str:
        """The address in its normal form, which a recipient's already has; empty for a recipient who has none."""
        return item.to if item.recipient_id else channel.normal_address(item.to)

    async def ask(self, batch: Sequence[Addressed]) -> list[GateAnswer]:
        """What the gates say of each message, see `Gates.ask`, and the personal rule that it is made by."""
        answers = await self._gates.ask([each.question for each in batch])
        return [_by_rule(each.item, answer) for each, answer in zip(batch, answers, strict=True)]

    async def fast(self, each: Addressed, answer: GateAnswer, known: Known) -> NewDelivery | None:
        """The delivery; None if its rendering takes long. Others have the event loop every few milliseconds.

        Raises:
            TocsinError: there is no such message, and never will be.
        """
        if asyncio.get_running_loop().time() > self._slice_end:
            await asyncio.sleep(0)
            self._slice_end = asyncio.get_running_loop().time() + _SLICE_SECONDS
        content = each.item.content
        if not passes(answer.ruling):
            shown, _ = await self._screen.screen(each.item, answer.ruling, _shown(content))
            return self._delivery(each, answer, answer.ruling, shown, resend=False)
        if isinstance(content, Content):
            return await self._screened(each, answer, self._repair(content), resend=each.item.resend)
        template, part, use = self._filled(each, answer, known)
        rendered = self._renderer.render_fast(part, use)
        return await self._screened(each, answer, rendered, resend=template.resend) if rendered else None

    def _repair(self, content: Content) -> Content:
        """As `repaired_content`; once for all messages of a notification, which have the same one.

        Raises:
            MessageInvalid: it is empty.
            ContentTooLarge: a body is too large.
        """
        if content is not self._repaired[0]:
            if content == _NOTHING:
                raise MessageInvalid.at("content", "is empty")
            self._repaired = (content, repaired_content(content))
        return self._repaired[1]

    async def slow(self, each: Addressed, answer: GateAnswer, known: Known) -> NewDelivery:
        """The delivery, however long its rendering takes.

        Raises:
            TocsinError: there is no such message.
        """
        template, part, use = self._filled(each, answer, known)
        content = await self._renderer.render(each.item.tenant, part, use)
        return await self._screened(each, answer, content, resend=template.resend)

    async def _screened(self, each: Addressed, answer: GateAnswer, content: Content, *, resend: bool) -> NewDelivery:
        """The delivery of a message, after the last gate: see `PiiScreen`."""
        if not self._screen.looks(each.item):
            return self._delivery(each, answer, answer.ruling, content, resend=resend)
        shown, ruling = await self._screen.screen(each.item, answer.ruling, content)
        return self._delivery(each, answer, ruling, shown, resend=resend)

    def _filled(self, each: Addressed, answer: GateAnswer, known: Known) -> tuple[Template, TemplatePart, TemplateUse]:
        """The template of a message, the part that its recipient reads, and what it is filled in with, links too."""
        template, part, use = _template(each, answer, known)
        item, question = each.item, each.question
        if link := self._answering.link(tenant=item.tenant, incident=item.incident, recipient=answer.recipient_id):
            use = replace(use, variables={**use.variables, ANSWER_VARIABLE: link})
        if self._answering.replies and item.incident and answer.recipient_id and question.channel == _EMAIL:
            use = replace(use, variables={**use.variables, REPLY_VARIABLE: "ack, resolve, snooze 1h"})
        if answer.may_leave and any(map(about_recipient, template.variables.used)):
            left = Unsubscription(item.tenant, answer.recipient_id, question.to, item.category, question.address_channel)
            use = replace(use, recipient={**(use.recipient or {}), "unsubscribe_url": self._leave_link(left)})
        return template, part, use

    def failed(self, item: Submission, error: TocsinError, *, recipient: str = "") -> NewDelivery:
        """The delivery of a message that cannot be made, so that its recipient is accounted for."""
        each = Addressed(item=item, id=_identity(item, item.to), question=_question(item, item.channel, item.channel, item.to), kept=False)
        ruling = GateRuling(state=DeliveryState.DEAD, detail=printable(f"{error.error_reason}: {error.message}"))
        if isinstance(error, NobodyOnCall):
            ruling = suppressed(GateReason.NOBODY_ON_CALL, error.message)
        answer = GateAnswer(recipient_id=recipient or item.recipient_id)
        return self._delivery(each, answer, ruling, _shown(item.content), resend=False)

    def _delivery(self, each: Addressed, answer: GateAnswer, ruling: GateRuling, content: Content, *, resend: bool) -> NewDelivery:
        item, question = each.item, each.question
        return NewDelivery(
            id=each.id,
            tenant=item.tenant,
            firing=item.firing,
            alarm=item.alarm,
            channel=question.channel,
            to=question.to,
            priority=question.priority,
            content=self._answering.marked(content if item.alert == NO_ALERT else replace(content, alert=item.alert)),
            message_id=message_id(each.id, self._domain),
            resend=resend or each.repeatable,
            traceparent=checked_traceparent(item.traceparent),
            kept=each.kept,
            recipient_id=answer.recipient_id,
            category=item.category,
            notification=item.notification,
            unbounded=bool(item.incident),
            ruling=ruling,
        )


def _identity(item: Submission, to: str) -> str:
    """The id of a delivery; a recipient without an address has one as well, and two personal rules of one address make two."""
    address = to or person_name(item.recipient_id)
    return delivery_id(
        tenant=item.tenant, origin=item.origin, channel=item.channel, address=f"{address}\0{item.rule}" if item.rule else address
    )


def _by_rule(item: Submission, answer: GateAnswer) -> GateAnswer:
    """What the gates say, of a message that a personal rule makes: what waits for its time is asked about then."""
    if not item.rule:
        return answer
    ruling = answer.ruling
    waits = item.hold_until is not None and item.to and ruling.reason != GateReason.UNKNOWN_RECIPIENT
    return structs.replace(answer, ruling=held_by_rule(item.hold_until or 0, item.rule) if waits else by_rule(ruling, item.rule))


def _question(item: Submission, channel: str, address_channel: str, to: str) -> GateQuestion:
    return GateQuestion(
        tenant=item.tenant,
        channel=channel,
        address_channel=address_channel,
        to=to,
        priority=Priority(item.priority),
        category=item.category,
        recipient_id=item.recipient_id,
    )


def _shown(content: Content | TemplateUse | None) -> Content:
    """What a delivery shows of a message that is not made."""
    return repaired_content(Content(content.subject, "")) if isinstance(content, Content) else _NOTHING


def _template(each: Addressed, answer: GateAnswer, known: Known) -> tuple[Template, TemplatePart, TemplateUse]:
    """The template of a message, the part of it that its recipient reads, and what it is filled in with."""
    item, facts = each.item, answer.recipient
    use = item.content if isinstance(item.content, TemplateUse) else TemplateUse("", {})
    template = known.get((item.tenant, use.code))
    if template is None:
        raise TemplateNotFound(f"There is no template templates/{use.code}")
    if facts is None:
        return template, template.part_for(each.question.channel, str((use.recipient or {}).get("locale", ""))), use
    own = replace(use, recipient=recipient_context(answer.recipient_id, facts))
    return template, template.part_for(each.question.channel, facts.locale), own


def recipient_context(identity: str, facts: RecipientFacts) -> Mapping[str, Any]:
    """A recipient as templates see it; see `TemplateUse`."""
    return {
        "id": identity,
        "name": facts.display_name,
        "locale": facts.locale,
        "time_zone": facts.time_zone,
        "attributes": context_of(facts.attributes),
    }
