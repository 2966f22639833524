"""Transactions that lost a conflict with another one are made again: nothing of them happened, and nobody outside can know better."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tocsin.errors import Aborted

Result = TypeVar("Result")

_ATTEMPTS: Final = 5


async def retry_on_conflict(transact: Callable[[], Awaitable[Result]]) -> Result:
    """What one transaction gives, after so many attempts as it takes, five at most.

    Args:
        transact: begins it anew with each call.

    Raises:
        Aborted: it lost every time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await transact()
        except Aborted:
            continue
    return await transact()
