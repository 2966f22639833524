"""Looking at deliveries and at the inbox."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from mailer_svc.domain import (
    Channels,
    Delivery,
    DeliveryNotFound,
    DeliveryState,
    DeliverySuppressed,
    InboxMessage,
    MessageNotFound,
    NoProvider,
)
from mailer_svc.ports import ChangeHints, DeliveryChange, DeliveryEndings, DeliveryQuery, DeliveryReader, InboxReader, Position
from mailer_svc.ports.quotas import MessageUsage
from mailer_svc.ports.reading import DeliveryStateCount
from mailer_svc.service.publishing import topic
from tocsin.clock import MINUTE, Clock
from tocsin.errors import InvalidInput

_TOKEN = re.compile(r"([0-9]{1,18})-([0-9]{1,10})")
_POLL_SECONDS = 1.0
_DAY_MINUTES = 1440


MOST_COUNTED = 20_000
"""So many rows cost a database some ten milliseconds, however many there are."""


class DeliverySummary(NamedTuple):
    """What was accepted from ``since`` to ``until``."""

    since: int
    until: int
    partial: bool
    counts: Sequence[DeliveryStateCount]


class Deliveries:
    """Deliveries of a tenant, for whoever asks."""

    def __init__(
        self, *, reader: DeliveryReader, endings: DeliveryEndings, hints: ChangeHints, clock: Clock, channels: Channels, usage: MessageUsage
    ) -> None:
        self._reader = reader
        self._endings = endings
        self._hints = hints
        self._clock = clock
        self._channels = channels
        self._usage = usage

    async def get(self, *, tenant: str, id: str) -> Delivery:  # noqa: A002 - the word of the contract
        """One delivery with its timeline.

        Raises:
            DeliveryNotFound: the tenant has none of this id.
        """
        delivery = await self._reader.get(tenant=tenant, id=id)
        if delivery is None:
            raise DeliveryNotFound(f"There is no delivery deliveries/{id}")
        return delivery

    async def sent_today(self, tenant: str) -> int:
        """How many messages of a tenant count for its quota of today."""
        return await self._usage.used(tenant, now=self._clock.micros())

    async def retry_one(self, *, tenant: str, id: str) -> Delivery:  # noqa: A002 - the word of the contract
        """Send a delivery again if it is DEAD or OUTCOME_UNKNOWN.

        Raises:
            DeliveryNotFound: the tenant has none of this id.
            DeliverySuppressed: the gates said no; a new message asks them again.
            NoProvider: its channel has no provider.
            UnsupportedChannel: this mailer does not know its channel.
        """
        delivery = await self.get(tenant=tenant, id=id)
        if delivery.state is DeliveryState.SUPPRESSED:
            raise DeliverySuppressed(
                f"deliveries/{id} was suppressed ({delivery.reason}) and is not sent again; send a new message instead"
            )
        if delivery.state not in (DeliveryState.DEAD, DeliveryState.OUTCOME_UNKNOWN):
            return delivery
        self._channels.usable_channel(delivery.channel, tenant=tenant)
        await self.retry(DeliveryQuery(tenant=tenant, equal=(("id", id),)), limit=1)
        return await self.get(tenant=tenant, id=id)

    async def retry(self, query: DeliveryQuery, *, limit: int) -> list[str]:
        """Send deliveries again that are DEAD or OUTCOME_UNKNOWN and match, ``limit`` at most; returns their ids.

        Those of a channel without a provider stay as they are.

        Raises:
            NoProvider: no channel has a provider.
        """
        usable = set(self._channels.usable_by(query.tenant))
        channels = [name for name in self._channels.queued if name in usable]
        if not channels:
            raise NoProvider("; ".join(channel.missing for channel in self._channels if channel.missing))
        ids = await self._endings.retry(query, channels=channels, now=self._clock.micros(), limit=limit)
        if ids:
            self._channels.wake(channels)
            await self._hints.publish(topic(query.tenant))
        return ids

    async def page(self, query: DeliveryQuery, *, before: tuple[int, str] | None, limit: int) -> list[Delivery]:
        """Deliveries, the newest first; those older than ``before`` (created, id)."""
        return await self._reader.page(query, before=before, limit=limit)

    async def summary(self, tenant: str, *, minutes: int) -> DeliverySummary:
        """Counts what was accepted in the last ``minutes`` (0: a day)."""
        until = self._clock.micros()
        since = until - (minutes or _DAY_MINUTES) * MINUTE
        counts = await self._reader.summary(tenant=tenant, since=since, most=MOST_COUNTED)
        partial = sum(each.deliveries for each in counts) >= MOST_COUNTED
        return DeliverySummary(min(each.first for each in counts) if partial else since, until, partial, counts)

    async def watch(self, *, tenant: str, firing: str, token: str, most: Callable[[], int]) -> AsyncIterator[DeliveryChange]:
        """Every change after ``token``, or from now on, as it happens; of one firing unless it is empty. Does not end.

        As many are read at once as ``most`` then says.

        Raises:
            InvalidInput: the token is not one of ours.
        """
        position = parse_token(token) or await self._reader.end_of_changes()
        async with self._hints.subscribe(topic(tenant), poll_seconds=_POLL_SECONDS) as hints:
            while True:
                rows = most()
                changes = await self._reader.changes(tenant=tenant, after=position, firing=firing, limit=rows)
                for change in changes:
                    yield change
                    position = change.position
                if len(changes) < rows:
                    await anext(hints)


def resume_token(position: Position) -> str:
    """The token that continues after ``position``."""
    return f"{position.transaction}-{position.number}"


def parse_token(token: str) -> Position | None:
    """The position in a token; None for an empty one.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if not token:
        return None
    found = _TOKEN.fullmatch(token)
    if found is None or int(found[2]) >= 2**31:
        raise InvalidInput.at("resumeToken", "is not a token that a change came with")
    return Position(int(found[1]), int(found[2]))


class Inbox:
    """The messages that were shown instead of sent."""

    def __init__(self, *, reader: InboxReader) -> None:
        self._reader = reader

    async def get(self, *, tenant: str, id: str) -> InboxMessage:  # noqa: A002 - the word of the contract
        """One message.

        Raises:
            MessageNotFound: the tenant has none of this id.
        """
        message = await self._reader.get(tenant=tenant, id=id)
        if message is None:
            raise MessageNotFound(f"There is no message inbox/messages/{id}")
        return message

    async def page(self, *, tenant: str, before: tuple[int, str] | None, limit: int) -> list[InboxMessage]:
        """Messages, the newest first; those older than ``before`` (received, id)."""
        return await self._reader.page(tenant=tenant, before=before, limit=limit)
