"""Every alarm of a tenant, in the order in which they were made."""

from collections.abc import AsyncGenerator, Callable, Sequence

from scheduler_svc.domain import Alarm
from scheduler_svc.ports import ImportStore
from scheduler_svc.service.alarms import Caller
from tocsin.listing import Condition


class Exports:
    """Reads alarms page by page, so that memory grows neither with their number nor with their size."""

    def __init__(self, *, store: ImportStore) -> None:
        self._store = store

    async def pages(self, caller: Caller, *, conditions: Sequence[Condition], most: Callable[[], int]) -> AsyncGenerator[list[Alarm]]:
        """The alarms that meet all conditions, the oldest first, in pages of as many as ``most`` then says.

        Each page is as of when it is read: an alarm that stays is there once; one that is made or removed meanwhile may be there or not.
        """
        after = ""
        page: list[Alarm] | None = None
        while page is None or page:
            rows = most()
            page = await self._store.page_up(caller.tenant, conditions=conditions, after=after, size=rows)
            if page:
                after = page[-1].id
                yield page
            if len(page) < rows:
                return
