"""What health tells of sending."""

from collections.abc import Sequence

from mailer_svc.ports import QueueHeads
from mailer_svc.service import ChannelSender
from tocsin.clock import SECOND, Clock
from tocsin.mesh.health import Check, Degraded, optional

_LONG_SECONDS = 60.0


def sending_checks(senders: Sequence[ChannelSender], queues: QueueHeads, clock: Clock) -> dict[str, Check]:
    """The providers' circuits, and how long the first of each queue has waited."""

    async def providers() -> str:
        faults = {sender.channel: fault for sender in senders if (fault := sender.fault())}
        found = "; ".join(faults.values())
        if faults and faults.keys() & await queues.heads():
            raise Degraded(found)
        return f"{found}; no mail waits" if found else ""

    async def queue() -> str:
        heads = await queues.heads()
        if not heads:
            return "no mail waits"
        seconds = max(0.0, (clock.micros() - min(heads.values())) / SECOND)
        words = f"the first mail of the queue has been due for {seconds:.0f} s"
        if seconds > _LONG_SECONDS:
            raise Degraded(words)
        return words

    return {"providers": optional(providers), "queue": optional(queue)}
