"""Mails of monitoring systems to ``{key}@{domain}``: each is an alert for the integration of the key."""

import asyncio
import re
from typing import Final

from mailer_svc.bounces.incoming import MailFacts, read_mail
from mailer_svc.bounces.reading import BounceUnreadable
from mailer_svc.bounces.replies import UNREADABLE
from mailer_svc.bounces.takers import MailVerdict
from mailer_svc.ports.incidents import MailIntake
from tocsin.errors import InvalidInput, NotFound, ResourceExhausted

_KEY: Final = re.compile(r"[a-z0-9]{20,64}")
_OWN: Final = re.compile(r"[0-9a-f]{32}")
_MOST_HOPS: Final = 30
_GENERATED: Final = ("no", "auto-generated")  # RFC 3834, 5: what a monitoring system or cron sends is no answer to anything
_LOOP: Final = MailVerdict("loop", "554 5.4.6 an answer of a program is no alert")
_UNKNOWN: Final = MailVerdict("unknown_key", "550 5.1.1 no such address")
_REFUSED: Final = MailVerdict("alert_refused", "550 5.6.0 what this mail says cannot be taken")
_FULL: Final = MailVerdict("alert_deferred", "452 4.3.1 too many mails, try again later")


class AlertMail:
    """What comes to the addresses of integrations."""

    def __init__(self, *, domain: str, intake: MailIntake, own_domain: str) -> None:
        """Takes mails.

        Args:
            domain: what stands behind the @ of the addresses.
            intake: of the scheduler.
            own_domain: the right side of the Message-IDs of our own mails, which are no alerts.
        """
        self._domain = domain.lower()
        self._intake = intake
        self._own_domain = own_domain.lower()

    def takes(self, address: str) -> bool:
        """What could be the key of an integration; whether it is one, the scheduler knows."""
        key, _, domain = address.lower().rpartition("@")
        return domain == self._domain and _KEY.fullmatch(key) is not None

    async def take(self, address: str, data: bytes) -> MailVerdict:
        """Hands it to the scheduler."""
        try:
            facts = await asyncio.to_thread(read_mail, data)
        except BounceUnreadable:
            return UNREADABLE
        if facts.automatic not in _GENERATED or facts.hops > _MOST_HOPS or self._is_own(facts.message_id):
            return _LOOP
        return await self._handed(address.lower().rpartition("@")[0], facts)

    def _is_own(self, message_id: str) -> bool:
        own, _, domain = message_id.lower().removeprefix("<").removesuffix(">").rpartition("@")
        return domain == self._own_domain and _OWN.fullmatch(own) is not None

    async def _handed(self, key: str, facts: MailFacts) -> MailVerdict:
        try:
            await self._intake.receive(key=key, message_id=facts.message_id, sender=facts.sender, subject=facts.subject, text=facts.text)
        except NotFound:
            return _UNKNOWN
        except InvalidInput:
            return _REFUSED
        except ResourceExhausted:
            return _FULL
        return MailVerdict("alert")
