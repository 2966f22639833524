"""Answering an incident by the link of a message."""

from collections.abc import Callable
from dataclasses import replace

from mailer_svc.domain import Content
from mailer_svc.domain.answers import LASTING, AnswerLink, AnswerTokens
from mailer_svc.domain.errors import AnswerLinkInvalid
from mailer_svc.ports.incidents import IncidentFacts, IncidentKey, IncidentLookup, LinkAnswer, PersonalAnswer
from tocsin.clock import Clock
from tocsin.tenants import serves_all

ANSWER_PATH = "/i/"
"""Path of the pages at the gateway; see AnswerService."""


class Answering:
    """Makes links, reads them, and passes on what people say by them."""

    def __init__(
        self,
        *,
        tokens: AnswerTokens,
        incidents: IncidentLookup,
        base: str,
        clock: Clock,
        replies: bool = False,
        serves: Callable[[str], bool] = serves_all,
    ) -> None:
        """Makes it.

        Args:
            tokens: seals and opens what links say.
            incidents: of the scheduler.
            base: the URL of the pages, with a slash at its end; empty: nobody knows how people reach us, so that there are no links.
            clock: source of time.
            replies: whether somebody reads what people answer to mails.
            serves: for which tenants, see `TenantBook.serves_keys`.
        """
        self.replies = replies
        self._tokens = tokens
        self._serves = serves
        self._incidents = incidents
        self._base = base
        self._clock = clock

    def link(self, *, tenant: str, incident: str, recipient: str) -> str:
        """The URL by which a recipient answers; empty if there is none."""
        if not (self._base and incident and recipient):
            return ""
        expires = self._clock.micros() + LASTING
        return self._base + self._tokens.seal(AnswerLink(tenant, incident.removeprefix("incidents/"), recipient, expires))

    def marked(self, content: Content) -> Content:
        """The content, with a mark on the buttons that lead to pages of ours: a program may press them by itself."""
        if not self._base or not any(action.url.startswith(self._base) for action in content.actions):
            return content
        actions = tuple(replace(action, answers=action.url.startswith(self._base)) for action in content.actions)
        return replace(content, actions=actions)

    def read(self, token: str) -> AnswerLink:
        """What a link says.

        Raises:
            AnswerLinkInvalid: it is none of ours.
            AnswerLinkExpired: its time is over.
        """
        link = self._tokens.open(token, now=self._clock.micros())
        if not self._serves(link.tenant):
            raise AnswerLinkInvalid
        return link

    async def answer(self, link: AnswerLink, answer: LinkAnswer) -> tuple[str, IncidentFacts]:
        """Takes what somebody says by a link that was read: who it is, and how the incident stands then.

        Raises:
            NotFound: there is no such incident any more.
            Unavailable: the scheduler cannot be reached.
        """
        key = IncidentKey(link.tenant, link.incident)
        facts = await self._incidents.answer(key, actor=f"recipients/{link.recipient_id}", via="link", answer=PersonalAnswer(answer))
        return link.recipient_id, facts
