"""What a far end tells of a message after it took it."""

from dataclasses import dataclass
from enum import Enum


class ReportKind(Enum):
    """What happened.

    ``NOTED``: nothing that moves the delivery, such as a delay. ``DELIVERED``: it arrived. ``BOUNCED``: it came back. ``COMPLAINED``: its
    recipient called it spam. ``UNSUBSCRIBED``: its recipient leaves what it belongs to. ``OPTED_OUT``: its recipient wants nothing more of
    us. ``OPTED_IN``: wants it again. ``DROPPED``: the far end does not send it on.
    """

    NOTED = "noted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One thing that a far end told.

    Attributes:
        kind: what happened.
        delivery: the id of the delivery; empty if the far end knows it only by ``reference``.
        reference: the far end's name for the message, see `SendOutcome.reference`.
        provider: who tells.
        detail: in the far end's words.
        code: of the far end; 0: none.
        soft: it says nothing of the address: it may be otherwise next time, such as for a mailbox that is full.
        event: the far end's id of this report, by which one that comes again is known; empty: it has none.
        channel: of ``address``.
        address: what it is about if it is about no message: somebody told the far end to stop, or to go on. Otherwise empty.
    """

    kind: ReportKind
    delivery: str = ""
    reference: str = ""
    provider: str = ""
    detail: str = ""
    code: int = 0
    soft: bool = False
    event: str = ""
    channel: str = ""
    address: str = ""
