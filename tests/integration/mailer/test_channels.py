"""One queue, one failover and one claim for each channel; what is of a channel that nobody has comes to an end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from mailer_svc.channels.circuit import ProviderCircuit
from mailer_svc.domain import DeliveryState, Priority, RetrySchedule, SendJob, SendOutcome, SendResult
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.ports import DeliveryQuery
from mailer_svc.service import ChannelSender, DeliveryPublisher, ProviderFailover, SendingRule
from mailer_svc.store import SqlAddressRetirement, SqlDeliveryQueue
from mailer_svc.store.tables import deliveries
from tests.integration.mailer.stored import LEASE, Store, new
from tests.integration.mailer.support import Rig, State, message
from tocsin.channels import CHANNELS
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.redis import EventBus, Redis
from tocsin.testing.waiting import eventually

DAY = 86400.0


class Provider(ProviderCircuit):
    """A provider that sends what it may, once it may."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(name=name, capacity=2, breaker=Breaker(id=name, target=name, rule=BreakerRule(), clock=store.clock))
        self.asked = 0
        self.open = asyncio.Event()

    async def send(self, job: SendJob, *, hand_over: Callable[[], Awaitable[bool]]) -> SendOutcome:
        """Waits until it may, then sends."""
        self.asked += 1
        await self.open.wait()
        return SendOutcome(SendResult.SENT if await hand_over() else SendResult.NOT_TRIED)

    async def start(self) -> None:
        """Nothing to get ready."""

    async def stop(self) -> None:
        """Nothing to let go of."""


class Lanes:
    """One provider for everybody."""

    def __init__(self, provider: Provider) -> None:
        self.capacity = provider.capacity
        self._providers = (provider,)

    def of(self, tenant: str, address: str) -> Sequence[Provider]:
        """The one."""
        del tenant, address
        return self._providers

    def shared(self) -> Sequence[Provider]:
        """The one."""
        return self._providers

    everybody = shared

    async def start(self) -> None:
        """Nothing to get ready."""

    async def stop(self) -> None:
        """Nothing to close."""


def sender(store: Store, provider: Provider, channel: str, *, active: Callable[[str], bool] = lambda _: True) -> ChannelSender:
    """An engine for a channel."""
    hints = EventBus(redis=Redis(url=None, clock=store.clock), clock=store.clock)
    return ChannelSender(
        queue=SqlDeliveryQueue(channel=channel, database=store.database, order=store.order),
        journal=store.journal,
        providers=ProviderFailover(Lanes(provider)),
        addresses=SqlAddressRetirement(database=store.database),
        publisher=DeliveryPublisher(hints=hints, meter=DeliveryMetrics(CollectorRegistry())),
        clock=store.clock,
        rule=SendingRule(retry=dict.fromkeys(Priority, RetrySchedule()), drain=0.0, sole=False, owner=f"me-{channel}", draw=lambda: 0.5),
        active=active,
    )


async def test_a_channel_that_hangs_holds_no_other(store: Store) -> None:
    """Far more messages than it has connections and buffers wait in one channel; what comes after them in another goes out."""
    stuck, working = Provider(store, "stuck"), Provider(store, "smtp")
    working.open.set()
    await store.journal.accept([new(number, channel="slow") for number in range(1, 500)])
    await store.journal.accept([new(1000, channel="email")])
    senders = [sender(store, stuck, "slow"), sender(store, working, "email")]
    for each in senders:
        await each.start()

    async def sent() -> bool:
        return await store.state("d1000") is DeliveryState.SENT

    await eventually(sent, what="the mail")
    await eventually(lambda: stuck.asked == 2, what="as many as it has connections")
    assert (stuck.asked, working.asked) == (2, 1)
    for each in senders:
        await each.stop()


