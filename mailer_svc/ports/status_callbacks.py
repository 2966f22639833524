"""What status callbacks need: where they wait, and who posts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCallback:
    """A change of a delivery that the caller of its notification is to be told of.

    Attributes:
        id: the same at every attempt, and of no other.
        tenant: whose secret signs it.
        url: where it goes.
        body: JSON.
        attempts: so far.
    """

    id: str
    tenant: str
    url: str
    body: str
    attempts: int


class CallbackResult(Enum):
    """What became of an attempt: the caller has it, it is to be tried again, or the caller wants no more."""

    TAKEN = "taken"
    AGAIN = "again"
    UNWANTED = "unwanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAttempt:
    """An attempt and what became of it; ``retry_after`` in seconds, as the far end asks."""

    callback: StatusCallback
    result: CallbackResult
    detail: str = ""
    retry_after: float | None = None


class ClaimBounds(NamedTuple):
    """How many callbacks are claimed.

    Attributes:
        limit: at most.
        each: of one URL, those under way included.
        share: of one tenant, those under way included.
    """

    limit: int
    each: int
    share: int


class StatusCallbackStore(Protocol):
    """Keeps callbacks until they are told. Times in microseconds since the epoch."""

    async def gather(self, *, now: int, limit: int) -> int:
        """Take up changes since the last call, up to ``limit``, and make callbacks of those that somebody wants.

        Returns how many changes were read.
        """
        ...

    async def claim(
        self, *, now: int, until: int, bounds: ClaimBounds, under_way: Sequence[StatusCallback] = ()
    ) -> Sequence[StatusCallback]:
        """Take those that are due, each tenant's in turn, as many as the bounds leave beside those under way; due again at ``until``."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget callbacks: they are told, or given up."""
        ...

    async def put_off(self, callback: StatusCallback, *, due: int) -> None:
        """Let one be tried again, and nothing else go to its URL before that."""
        ...

    async def silence(self, *, tenant: str, url: str) -> None:
        """Tell this URL of the tenant nothing more: forget what waits, and what its notifications ask for."""
        ...


class StatusCallbackClient(Protocol):
    """Posts callbacks."""

    async def post(self, callback: StatusCallback) -> CallbackAttempt:
        """One attempt; never raises for what the far end does."""
        ...
