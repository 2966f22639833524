"""Tells who is on call whenever that changes: because somebody changes a rotation, or because time passes."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

from mailer_svc.ports import ChangeHints, RotationStore
from mailer_svc.ports.rotations import RotationChange
from mailer_svc.service.on_call import OnCall, OnCallAnswer
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_TOKEN: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([A-Za-z0-9~][A-Za-z0-9_.@+=~-]{0,63})")
_BEHIND_ALL: Final = "~"
"""Comes after the id of every rotation."""
_POLL_SECONDS: Final = 1.0
_PAGE: Final = 500


def topic(tenant: str) -> str:
    """Where changes of a tenant's rotations are published."""
    return f"rotations/{tenant}"


class _OnCallPosition(NamedTuple):
    """How far a watch has told: changes up to a number, and hand-overs up to that of a rotation at an instant."""

    change: int
    instant: int
    rotation: str

    def token(self) -> str:
        return "-".join(map(str, self))

    def behind(self, answer: OnCallAnswer) -> "_OnCallPosition":
        """The same changes, with the interval of the answer, if that is later than what was told."""
        start = answer.interval.start if answer.interval is not None else 0
        _, instant, rotation = max(self, self._replace(instant=start, rotation=answer.rotation))
        return self._replace(instant=instant, rotation=rotation)


class OnCallChange(NamedTuple):
    """Who is on call from now on, and the token to go on behind it."""

    answer: OnCallAnswer
    token: str


class OnCallWatch:
    """The changes of a tenant's rotations, edits and hand-overs alike."""

    def __init__(self, *, on_call: OnCall, store: RotationStore, hints: ChangeHints, clock: Clock) -> None:
        self._on_call = on_call
        self._store = store
        self._hints = hints
        self._clock = clock

    async def watch(self, *, tenant: str, token: str, most: Callable[[], int]) -> AsyncIterator[OnCallChange]:
        """Who is on call in a rotation, whenever it or that changes after ``token``, or from now on. Does not end.

        A rotation that changed several times meanwhile is told of once. As many are read at once as ``most`` then says.

        Raises:
            InvalidInput: the token is not one of ours.
        """
        place = _parsed(token) or _OnCallPosition(await self._store.end_of_changes(), self._clock.micros(), _BEHIND_ALL)
        ends: dict[str, int] | None = None
        async with self._hints.subscribe(topic(tenant), poll_seconds=_POLL_SECONDS) as hints:
            while True:
                now, rows = self._clock.micros(), most()
                changes = await self._store.changes(tenant=tenant, after=place.change, limit=rows)
                edited = {change.rotation for change in changes}
                passed = [each for each in await self._passed(tenant, ends, now) if each.rotation not in edited]
                ends = _noted(ends or {}, passed)
                for answer in sorted(passed, key=_begin):
                    if (later := place.behind(answer)) != place:
                        place = later
                        yield OnCallChange(answer, place.token())
                for change, answer in await self._edited(tenant, changes, now):
                    ends = _noted(ends, [answer])
                    place = place.behind(answer)._replace(change=change.change)
                    yield OnCallChange(answer, place.token())
                if len(changes) < rows:
                    await anext(hints)

    async def _passed(self, tenant: str, ends: dict[str, int] | None, now: int) -> list[OnCallAnswer]:
        """Who is on call where an interval is over by now; None: everywhere."""
        if ends is not None:
            return await self._on_call.each(tenant=tenant, rotations=[one for one, end in ends.items() if end <= now], at=now)
        found: list[OnCallAnswer] = []
        after: str | None = ""
        while after is not None:
            answers, after = await self._on_call.page(tenant=tenant, at=now, recipient="", after=after, limit=_PAGE)
            found += answers
        return found

    async def _edited(self, tenant: str, changes: Sequence[RotationChange], now: int) -> list[tuple[RotationChange, OnCallAnswer]]:
        answers = await self._on_call.each(tenant=tenant, rotations=[change.rotation for change in changes], at=now)
        return list(zip(changes, answers, strict=True))


def _begin(answer: OnCallAnswer) -> tuple[int, str]:
    return answer.interval.start if answer.interval is not None else 0, answer.rotation


def _noted(ends: dict[str, int], answers: Sequence[OnCallAnswer]) -> dict[str, int]:
    """When the interval of each rotation ends, with what the answers say of it."""
    gone = {each.rotation for each in answers if each.interval is None}
    known = {each.rotation: each.interval.end for each in answers if each.interval is not None}
    return {one: end for one, end in (ends | known).items() if one not in gone}


def _parsed(token: str) -> _OnCallPosition | None:
    """The place in a token; None for an empty one.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if not token:
        return None
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidInput.at("resumeToken", "is not a token that a change came with")
    return _OnCallPosition(int(found[1]), int(found[2]), found[3])
