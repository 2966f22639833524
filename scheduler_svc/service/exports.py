"""Every alarm of a tenant, in the order in which they were made."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from scheduler_svc.domain import Alarm
from scheduler_svc.ports import ImportStore
from scheduler_svc.service.alarms import Caller
from tocsin.listing import Condition

_PAGE: Final = 500


class Exports:
    """Reads alarms page by page, so that memory does not grow with their number."""

    def __init__(self, *, store: ImportStore) -> None:
        self._store = store

    async def pages(self, caller: Caller, *, conditions: Sequence[Condition]) -> AsyncGenerator[list[Alarm]]:
        """The alarms that meet all conditions, the oldest first.

        Each page is as of when it is read: an alarm that stays is there once; one that is made or removed meanwhile may be there or not.
        """
        after = ""
        while page := await self._store.page_up(caller.tenant, conditions=conditions, after=after, size=_PAGE):
            yield page
            if len(page) < _PAGE:
                return
            after = page[-1].id
