"""How many messages a tenant may send in a day, on each database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from mailer_svc.domain import Content, Priority
from mailer_svc.domain.preferences import DeliveryCap, Preferences
from mailer_svc.store.quotas import MESSAGES_PER_DAY, MessageQuotas, SqlMessageUsage
from tests.integration.mailer.engine import TENANT, Engine, make_engine
from tests.integration.mailer.stored import Store, make, new
from tocsin.alerts import AlertKind
from tocsin.tenants import BookedTenant, Quotas, TenantBook
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock

MOST = 5
DAY = 24 * 3600
BOOK = TenantBook({tenant: BookedTenant(quotas=Quotas(messages_per_day=MOST)) for tenant in (TENANT, "installation")})
SENT = ("ACCEPTED", "")
HELD = ("HELD", "MESSAGE_QUOTA")
SUPPRESSED = ("SUPPRESSED", "MESSAGE_QUOTA")


@pytest.fixture
def alerts() -> RecordedAlerts:
    """What administrators are told."""
    return RecordedAlerts()


@pytest.fixture
def quotas(alerts: RecordedAlerts) -> MessageQuotas:
    """Five messages a day."""
    return MessageQuotas(lambda: BOOK, alerts=QuotaAlerts(alerts))


@pytest.fixture
async def bounded(database_url: str, clock: FakeClock, quotas: MessageQuotas) -> AsyncIterator[Store]:
    """A store that counts."""
    made = await make(database_url, clock, quotas=quotas)
    yield made
    await made.journal.stop()
    await made.database.stop()


@pytest.fixture
def engine(bounded: Store, quotas: MessageQuotas) -> Engine:
    """A mailer on it."""
    return make_engine(bounded, quotas=quotas)


async def ends(engine: Engine) -> Counter[tuple[str, str]]:
    """State and reason of all messages."""
    return Counter((state, reason) for _, state, reason in await engine.states())


async def test_the_rest_waits_for_the_next_day_and_no_longer(engine: Engine, alerts: RecordedAlerts) -> None:
    """By whatever channel; it says why; the day after the oldest go, and what is too much again is not sent."""
    for number in range(MOST + 7):
        channel = "inbox" if number % 2 else "email"
        await engine.send(f"n{number}", channels=(channel,), to=(f"a{number}@example.com",), content=Content(f"N{number}"))
        await engine.store.clock.advance(1)
    states = await ends(engine)
    assert sum(count for state, count in states.items() if state != HELD) == MOST
    assert states[HELD] == 7
    assert [(alert.kind, alert.tenant, alert.place) for alert in alerts.all] == [
        (AlertKind.QUOTA_NEAR, TENANT, MESSAGES_PER_DAY),
        (AlertKind.QUOTA_REACHED, TENANT, MESSAGES_PER_DAY),
    ]
    (entry,) = await engine.history("N11")
    assert entry[0] == "HELD"
    assert entry[1].startswith(f"MESSAGE_QUOTA: the tenant may send {MOST} messages a day, and has; waits until ")
    await engine.store.clock.advance(DAY)
    await engine.releaser.release_due()
    states = await ends(engine)
    assert (states[HELD], states[SUPPRESSED]) == (0, 2)
    assert (await engine.history("N11"))[-1] == (
        "SUPPRESSED",
        f"MESSAGE_QUOTA: the tenant may send {MOST} messages a day, and has; it waited since yesterday, and is not sent",
    )


async def test_what_goes_nowhere_costs_nothing(engine: Engine) -> None:
    """Neither what the gates stop, nor what was stored before."""
    await engine.people("ann", wants=Preferences(cap=DeliveryCap(count=1, window=DAY * 1_000_000)))
    for number in range(6):
        await engine.send(f"capped{number}", recipients=("recipients/ann",))
    for _ in range(6):
        await engine.send("same", to=("bob@example.com",))
    await engine.send("more", to=tuple(f"a{number}@example.com" for number in range(3)))
    assert await ends(engine) == {SENT: MOST, ("SUPPRESSED", "CAPPED"): 5}


async def test_a_digest_is_one_message(engine: Engine) -> None:
    """However much is in it."""
    await engine.people("ann")
    await engine.category("news", window=60)
    for number in range(MOST + 3):
        await engine.send(f"n{number}", recipients=("recipients/ann",), category="news")
    await engine.store.clock.advance(61)
    await engine.closer.close_due()
    assert await ends(engine) == {SENT: 1, ("DIGESTED", ""): MOST + 3}
    assert await SqlMessageUsage(engine.store.database).used(TENANT, now=engine.store.clock.micros()) == 1


async def test_a_bell_rings(engine: Engine, bounded: Store) -> None:
    """What tells people of an incident is not held back and does not count, and neither do mails of the installation."""
    await engine.send("all", to=tuple(f"a{number}@example.com" for number in range(MOST + 1)))
    await engine.send("page", to=("b@example.com",), incident="i1", priority=Priority.CRITICAL, content=Content("Page"))
    assert (await engine.history("Page"))[0][0] == "ACCEPTED"
    await bounded.journal.accept([new(number, tenant="installation") for number in range(MOST + 3)])
    usage = SqlMessageUsage(bounded.database)
    assert [await usage.used(tenant, now=bounded.clock.micros()) for tenant in (TENANT, "installation")] == [MOST, 0]


async def test_replicas_together_keep_the_quota(bounded: Store, database_url: str, clock: FakeClock, quotas: MessageQuotas) -> None:
    """However their transactions fall together: exactly as many as may be."""
    other = await make(database_url, clock, quotas=quotas)
    stored = await asyncio.gather(
        *((bounded, other)[number % 2].journal.accept([new(number, tenant=TENANT, to=f"a{number}@example.com")]) for number in range(20))
    )
    assert Counter(item.ruling.reason for batch in stored for item in batch.values()) == {"": MOST, "MESSAGE_QUOTA": 20 - MOST}
    await other.journal.stop()
    await other.database.stop()
