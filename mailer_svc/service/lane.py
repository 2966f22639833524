"""Providers in the order in which they are preferred: while one does not work, the next one sends."""

from collections.abc import Awaitable, Callable, Sequence

from mailer_svc.domain import Job, Outcome, Result
from mailer_svc.ports import Provider

HandOver = Callable[[str], Awaitable[bool]]
"""Marks that the point of no return is reached at the provider of this name."""


class ProviderLane:
    """One way out over several providers."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        """Connects to nothing.

        Args:
            providers: at least one; the first that works is used.
        """
        self._providers = tuple(providers)
        self.capacity = max(provider.capacity for provider in self._providers)

    async def start(self) -> None:
        """Gets every provider ready."""
        for provider in self._providers:
            await provider.start()

    async def stop(self) -> None:
        """Lets go of every connection."""
        for provider in self._providers:
            await provider.stop()

    def pause(self) -> float:
        """Seconds in which no provider is worth an attempt; 0: one is."""
        return min(provider.pause() for provider in self._providers)

    async def send(self, job: Job, *, hand_over: HandOver) -> tuple[str, Outcome]:
        """Attempts one message, and returns who tried last and what came of it.

        A provider that turns out not to work says nothing about the message, which goes to the next one at once; not so once it was
        marked as handed over, for then another attempt needs a claim of its own.
        """
        marked = False

        async def mark(name: str) -> bool:
            nonlocal marked
            marked = True
            return await hand_over(name)

        name, outcome = self._providers[0].name, Outcome(Result.NOT_TRIED)
        for provider in self._working():
            name = provider.name
            outcome = await provider.send(job, hand_over=lambda name=name: mark(name))
            if marked or outcome.result not in (Result.PROVIDER_DOWN, Result.NOT_TRIED):
                break
        return name, outcome

    def _working(self) -> list[Provider]:
        """The providers to try; when all of them rest, each still says for itself why not."""
        return [provider for provider in self._providers if not provider.pause()] or list(self._providers)
