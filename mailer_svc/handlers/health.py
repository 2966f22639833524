"""What health tells of sending."""

from collections.abc import Sequence

from mailer_svc.service import ChannelSender
from tocsin.mesh.health import Check, Degraded, optional

_LONG_SECONDS = 60.0


def sending_checks(senders: Sequence[ChannelSender]) -> dict[str, Check]:
    """The providers' circuits, and how long the first of each queue has waited."""

    async def providers() -> str:
        faults = [(sender, fault) for sender in senders if (fault := sender.fault())]
        found = "; ".join(fault for _, fault in faults)
        if any([await sender.waiting() is not None for sender, _ in faults]):
            raise Degraded(found)
        return f"{found}; no mail waits" if found else ""

    async def queue() -> str:
        waits = [seconds for sender in senders if (seconds := await sender.waiting()) is not None]
        if not waits:
            return "no mail waits"
        seconds = max(waits)
        words = f"the first mail of the queue has been due for {seconds:.0f} s"
        if seconds > _LONG_SECONDS:
            raise Degraded(words)
        return words

    return {"providers": optional(providers), "queue": optional(queue)}
