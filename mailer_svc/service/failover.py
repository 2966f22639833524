"""Providers in the order in which they are preferred: while one does not work, the next one sends."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from mailer_svc.domain import SendJob, SendOutcome, SendResult
from mailer_svc.ports import Provider, ProviderLanes
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_NOT_THE_MESSAGE = (SendResult.PROVIDER_DOWN, SendResult.MISCONFIGURED, SendResult.LOST, SendResult.NOT_TRIED)
_SKIPPED_CHARS = 120

HandOver = Callable[[str], Awaitable[bool]]
"""Marks that the point of no return is reached at the provider of this name."""


class ProviderFailover:
    """One way out over several providers."""

    def __init__(self, lanes: ProviderLanes) -> None:
        """Connects to nothing.

        Args:
            lanes: who sends for whom; the first that works and takes the address is used.
        """
        self._lanes = lanes
        self.capacity = lanes.capacity
        self.start = lanes.start
        self.stop = lanes.stop

    def pause(self) -> float:
        """Seconds in which no provider is worth an attempt; 0: one is."""
        return min((provider.pause() for provider in self._lanes.everybody()), default=0.0)

    async def send(self, job: SendJob, *, hand_over: HandOver) -> tuple[str, SendOutcome]:
        """Attempts one message, and returns who tried last and what came of it.

        A provider that turns out not to work says nothing about the message, which goes to the next one at once; not so once it was
        marked as handed over, for then another attempt needs a claim of its own. Nothing that a provider does raises: what nobody has
        thought of is an outcome as well.
        """
        marked = False

        async def mark(name: str) -> bool:
            nonlocal marked
            marked = True
            return await hand_over(name)

        lane = self._lanes.of(job.tenant, job.to)
        if not lane:
            return "", SendOutcome(SendResult.REFUSED, 0, "no provider of this installation delivers to such an address")
        name, outcome, waits = lane[0].name, SendOutcome(SendResult.NOT_TRIED), list[float]()
        trying, failed = _working(lane, job), dict[str, str]()
        for provider in trying:
            name = provider.name
            try:
                outcome = await provider.send(job, hand_over=lambda name=name: mark(name))
            except Exception as error:  # noqa: BLE001 - it must cost this message an attempt, and nobody else anything
                _log.error("attempt failed", delivery=job.id, provider=name, exc_info=error)
                outcome = SendOutcome(
                    SendResult.UNKNOWN if marked else SendResult.DEFERRED, 0, f"unexpected: {type(error).__name__}: {error}"[:500]
                )
            if marked or outcome.result not in _NOT_THE_MESSAGE:
                before = lane[: lane.index(provider)]
                skipped = {each.name: failed.get(each.name) or each.fault() for each in before if each.name in failed or each not in trying}
                return name, _after(skipped, outcome)
            waits.append(outcome.retry_after or 0.0)
            failed[name] = outcome.detail or outcome.result.name
        # When nobody tried, whoever asks to wait the shortest says for how long.
        return name, replace(outcome, retry_after=min(waits)) if waits and outcome.result is SendResult.NOT_TRIED else outcome

    def probing(self) -> bool:
        """Whether every provider that may be tried has failed before and is not known to work again."""
        awake = [provider for provider in self._lanes.everybody() if not provider.pause()]
        return bool(awake) and all(provider.probing() for provider in awake)

    def fault(self) -> str:
        """What is wrong with the installation's providers; empty while all of them work. A tenant's own are the tenant's to mend."""
        return "; ".join(f"{provider.name}: {words}" for provider in self._lanes.shared() if (words := provider.fault()))

    def idle(self) -> bool:
        """Whether there is nobody to send by."""
        return not self._lanes.everybody()


def _after(skipped: Mapping[str, str], outcome: SendOutcome) -> SendOutcome:
    """An outcome that tells the timeline also why the providers before did not send: their names, and what is wrong with them."""
    if not skipped:
        return outcome
    instead = "instead of " + ", ".join(f"{name} ({words[:_SKIPPED_CHARS]})" for name, words in skipped.items())
    return replace(outcome, detail=f"{outcome.detail}; {instead}" if outcome.detail else instead)


def _working(lane: Sequence[Provider], job: SendJob) -> Sequence[Provider]:
    """The providers to try, those last that a message which failed before had better not probe.

    When all of them rest, each still says for itself why not.
    """
    if len(lane) == 1:
        return lane
    awake = [provider for provider in lane if not provider.pause()] or list(lane)
    return sorted(awake, key=lambda provider: not job.fresh and provider.probing())