async def test_what_a_suspended_tenant_has_is_held(store: Store) -> None:
    """However long that lasts: it goes out afterwards and has not expired; a neighbour's goes out at once."""
    provider, stopped = Provider(store, "smtp"), {"t1"}
    provider.open.set()
    await store.journal.accept([new(1), new(2, tenant="t2")])
    engine = sender(store, provider, "email", active=lambda tenant: tenant not in stopped)
    await engine.start()

    async def due() -> int:
        """When d1 is tried again, once nobody has it: whoever has it while the clock runs on would lose it, and two would try it."""
        found: Any = None

        async def put_off() -> bool:
            nonlocal found
            async with store.database.read() as connection:
                found = (await connection.execute(select(deliveries.c.owner, deliveries.c.due).where(deliveries.c.id == "d1"))).one()
            return not found.owner and found.due > store.clock.micros()

        await eventually(put_off, what="another hold")
        return int(found.due)

    async def sent() -> bool:
        return await store.state("d1") is DeliveryState.SENT

    await eventually(lambda: provider.asked == 1, what="the neighbour's mail")
    for _ in range(5):
        await due()
        await store.clock.advance(86_400)
        engine.wake()
    again = await due()
    assert await store.state("d1") is DeliveryState.ACCEPTED
    stopped.clear()
    await store.clock.advance((again - store.clock.micros()) / 1e6)
    engine.wake()
    await eventually(sent, what="the mail")
    assert provider.asked == 2
    await engine.stop()


async def test_a_queue_is_of_one_channel(store: Store) -> None:
    """Whatever it does, what is of another channel stays as it is."""
    other = SqlDeliveryQueue(channel="slow", database=store.database, order=store.order)
    await store.journal.accept([new(1, channel="slow"), new(2)])
    now = store.clock.micros()
    assert [job.id for job in await store.claim()] == ["d2"]
    assert await other.due_priorities(now=now) == [Priority.NORMAL]
    assert await store.queue.due_priorities(now=now) == []
    assert (await other.depths())[Priority.NORMAL] == 1
    await store.queue.end_other_claims(owner="b", now=now)
    jobs, _ = await other.claim_due(owner="a", priority=Priority.NORMAL, limit=9, now=now, lease=LEASE)
    assert [job.id for job in jobs] == ["d1"]
    await store.queue.release(owner="a", ids=["d1"], now=now)
    await store.queue.renew(owner="a", ids=["d1"], until=now)
    assert await other.due_priorities(now=now) == []


@pytest.mark.parametrize(("handed_over", "state"), [(False, DeliveryState.DEAD), (True, DeliveryState.OUTCOME_UNKNOWN)])
async def test_what_nobody_sends_by_any_more_ends(store: Store, handed_over: bool, state: DeliveryState) -> None:
    """A channel that is gone, or its provider: after the time that a message has, and no sooner, with the reason in the timeline."""
    await store.journal.accept([new(1, channel="fax"), new(2)])
    if handed_over:
        queue = SqlDeliveryQueue(channel="fax", database=store.database, order=store.order)
        (job,), _ = await queue.claim_due(owner="gone", priority=Priority.NORMAL, limit=1, now=store.clock.micros(), lease=LEASE)
        assert await store.journal.hand_over(job, "modem")

    async def expire() -> int:
        now = store.clock.micros()
        return await store.endings.expire_unclaimed(channels=["email"], before=now - round(DAY * 1e6), now=now, limit=10)

    await store.clock.advance(DAY / 2)
    assert await expire() == 0
    await store.clock.advance(DAY)
    assert (await expire(), await expire()) == (1, 0)
    assert [await store.state("d1"), await store.state("d2")] == [state, DeliveryState.ACCEPTED]
    found = await store.reader.get(tenant="t1", id="d1")
    assert found is not None
    assert "no mailer sends by the channel 'fax'" in found.timeline[-1].detail


async def test_only_channels_with_a_sender_are_tried_again(store: Store) -> None:
    """What could not be sent here stays as it is."""
    await store.journal.accept([new(1, channel="fax"), new(2)])
    for name in ("d1", "d2"):
        await store.queue.force_end(name, state=DeliveryState.DEAD, now=store.clock.micros(), detail="odd")
    found = await store.endings.retry(DeliveryQuery(tenant="t1"), channels=["email"], now=store.clock.micros(), limit=10)
    assert found == ["d2"]


@pytest.mark.parametrize("fields", [{"channel": "pigeon"}, {"channel": "pigeon", "to": "loft 7"}, {"channel": "PIGEON\0"}])
async def test_a_channel_of_a_newer_mailer_is_refused_as_retryable(rig: Rig, fields: dict[str, Any]) -> None:
    """Another mailer may know it: the reason names what this one has, and messages around are delivered."""
    odd, good = await rig.deliver(message(1, **fields), message(2))
    assert (odd.delivery, odd.reason, odd.retryable) == ("", "UNSUPPORTED_CHANNEL", True)
    assert f"it has {', '.join(sorted(CHANNELS))}" in odd.message
    assert (await rig.get(good.delivery)).state == State.SENT
