"""Answering an incident by the link of a message."""

from dataclasses import replace

from mailer_svc.domain import Content
from mailer_svc.domain.answers import LASTING, AnswerLink, AnswerTokens
from mailer_svc.ports.incidents import IncidentFacts, IncidentKey, IncidentLookup, LinkAnswer, PersonalAnswer
from tocsin.clock import Clock

ANSWER_PATH = "/i/"
"""Path of the pages at the gateway; see AnswerService."""


class Answering:
    """Makes links, reads them, and passes on what people say by them."""

    def __init__(self, *, tokens: AnswerTokens, incidents: IncidentLookup, base: str, clock: Clock, replies: bool = False) -> None:
        """Makes it.

        Args:
            tokens: seals and opens what links say.
            incidents: of the scheduler.
            base: the URL of the pages, with a slash at its end; empty: nobody knows how people reach us, so that there are no links.
            clock: source of time.
            replies: whether somebody reads what people answer to mails.
        """
        self.replies = replies
        self._tokens = tokens
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
        return self._tokens.open(token, now=self._clock.micros())

    async def answer(self, token: str, answer: LinkAnswer) -> tuple[str, IncidentFacts]:
        """Takes what somebody says by a link: who it is, and how the incident stands then.

        Raises:
            AnswerLinkInvalid: it is none of ours.
            AnswerLinkExpired: its time is over.
            NotFound: there is no such incident any more.
            Unavailable: the scheduler cannot be reached.
        """
        link = self.read(token)
        key = IncidentKey(link.tenant, link.incident)
        facts = await self._incidents.answer(key, actor=f"recipients/{link.recipient_id}", via="link", answer=PersonalAnswer(answer))
        return link.recipient_id, facts
