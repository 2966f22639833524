"""Replies to mails about incidents, by which people answer."""

import asyncio
from typing import Final

from mailer_svc.bounces.incoming import MailFacts, read_mail
from mailer_svc.bounces.reading import BounceUnreadable
from mailer_svc.bounces.takers import MailVerdict
from mailer_svc.domain import ReturnPaths
from mailer_svc.domain.errors import AnswerLinkExpired, ReplyOfAnother
from mailer_svc.service.replying import ReceivedReply, Replying
from tocsin.errors import FailedPrecondition, NotFound

UNREADABLE: Final = MailVerdict("unreadable", "554 5.6.0 this mail has more parts than are read, or cannot be taken apart")
_GONE: Final = MailVerdict("reply_refused", "550 5.1.1 what this answers is not known any more")
_EXPIRED: Final = MailVerdict("reply_refused", "550 5.7.1 the message is too old to be answered")
_ANOTHER: Final = MailVerdict("reply_refused", "550 5.7.1 only the address that the message went to may answer it")
_OVER: Final = MailVerdict("reply_refused", "550 5.7.0 the incident is over, and is not put off any more")


class ReplyMail:
    """What comes to the address that a mail about an incident names in Reply-To."""

    def __init__(self, *, paths: ReturnPaths, replying: Replying) -> None:
        self._paths = paths
        self._replying = replying

    def takes(self, address: str) -> bool:
        """Addresses that we made."""
        return bool(self._paths.delivery(address))

    async def take(self, address: str, data: bytes) -> MailVerdict:
        """Passes on what it says. What a program answers is nobody's answer, and is not answered either."""
        try:
            facts = await asyncio.to_thread(read_mail, data)
        except BounceUnreadable:
            return UNREADABLE
        if facts.answers_itself:
            return MailVerdict("auto_reply")
        return await self._answered(self._paths.delivery(address), facts)

    async def _answered(self, delivery: str, facts: MailFacts) -> MailVerdict:
        try:
            kind = await self._replying.take(ReceivedReply(delivery, facts.sender, facts.text, facts.digest))
        except AnswerLinkExpired:
            return _EXPIRED
        except ReplyOfAnother:
            return _ANOTHER
        except NotFound:
            return _GONE
        except FailedPrecondition:
            return _OVER
        return MailVerdict(f"reply_{kind.value}")
