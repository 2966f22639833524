"""Tells the owners of rotations, a week before, that nobody will be on call, or nobody who can be reached: once for each gap."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from mailer_svc.domain import Content, Notification, notification_id
from mailer_svc.domain.rotation_schedules import DutyInterval, DutyLabel, duty_intervals
from mailer_svc.domain.rotations import RotationPlan
from mailer_svc.ports import AWAY, GapClaim, Journal, PeopleFacts, RotationHistories, TenantKey
from mailer_svc.service.on_call import MOST_CHANGES
from tocsin import zones
from tocsin.background import Background, report_progress
from tocsin.clock import DAY, MINUTE, Clock
from tocsin.stored import instant
from tocsin.telemetry import get_logger

AHEAD: Final = 7 * DAY
"""Microseconds before a gap at which its owner is told."""

_log = get_logger(__name__)
_POLL_SECONDS: Final = 30.0
_AGAIN: Final = 15 * MINUTE
_BATCH: Final = 50


class GapWatch:
    """Looks for gaps; a component. A gap's notification has the gap's id, so that neither a kill nor another replica doubles it."""

    def __init__(
        self, *, histories: RotationHistories, people: PeopleFacts, journal: Journal, clock: Clock, expand: Callable[[], None]
    ) -> None:
        """Takes what it stands on; ``people`` knows who has addresses, ``expand`` wakes whoever makes the deliveries."""
        self._histories = histories
        self._people = people
        self._journal = journal
        self._clock = clock
        self._expand = expand
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._rounds.running:
            self._rounds.periodic("gaps on call", _POLL_SECONDS, self.tell_due, vital=False)

    async def stop(self) -> None:
        """Stops; what was not looked at is looked at after the next start, or by another replica."""
        await self._rounds.stop()

    async def tell_due(self) -> None:
        """Looks at all rotations whose time has come; one that cannot be looked at costs only itself."""
        now = self._clock.micros()
        while claims := await self._histories.claim_gaps(now=now, again=now + _AGAIN, limit=_BATCH):
            for claim in claims:
                try:
                    await self._tell(claim, now)
                except AWAY:
                    raise
                except Exception as error:  # noqa: BLE001 - it costs only itself
                    _log.error("gaps cannot be looked for", rotation=claim.rotation, exc_info=error)
                report_progress()

    async def _tell(self, claim: GapClaim, now: int) -> None:
        start, end = now - DAY, now + 2 * AHEAD
        history = await self._histories.between(tenant=claim.tenant, id=claim.rotation, start=start, end=end, most=MOST_CHANGES)
        plan = history.revisions[-1].plan if history and history.revisions else None
        if history is None or plan is None or not plan.owner:
            return
        found = await asyncio.to_thread(duty_intervals, history, start, end)
        # One that began before ``start`` was told when it began; one that is over is history.
        gaps = [each for each in found if DutyLabel.GAP in each.labels and start < each.start <= now + AHEAD and each.end > now]
        told = [_notification(claim, plan, gap, now) for gap in gaps] + await self._unreachable(claim, plan, found, now)
        if told and await self._journal.announce(told):
            self._expand()

    async def _unreachable(self, claim: GapClaim, plan: RotationPlan, found: Sequence[DutyInterval], now: int) -> list[Notification]:
        """Of times within a week in which nobody who is on call has an address that gets messages: once a week for the same people."""
        ahead = [each for each in found if each.recipients and each.end > now and each.start <= now + AHEAD]
        active = await self._people.active_addresses({TenantKey(claim.tenant, one) for each in ahead for one in each.recipients})
        first: dict[tuple[str, ...], DutyInterval] = {}
        for each in ahead:
            if not any(active.get(TenantKey(claim.tenant, one)) for one in each.recipients):
                first.setdefault(tuple(sorted(each.recipients)), each)
        names = sorted({f"recipients/{one}" for people in first for one in people})
        gone = set(await self._people.missing(claim.tenant, names)) if names else set[str]()
        return [_silent(claim, plan, interval, gone, now) for interval in first.values()]


def _silent(claim: GapClaim, plan: RotationPlan, interval: DutyInterval, gone: Collection[str], now: int) -> Notification:
    names = sorted(f"recipients/{one}" for one in interval.recipients)
    why = "; ".join(f"{name} {'does not exist any more' if name in gone else 'has no address that gets messages'}" for name in names)
    begin, end = (_said(micros, plan.time_zone) for micros in (max(interval.start, now), interval.end))
    text = f"Nobody who is on call in rotations/{claim.rotation} from {begin} to {end} ({plan.time_zone}) can be reached: {why}."
    return _to_owner(
        claim,
        plan,
        id=notification_id(tenant=claim.tenant, kind="unreachable", key=f"{claim.rotation}/{','.join(names)}/{now // AHEAD}"),
        content=Content(f"Nobody on call can be reached: {_called(claim, plan)}, {begin}", text),
        now=now,
    )


def _notification(claim: GapClaim, plan: RotationPlan, gap: DutyInterval, now: int) -> Notification:
    begin, end = (_said(micros, plan.time_zone) for micros in (gap.start, gap.end))
    text = f"Nobody is on call in rotations/{claim.rotation} from {begin} to {end} ({plan.time_zone}), as it stands now."
    return _to_owner(
        claim,
        plan,
        id=notification_id(tenant=claim.tenant, kind="gap", key=f"{claim.rotation}/{gap.start}"),
        content=Content(f"Nobody on call: {_called(claim, plan)}, {begin}", text),
        now=now,
    )


def _called(claim: GapClaim, plan: RotationPlan) -> str:
    return plan.display_name or f"rotations/{claim.rotation}"


def _to_owner(claim: GapClaim, plan: RotationPlan, *, id: str, content: Content, now: int) -> Notification:  # noqa: A002 - the field's name
    return Notification(id=id, tenant=claim.tenant, recipients=(plan.owner,), content=content, send_time=now, created=now, updated=now)


def _said(micros: int, zone: str) -> str:
    found: datetime = instant(micros)
    try:
        return found.astimezone(zones.zone(zone)).strftime("%a %Y-%m-%d %H:%M")
    except zones.NoSuchZone:
        return found.strftime("%a %Y-%m-%d %H:%M UTC")
