"""What is held back, and goes on later: deliveries until a time, and digests until they close."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain import Digest, DigestMembers, GateRuling, NewDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDelivery:
    """A delivery that was held until now for a ``reason``, under the claim ``epoch``; ``incident``: id of the one that it is about."""

    epoch: int
    delivery: NewDelivery
    incident: str = ""
    reason: str = ""


class HeldClaim(NamedTuple):
    """What was claimed, and how many deliveries were found that cannot be read and are DEAD now."""

    held: list[HeldDelivery]
    unreadable: int = 0


class HeldDeliveries(Protocol):
    """Deliveries that wait until a time. Times in microseconds since the epoch."""

    async def claim_due(self, *, limit: int, now: int, lease: int) -> HeldClaim:
        """Takes up to ``limit`` whose time has come, until ``now + lease``; one that cannot be read is ended as DEAD."""
        ...

    async def release(self, items: Sequence[tuple[HeldDelivery, GateRuling]], *, now: int) -> list[NewDelivery]:
        """Does what the gates say now, in one transaction; returns those whose claim still stood, as they are then."""
        ...


class ClosedDigest(NamedTuple):
    """What became of a digest: its delivery, None if its messages were suppressed; how many there were, and what they are now."""

    delivery: NewDelivery | None
    total: int
    ruling: GateRuling


class Digests(Protocol):
    """Digests that are open. Times in microseconds since the epoch."""

    async def due(self, *, limit: int, now: int) -> list[Digest]:
        """Up to ``limit`` whose time has come, the longest due first."""
        ...

    async def close(
        self, digest: Digest, ruling: GateRuling, *, make: Callable[[DigestMembers], NewDelivery], now: int
    ) -> ClosedDigest | None:
        """Closes a digest in one transaction: its messages become DIGESTED, and one delivery that ``make`` makes of them is stored.

        Where the ``ruling`` suppresses it, its messages become SUPPRESSED, and there is none. None: somebody else closed it.
        """
        ...

    async def put_off(self, digest: Digest, *, until: int) -> None:
        """Lets a digest that is open be due later; messages may join it until then."""
        ...
