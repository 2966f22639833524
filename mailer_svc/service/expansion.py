"""What is made of a notification in one go: messages to its next addresses and recipients, and how far it has come then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec import structs

from mailer_svc.domain import (
    Advance,
    Channels,
    ExpansionCursor,
    NewDelivery,
    Notification,
    NotificationState,
    Submission,
    printable,
)
from mailer_svc.domain.people import Category
from mailer_svc.domain.personal_rules import PlannedMessage
from mailer_svc.ports import AWAY, PeopleFacts, TenantKey
from mailer_svc.service.composing import Addressed
from mailer_svc.service.gates import GateAnswer
from mailer_svc.service.on_call import OnCall
from mailer_svc.service.reaching import Reaching
from tocsin.clock import Clock
from tocsin.errors import Internal, TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_PEOPLE: Final = 500  # addresses and recipients in all parts that are made together


@dataclass(slots=True, eq=False)
class ExpandedTarget:
    """One address, or one recipient: all messages to it, and how far the notification has come behind it."""

    cursor: ExpansionCursor
    messages: list[Submission]


@dataclass(slots=True, eq=False)
class ExpansionPart:
    """Some targets of a notification. ``asked`` are the messages of which is known where they go, with what the gates say."""

    notification: Notification
    targets: list[ExpandedTarget]
    step: Advance
    deliveries: list[NewDelivery] = field(default_factory=list)
    asked: list[tuple[Addressed, GateAnswer]] = field(default_factory=list)

    @property
    def messages(self) -> Iterator[Submission]:
        """The messages to all targets."""
        return (message for target in self.targets for message in target.messages)

    @property
    def rest(self) -> Notification | None:
        """What is left of the notification behind this part; None: nothing is."""
        unfinished = self.step.state is NotificationState.EXPANDING
        return replace(self.notification, cursor=self.step.cursor) if unfinished else None

    def cut(self, count: int, *, due: int) -> None:
        """Leaves the targets after the first ``count`` to a later part, which may be made from ``due`` on."""
        if count < len(self.targets):
            self.targets = self.targets[:count]
            cursor = self.targets[-1].cursor if self.targets else self.notification.cursor
            self.step = replace(self.step, state=NotificationState.EXPANDING, cursor=cursor, due=due)


class Expansion:
    """Finds the next targets of notifications."""

    def __init__(self, *, people: PeopleFacts, on_call: OnCall, channels: Channels, clock: Clock) -> None:
        self._people = people
        self._on_call = on_call
        self._channels = channels
        self._reaching = Reaching(people=people, channels=channels)
        self._clock = clock

    async def parts(self, claimed: Sequence[Notification], *, until: int) -> tuple[list[ExpansionPart], list[Notification]]:
        """A part of each notification as long as there is room, and those for which there is none.

        One that cannot be expanded gets a part without messages, with which it ends as FAILED.

        Args:
            claimed: notifications.
            until: when the claim of what is not finished with its part ends, in microseconds.

        Raises:
            Unavailable: the database is away.
        """
        categories = {TenantKey(item.tenant, item.category) for item in claimed if item.category}
        known = await self._people.categories(categories)
        parts: list[ExpansionPart] = []
        room = _PEOPLE
        for place, notification in enumerate(claimed):
            if room <= 0:
                return parts, list(claimed[place:])
            try:
                parts.append(await self._part(notification, room, known, until))
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - it costs only itself
                _log.error("notification cannot be expanded", notification=notification.id, exc_info=error)
                parts.append(ExpansionPart(notification, [], _step(notification, notification.cursor, until).failed(_why(error))))
            room -= len(parts[-1].targets)
        return parts, []

    async def _part(self, item: Notification, room: int, known: Mapping[TenantKey, Category], until: int) -> ExpansionPart:
        category = known.get(TenantKey(item.tenant, item.category))
        channels = item.channels or (category.channels if category else ()) or ("",)
        done = item.cursor.addresses
        targets = [
            ExpandedTarget(
                ExpansionCursor(place, item.cursor.after, item.cursor.at), [_submission(item, channel, address) for channel in channels]
            )
            for place, address in enumerate(item.to[done : done + room], done + 1)
        ]
        room -= len(targets)
        finished = done + len(targets) == len(item.to) and not item.recipients
        if item.recipients and room:
            found, finished = await self._recipients(item, channels, room)
            targets += found
        cursor = targets[-1].cursor if targets else item.cursor
        return ExpansionPart(item, targets, _step(item, cursor, None if finished else until))

    async def _recipients(self, item: Notification, channels: Sequence[str], room: int) -> tuple[list[ExpandedTarget], bool]:
        """The next recipients, and whether they are the last ones; behind those stand the rotations in which nobody is on call."""
        after = item.cursor.after
        duty = await self._on_call.behind(tenant=item.tenant, targets=item.recipients, at=item.cursor.at)
        targets = [*item.recipients, *(f"recipients/{one}" for one in duty.people)]
        people = await self._people.expand(item.tenant, targets, after=after, limit=room)
        found = await self._to_people(item, people, channels, duty.at)
        if len(people) == room:
            return found, False
        end = ExpansionCursor(len(item.to), people[-1] if people else after, duty.at)
        channel = self._channels.find(channels[0]).name
        for rotation, why in duty.nobody:
            found.append(ExpandedTarget(end, [_submission(item, channel, f"rotations/{rotation}", nobody=why)]))
        return found, True

    async def _to_people(self, item: Notification, people: Sequence[str], channels: Sequence[str], at: int) -> list[ExpandedTarget]:
        """All messages to each recipient, see `Reaching`; what a personal rule puts off waits from now on."""
        plans, now = await self._reaching.plans(item, people, channels), self._clock.micros()
        return [
            ExpandedTarget(ExpansionCursor(len(item.to), person, at), [_planned(item, person, message, now) for message in plan])
            for person, plan in zip(people, plans, strict=True)
        ]


def _step(item: Notification, cursor: ExpansionCursor, due: int | None) -> Advance:
    state = NotificationState.COMPLETED if due is None else NotificationState.EXPANDING
    return Advance(tenant=item.tenant, id=item.id, epoch=item.epoch, state=state, cursor=cursor, due=due)


def _why(error: Exception) -> str:
    said = error.message if isinstance(error, TocsinError) else Internal().message
    return printable(f"its deliveries cannot be made: {said}")


def _planned(item: Notification, recipient: str, message: PlannedMessage, now: int) -> Submission:
    made = _submission(item, message.channel, message.address, recipient=recipient)
    if not message.rule:
        return made
    return structs.replace(made, rule=message.said, hold_until=now + message.after if message.after else None)


def _submission(item: Notification, channel: str, to: str, *, recipient: str = "", nobody: str = "") -> Submission:
    return Submission(
        key=0,
        tenant=item.tenant,
        firing=item.firing,
        alarm=item.alarm,
        to=to,
        channel=channel,
        priority=item.priority,
        content=item.content,
        resend=item.resend,
        traceparent=item.traceparent,
        category=item.category,
        recipient_id=recipient,
        notification=item.id,
        incident=item.incident,
        nobody=nobody,
        alert=item.alert,
    )
