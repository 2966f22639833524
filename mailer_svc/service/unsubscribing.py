"""Leaving a category with one click."""

from collections.abc import Callable
from dataclasses import dataclass

from mailer_svc.domain import UnsubscribeTokens
from mailer_svc.domain.people import Suppression, SuppressionReason
from mailer_svc.domain.unsubscription import Unsubscription
from mailer_svc.ports.leaving import CategoryChoices
from mailer_svc.ports.people import Suppressions
from tocsin.clock import Clock
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a link is about, for people: what the category is called, and the address that the mail went to."""

    category: str
    address: str


class Unsubscribing:
    """Reads links of mails, and does what they are for."""

    def __init__(
        self, *, tokens: UnsubscribeTokens, choices: CategoryChoices, suppressions: Suppressions, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        """Makes it.

        Args:
            tokens: opens what links say.
            choices: of recipients.
            suppressions: of addresses that belong to nobody.
            clock: source of time.
            new_id: makes ids of suppressions.
        """
        self._tokens = tokens
        self._choices = choices
        self._suppressions = suppressions
        self._clock = clock
        self._new_id = new_id

    async def describe(self, token: str) -> LinkTarget:
        """What a link is about; nothing is changed.

        Raises:
            UnsubscribeTokenInvalid: it is none of ours.
        """
        what = self._tokens.open(token)
        name = await self._choices.category_name(tenant=what.tenant, category=what.category)
        return LinkTarget(name or what.category, what.address)

    async def leave(self, token: str) -> Unsubscription:
        """Turns the category off for its recipient, or for the address alone if it belongs to nobody. Again is no error.

        It works whatever state the tenant is in: nobody has to go on getting mail because of that.

        Raises:
            UnsubscribeTokenInvalid: it is none of ours.
        """
        what = self._tokens.open(token)
        now = self._clock.micros()
        if not what.recipient_id or not await self._choices.turn_off(
            tenant=what.tenant, recipient=what.recipient_id, category=what.category, now=now
        ):
            suppression = Suppression(
                tenant=what.tenant,
                id=self._new_id(),
                channel=what.channel,
                address=what.address,
                category=what.category,
                reason=SuppressionReason.UNSUBSCRIBE,
                source="unsubscribe link",
                created=now,
            )
            await self._suppressions.add([suppression])
        _log.info("category left", tenant=what.tenant, recipient=what.recipient_id, category=what.category)
        return what
