"""Work that comes from a store, many items at once: none waits for the slowest of those that were claimed with it.

A batch that is awaited as a whole takes as long as its slowest item, so that one far end that hangs holds up everybody. Here every item has
a place of its own; a place that becomes free takes the next item that is due, and a tenant has a share of the places and no more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from tocsin.background import Background, Wake, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError

_LOOK_SECONDS: Final = 1.0
"""How often it is looked for what has come due while all that is under way hangs."""
_FEW: Final = 4
"""With every place taken, so many-th of them become free before more is claimed: a claim looks at all that is due."""


class TenantItem(Protocol):
    """What is worked off."""

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...


Item = TypeVar("Item", bound=TenantItem)


class WorkPool(Generic[Item]):
    """Works items off, in so many places."""

    def __init__(
        self,
        *,
        name: str,
        places: int,
        work: Callable[[Item], Awaitable[None]],
        lane: Callable[[Item], Hashable],
        background: Background,
        clock: Clock,
    ) -> None:
        """Begins nothing yet.

        Args:
            name: of the items, in logs.
            places: items at once.
            work: works one off. What it raises, unless it is a `TocsinError`, is logged and costs that item alone.
            lane: what is claimed together with an item, and waits for its like, as callbacks to one URL do.
            background: of the component whose pool it is; ends what is under way.
            clock: source of time.
        """
        self._name = name
        self._places = places
        self._work = work
        self._lane = lane
        self._background = background
        self._clock = clock
        self._freed = Wake(clock)
        self._under_way: dict[asyncio.Task[None], Item] = {}
        self._crowded = False
        self._ended = 0
        self._away: TocsinError | None = None

    @property
    def under_way(self) -> Sequence[Item]:
        """The items that have a place."""
        return list(self._under_way.values())

    async def drain(self, claim: Callable[[int], Awaitable[Sequence[Item]]]) -> None:
        """Works off what is due, until nothing is and nothing is under way.

        Args:
            claim: takes up to so many items that are due. Tenants that have their share already, by `under_way`, are its to leave out.

        Raises:
            TocsinError: something that the work needs is away; what is under way goes on, and the next call looks after it.
        """
        while True:
            if self._away is not None:
                away, self._away = self._away, None
                raise away
            free, ended = self._places - len(self._under_way), self._ended
            batch = await claim(free) if free else ()
            self._crowded = len(batch) == free
            for item in batch:
                self._begin(item)
            if not self._under_way:
                if self._ended == ended:
                    return
                continue  # what ended while it was claimed may have been what kept others out
            await self._freed.wait(_LOOK_SECONDS)
            report_progress()

    def _begin(self, item: Item) -> None:
        task = self._background.once(self._name, partial(self._one, item))
        self._under_way[task] = item
        task.add_done_callback(self._let_go)

    async def _one(self, item: Item) -> None:
        await self._work(item)

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        item = self._under_way.pop(task)
        self._ended += 1
        error = None if task.cancelled() else task.exception()
        if isinstance(error, TocsinError):
            self._away = error
        if self._away is not None or not self._under_way or self._more_now(item):
            self._freed.set()

    def _more_now(self, ended: Item) -> bool:
        """Whether to claim at once: enough places are free, or nothing of the lane of this one is under way any more."""
        if self._crowded:
            return self._places - len(self._under_way) >= max(1, self._places // _FEW)
        lane = self._lane(ended)
        return all(self._lane(item) != lane for item in self._under_way.values())
