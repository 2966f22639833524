"""What is done with what far ends tell of messages after they took them."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from mailer_svc.domain import DeliveryState, StatusReport
from mailer_svc.domain.people import Suppression


class ReportedDelivery(NamedTuple):
    """A delivery that something was told of: what was told, whom it went to, and what it is now.

    ``moved`` tells whether the report changed its state. Of a report about an address alone ``delivery`` is empty, and ``state`` is None.
    """

    report: StatusReport
    delivery: str
    tenant: str
    channel: str
    address: str
    recipient_id: str
    category: str
    state: DeliveryState | None
    moved: bool


Suppressing = Callable[[ReportedDelivery], Suppression | None]
"""Which suppression follows from a report; None: no one."""


class StatusReportStore(Protocol):
    """Stores reports in the timelines of their deliveries."""

    async def record(
        self, reports: Sequence[StatusReport], *, now: int, suppressing: Suppressing, tenant: str = ""
    ) -> list[ReportedDelivery]:
        """Adds each report to the timeline of its delivery, and moves the delivery if the report outranks its state.

        In the same transaction it adds the suppressions that ``suppressing`` gives, retires addresses that bounced, and lifts suppressions
        of those that work.

        A report about an address is of every tenant that has a recipient or a suppression of it, or of ``tenant``.

        A report that was stored before, by the id that its provider gives it, and one of a delivery that is not there, is not in the
        answer. ``now`` is in microseconds. With ``tenant`` no other's delivery is there: who reports is its own provider.
        """
        ...


class StatusReports(Protocol):
    """Takes what far ends tell."""

    async def report(self, reports: Collection[StatusReport], *, tenant: str = "") -> int:
        """Does what follows from the reports; returns how many were of deliveries that are there, and new.

        With ``tenant`` no other's delivery is there.

        Raises:
            Unavailable: nothing of it is stored.
        """
        ...
