"""What was held back goes on: deliveries at the end of quiet hours and when personal rules say so, and digests when they close.

The gates are asked once more then.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from mailer_svc.domain import (
    Channels,
    DeliveryState,
    Digest,
    DigestMembers,
    GateReason,
    GateRuling,
    NewDelivery,
    Priority,
    message_id,
)
from mailer_svc.ports import Digests, HeldDeliveries, HeldDelivery
from mailer_svc.ports.incidents import IncidentKey, IncidentLookup
from mailer_svc.service.apart import together_or_apart
from mailer_svc.service.digest_texts import DigestText, DigestTexts, plain_text
from mailer_svc.service.gates import GateQuestion, Gates
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.background import Background, report_progress
from tocsin.clock import MINUTE, Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_BATCH: Final = 500
_DIGESTS: Final = 100
_LEASE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0
_SPOILED: Final = 5 * MINUTE
"""After so long what could not be closed is tried again."""
_QUIET_OVER: Final = "its quiet time is over"
_OVER: Final[Mapping[str, str]] = {
    GateReason.PERSONAL_RULE: "its time by the personal rule has come, and nobody has answered",
    GateReason.MESSAGE_QUOTA: "the next day has come, and the quota of messages has room",
}
_ANSWERED: Final = GateRuling(
    state=DeliveryState.SUPPRESSED, reason=GateReason.INCIDENT_ANSWERED, detail="somebody has answered the incident meanwhile"
)


class HoldReleaser:
    """Asks the gates again about deliveries whose quiet time, or wait by a personal rule, has ended; a component."""

    def __init__(
        self,
        *,
        held: HeldDeliveries,
        gates: Gates,
        incidents: IncidentLookup,
        channels: Channels,
        publisher: DeliveryPublisher,
        clock: Clock,
    ) -> None:
        self._held = held
        self._incidents = incidents
        self._gates = gates
        self._channels = channels
        self._publisher = publisher
        self._clock = clock
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._rounds.running:
            self._rounds.periodic("held deliveries", _POLL_SECONDS, self.release_due)

    async def stop(self) -> None:
        """Stops; what is held is looked at after the next start."""
        await self._rounds.stop()

    async def release_due(self) -> None:
        """Releases everything whose time has come."""
        while await self._release_some():
            report_progress()

    async def _release_some(self) -> bool:
        now = self._clock.micros()
        held, unreadable = await self._held.claim_due(limit=_BATCH, now=now, lease=round(_LEASE_SECONDS * 1e6))
        if held:
            await together_or_apart(held, self._release, spoiled=self._spoiled)
        return len(held) + unreadable == _BATCH

    async def _release(self, held: Sequence[HeldDelivery]) -> None:
        known = [dataclasses.replace(item, delivery=self._as_kept(item.delivery)) for item in held]
        answers = await self._gates.ask([_question(item.delivery, self._channels) for item in known])
        ruled = [(item, _once(item, answer.ruling)) for item, answer in zip(known, answers, strict=True)]
        released = await self._held.release(await self._still_wanted(ruled), now=self._clock.micros())
        self._channels.wake({delivery.channel for delivery in released})
        await self._publisher.accepted(released)

    async def _spoiled(self, item: HeldDelivery, error: Exception) -> None:
        """It stays held until its claim ends."""
        _log.error("held delivery cannot be released", delivery=item.delivery.id, tenant=item.delivery.tenant, exc_info=error)

    def _as_kept(self, delivery: NewDelivery) -> NewDelivery:
        return replace(delivery, kept=self._channels.keeps(delivery.channel))

    async def _still_wanted(self, ruled: list[tuple[HeldDelivery, GateRuling]]) -> list[tuple[HeldDelivery, GateRuling]]:
        """The rulings; who was to hear of an incident that somebody has answered meanwhile does not.

        While nobody knows, what is about an incident stays held until its claim ends, and the rest goes on.
        """
        about = [IncidentKey(item.delivery.tenant, item.incident) for item, _ in ruled if item.incident]
        if not about:
            return ruled
        try:
            waiting = dict(zip(about, await self._incidents.waiting(about), strict=True))
        except TocsinError as error:
            _log.warning("messages about incidents stay held: nobody says whether they are answered", error=error.message)
            return [(item, ruling) for item, ruling in ruled if not item.incident]
        answered = {key for key, waits in waiting.items() if not waits}
        return [(item, _ANSWERED if IncidentKey(item.delivery.tenant, item.incident) in answered else ruling) for item, ruling in ruled]


class DigestCloser:
    """Closes digests whose time has come; a component."""

    def __init__(
        self,
        *,
        digests: Digests,
        gates: Gates,
        channels: Channels,
        publisher: DeliveryPublisher,
        clock: Clock,
        domain: str,
        texts: DigestTexts = plain_text,
    ) -> None:
        """Takes what it stands on; ``domain`` is the right side of each Message-ID, ``texts`` say what digests say."""
        self._texts = texts
        self._digests = digests
        self._gates = gates
        self._channels = channels
        self._publisher = publisher
        self._clock = clock
        self._domain = domain
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._rounds.running:
            self._rounds.periodic("digests", _POLL_SECONDS, self.close_due)

    async def stop(self) -> None:
        """Stops; what is open is closed after the next start."""
        await self._rounds.stop()

    async def close_due(self) -> None:
        """Closes everything whose time has come."""
        while due := await self._digests.due(limit=_DIGESTS, now=self._clock.micros()):
            await together_or_apart(due, self._close_all, spoiled=self._spoiled)

    async def _close_all(self, due: Sequence[Digest]) -> None:
        answers = await self._gates.ask([self._question(digest) for digest in due])
        for digest, answer in zip(due, answers, strict=True):
            text = await self._texts(digest, answer.recipient.locale if answer.recipient else "")
            await self._close(digest, replace(answer.ruling, digest_window=0), text)
            report_progress()

    async def _spoiled(self, digest: Digest, error: Exception) -> None:
        _log.error("digest cannot be closed", digest=digest.id, tenant=digest.tenant, exc_info=error)
        await self._digests.put_off(digest, until=self._clock.micros() + _SPOILED)

    def _question(self, digest: Digest) -> GateQuestion:
        return GateQuestion(
            tenant=digest.tenant,
            channel=digest.channel,
            address_channel=self._channels.address_channel(digest.channel),
            to=digest.address,
            priority=Priority.NORMAL,
            category=digest.category,
            recipient_id=digest.recipient_id,
        )

    async def _close(self, digest: Digest, ruling: GateRuling, text: DigestText) -> None:
        closed = await self._digests.close(digest, ruling, make=self._maker(digest, text), now=self._clock.micros())
        if closed is None:
            return
        _log.info("digest closed", digest=digest.id, messages=closed.total, state=closed.ruling.state.name)
        self._publisher.meter.digest_closed(digest.channel, closed.total)
        self._publisher.ruled(digest.channel, closed.ruling.state, closed.ruling.reason, closed.total)
        if closed.delivery is not None:
            self._channels.wake({digest.channel})
            await self._publisher.accepted([closed.delivery])
        await self._publisher.changed(digest.tenant)

    def _maker(self, digest: Digest, text: DigestText) -> Callable[[DigestMembers], NewDelivery]:
        return partial(_digest_delivery, digest, text=text, kept=self._channels.keeps(digest.channel), domain=self._domain)


def _digest_delivery(digest: Digest, members: DigestMembers, *, text: DigestText, kept: bool, domain: str) -> NewDelivery:
    """The delivery of a digest; its id is the digest's."""
    return NewDelivery(
        id=digest.id,
        tenant=digest.tenant,
        firing="",
        alarm="",
        channel=digest.channel,
        to=digest.address,
        priority=members.priority,
        content=text(members),
        message_id=message_id(digest.id, domain),
        resend=False,
        traceparent="",
        kept=kept,
        recipient_id=digest.recipient_id,
        category=digest.category,
    )


def _once(item: HeldDelivery, ruling: GateRuling) -> GateRuling:
    """The ruling; what is the mailer's own joins no digest."""
    released = ruling if not item.delivery.is_own else replace(ruling, digest_window=0)
    return replace(released, detail=_OVER.get(item.reason, _QUIET_OVER)) if released.state is DeliveryState.ACCEPTED else released


def _question(item: NewDelivery, channels: Channels) -> GateQuestion:
    return GateQuestion(
        tenant=item.tenant,
        channel=item.channel,
        address_channel=channels.address_channel(item.channel),
        to=item.to,
        priority=item.priority,
        category=item.category,
        recipient_id=item.recipient_id,
    )
