"""What the tests of the dispatcher ask of its ledger."""

from collections import Counter
from collections.abc import Awaitable, Callable

from scheduler_svc.domain import End, Failed, Firing, FiringState, QueuedFiring
from tests.integration.scheduler.replica import Replica
from tests.integration.scheduler.stores import Stores

Start = Callable[..., Awaitable[Replica]]
Add = Callable[..., Awaitable[list[Firing]]]
FAILED = Failed(reason="BROKEN", message="it broke")
SILENT: Callable[[QueuedFiring], End | None] = lambda _: None  # noqa: E731  a name for what a processor does


async def states_of(stores: Stores) -> Counter[FiringState]:
    """How many firings are in each state."""
    return Counter(row.state for row in await stores.all_firings())


async def all_are(stores: Stores, state: FiringState) -> bool:
    """Whether there are firings, all of them in ``state``."""
    return set(await states_of(stores)) == {state}


async def all_attempted(stores: Stores, attempts: int) -> bool:
    """Whether there are firings, each with so many attempts."""
    return {row.attempts for row in await stores.all_firings()} == {attempts}
