"""Answering an incident by the reply to a mail: the address that it goes to says which message it answers, and nobody else can make one."""

from typing import Final, NamedTuple

from mailer_svc.domain import comparable_address
from mailer_svc.domain.answers import LASTING
from mailer_svc.domain.errors import AnswerLinkExpired, AnswerLinkInvalid, ReplyOfAnother
from mailer_svc.domain.mail_replies import MailReply, ReplyKind, read_reply
from mailer_svc.ports.incidents import AskedMails, AskedPerson, IncidentKey, IncidentLookup, LinkAnswer, PersonalAnswer
from tocsin.clock import Clock

_KINDS: Final = {
    ReplyKind.ACKNOWLEDGE: LinkAnswer.ACKNOWLEDGE,
    ReplyKind.RESOLVE: LinkAnswer.RESOLVE,
    ReplyKind.SNOOZE: LinkAnswer.SNOOZE,
    ReplyKind.NOTE: LinkAnswer.NOTE,
}


class ReceivedReply(NamedTuple):
    """A reply: the delivery that it answers, the address that it is from, its text, and what makes it one of a kind."""

    delivery: str
    sender: str
    text: str
    identity: str


class Replying:
    """Passes on what people say by replies."""

    def __init__(self, *, asked: AskedMails, incidents: IncidentLookup, clock: Clock) -> None:
        self._asked = asked
        self._incidents = incidents
        self._clock = clock

    async def take(self, reply: ReceivedReply) -> ReplyKind:
        """Takes a reply; what it does.

        Raises:
            AnswerLinkInvalid: it answers nothing that is still known.
            AnswerLinkExpired: its time is over.
            ReplyOfAnother: it is not from the address that the mail went to.
            NotFound: there is no such incident any more.
            FailedPrecondition: the incident is over, and cannot be put off.
            Unavailable: the scheduler, or the database, cannot be reached.
        """
        asked = await self._asked.asked(reply.delivery)
        if asked is None:
            raise AnswerLinkInvalid
        self._check(asked, reply)
        said = read_reply(reply.text)
        if said.kind is not ReplyKind.NOTHING:
            key = IncidentKey(asked.tenant, asked.incident)
            await self._incidents.answer(key, actor=f"recipients/{asked.recipient_id}", via="reply", answer=_answer(said, reply.identity))
        return said.kind

    def _check(self, asked: AskedPerson, reply: ReceivedReply) -> None:
        if asked.created + LASTING <= self._clock.micros():
            raise AnswerLinkExpired
        if comparable_address(asked.channel, reply.sender) != comparable_address(asked.channel, asked.address):
            raise ReplyOfAnother


def _answer(said: MailReply, identity: str) -> PersonalAnswer:
    return PersonalAnswer(_KINDS[said.kind], snooze=said.snooze, note=said.note, message_id=identity)
