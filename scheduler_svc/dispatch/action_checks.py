"""Asks connected processors about actions, over the streams that they hold: nobody opens a connection for it, and nothing is run."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from scheduler_svc.dispatch.session import ProcessorSession
from scheduler_svc.domain import Finding
from scheduler_svc.ports import Findings

_TIMEOUT_SECONDS: Final = 1.0
_MOST_ASKED: Final = 3
_MOST_BYTES: Final = 512 * 1024
_UNCHECKED: Final = (
    Finding("", "was not checked, because no connected processor that supports this kind of action answered", tentative=True),
)


class ProcessorChecks:
    """Checks actions of one kind; see `scheduler_svc.service.checks.KindChecks`."""

    def __init__(self, *, kind: str, sessions: Callable[[], Sequence[ProcessorSession]]) -> None:
        """Takes the streams.

        Args:
            kind: the kind of action.
            sessions: the connected processors.
        """
        self._kind = kind
        self._sessions = sessions

    async def check(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings]:
        """What is wrong with each; what one processor does not have, such as a handler, another one may."""
        found: dict[bytes, Findings] = {}
        asked = 0
        for session in self._sessions():
            open_ones = [body for body in bodies if body not in found or any(finding.tentative for finding in found[body])]
            if not open_ones or asked == _MOST_ASKED:
                break
            if session.answers(self._kind):
                asked += 1
                for batch in _batches(open_ones):
                    answer = await _ask(session, tenant, batch)
                    found.update(zip(batch, answer or (), strict=False))
        return [found.get(body, _UNCHECKED) for body in bodies]


async def _ask(session: ProcessorSession, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings] | None:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            answer = await session.ask(tenant, bodies)
    except TimeoutError:
        return None
    return answer if answer is not None and len(answer) == len(bodies) else None


def _batches(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    size = 0
    for body in bodies:
        if batch and size + len(body) > _MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield batch
