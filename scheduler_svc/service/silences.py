"""Silences of the caller's tenant."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from scheduler_svc.domain import new_id
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.silences import Silence, SilenceState, SilenceTimes
from scheduler_svc.ports.incidents import SilenceStore
from scheduler_svc.service.cooperative import CooperativeYield
from scheduler_svc.service.incidents import Answerer
from tocsin.clock import DAY, Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import END_OF_TIME, Interval, Micros, TimeWindow, TooCostly, within, zone
from tocsin.recurrence.steps import MOST_NEW_STEPS, asked

_LONGEST: Final[Micros] = 366 * DAY
_USUAL_WINDOWS: Final = 10
_MOST_STEPS: Final = 200_000


class SilenceDraft(NamedTuple):
    """What somebody says about a silence.

    Attributes:
        start: None: now.
        end: None: never, which only one with windows may say.
        window: the windows in which it holds; None: all the time.
        zone: of the windows unless they name one.
    """

    matchers: Sequence[SilenceMatcher] = ()
    start: Micros | None = None
    end: Micros | None = None
    comment: str = ""
    window: TimeWindow | None = None
    zone: str = ""


class SilenceView(NamedTuple):
    """A silence, and how it stands.

    Attributes:
        until: when it ends to hold for now; None: it does not hold.
        following: when it begins to hold next; None: never again, or it holds.
    """

    silence: Silence
    state: SilenceState
    until: Micros | None
    following: Micros | None


class Silences:
    """Makes, reads and ends them."""

    def __init__(self, *, store: SilenceStore, woken: Callable[[], None], clock: Clock) -> None:
        """Takes what it stands on; ``woken`` tells the loop that takes steps that some may be due."""
        self._store = store
        self._woken = woken
        self._clock = clock

    async def create(self, who: Answerer, draft: SilenceDraft) -> SilenceView:
        """Makes a silence, which begins now unless it says when.

        Raises:
            InvalidInput: it ends before it begins, or before now, or lasts longer than a year; or its windows are none.
            TooManySilences: the tenant has too many that are not over.
        """
        silence = self._silence(who, draft)
        await self._store.create(silence, now=silence.created)
        return self._view(silence)

    async def get(self, tenant: str, silence: str) -> SilenceView:
        """The silence.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        return self._view(await self._store.get(tenant, silence))

    async def page(self, tenant: str, *, before: str, size: int) -> Sequence[SilenceView]:
        """Silences, the newest first, behind an id."""
        return [self._view(silence) for silence in await self._store.page(tenant, before=before, size=size)]

    async def expire(self, tenant: str, silence: str) -> SilenceView:
        """Ends it now, and lets the steps go on that it held back.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        ended = await self._store.expire(tenant, silence, now=self._clock.micros())
        self._woken()
        return self._view(ended)

    async def preview(self, who: Answerer, *, silence: str, draft: SilenceDraft | None, count: int) -> Sequence[Interval]:
        """The next windows of a silence that there is, or that could be made.

        Raises:
            InvalidInput: not exactly one of the two is given, or the windows cannot be used.
            SilenceNotFound: the tenant has none of that id.
        """
        if bool(silence) == (draft is not None):
            raise InvalidInput.at("silence", "give either name or silence")
        shown = self._silence(who, draft) if draft is not None else await self._store.get(who.tenant, silence)
        checkpoint = CooperativeYield(self._clock, most=_MOST_STEPS)
        found: list[Interval] = []
        for window in islice(SilenceTimes(shown).windows(self._clock.micros()), count or _USUAL_WINDOWS):
            found.append(window)
            await checkpoint()
        return found

    def _silence(self, who: Answerer, draft: SilenceDraft) -> Silence:
        now = self._clock.micros()
        begin = now if draft.start is None else draft.start
        if draft.end is None and draft.window is None:
            raise InvalidInput.at("silence.endTime", "is needed unless there is a recurrence")
        end = END_OF_TIME if draft.end is None else draft.end
        if end <= max(begin, now):
            raise InvalidInput.at("silence.endTime", "must be later than now and than startTime")
        if end - begin > _LONGEST and draft.window is None:
            raise InvalidInput.at("silence.endTime", "must be within 366 days of the start")
        silence = Silence(
            id=new_id(now),
            tenant=who.tenant,
            matchers=tuple(draft.matchers),
            start=begin,
            end=end,
            comment=draft.comment,
            author=who.actor,
            created=now,
            window=draft.window,
            zone=draft.zone,
        )
        if draft.window is not None:
            _check_windows(silence, draft.window, now)
        return silence

    def _view(self, silence: Silence) -> SilenceView:
        """How it stands; one whose windows nobody can use does not hold."""
        now = self._clock.micros()
        try:
            times = SilenceTimes(silence)
            until = times.until(now)
            return SilenceView(silence, times.state(now), until, times.next_start(now) if until is None else None)
        except InvalidInput:
            return SilenceView(silence, SilenceState.EXPIRED if now >= silence.end else SilenceState.PENDING, None, None)


def _check_windows(silence: Silence, window: TimeWindow, now: Micros) -> None:
    """Refuses windows that cannot be used, that never come, or that take too many steps to find."""
    field = "silence.recurrence"
    try:
        if window.time_zone or silence.zone:
            zone(window.time_zone or silence.zone)
        times = SilenceTimes(silence)
        begin = asked(lambda: times.next_start(max(now, silence.start)), most=MOST_NEW_STEPS)
        if begin is not None:
            asked(lambda: times.until(begin), most=MOST_NEW_STEPS)
    except TooCostly:
        raise InvalidInput.at(field, "takes too many steps to find where a window begins or ends; are there gaps between them?") from None
    except InvalidInput as error:
        raise within(error, field) from None
    if begin is None:
        raise InvalidInput.at(field, "has no window before the silence ends")
