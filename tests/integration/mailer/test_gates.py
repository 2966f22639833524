"""The gates, on each database: each "no" is a delivery with its reason, and what waits goes on when its time has come."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from mailer_svc.domain import Advance, Content, ExpansionCursor, NotificationState, Priority
from mailer_svc.domain.people import AddressState, CategoryKind, SuppressionReason
from mailer_svc.domain.preferences import DeliveryCap, PreferenceChoice, Preferences, QuietHours, QuietPolicy
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.store.people_tables import digest_members, digests, notifications, preferences, recipients
from mailer_svc.store.tables import contents, deliveries
from tests.integration.mailer.engine import Engine, make_engine
from tests.integration.mailer.stored import Store, new

HOUR = 3600
NIGHT = Preferences(quiet_hours=QuietHours(times=tuple(WeeklyWindow(weekday=day, start=22 * 60, end=6 * 60) for day in range(1, 8))))
NEWS_OFF = Preferences(choices=(PreferenceChoice(enabled=False, category="news"),))


@pytest.fixture
def engine(store: Store) -> Engine:
    """On each database in turn."""
    return make_engine(store)


async def at_midnight(engine: Engine) -> None:
    """Lets it be some midnight in UTC."""
    await engine.store.clock.advance(86400 - engine.store.clock.micros() / 1e6 % 86400)


async def test_everybody_is_accounted_for(engine: Engine) -> None:
    """A group and one who are unknown, one without an address, one with an unverified one; one meant three times gets one message."""
    await engine.people("ann", "bob")
    await engine.people("carl", "dora", channels=())
    await engine.address("dora", "dora@example.com", state=AddressState.PENDING)
    await engine.group("team", "ann", "bob", "carl")
    everyone = ("recipients/ann", "groups/team", "recipients/dora", "recipients/nobody", "groups/none")
    await engine.send(to=("ann@example.com",), recipients=everyone)
    assert await engine.states() == [
        ("ann", "ACCEPTED", ""),
        ("bob", "ACCEPTED", ""),
        ("carl", "SUPPRESSED", "NO_ADDRESS"),
        ("dora", "SUPPRESSED", "NO_ADDRESS"),
        ("groups/none", "SUPPRESSED", "UNKNOWN_RECIPIENT"),
        ("nobody", "SUPPRESSED", "UNKNOWN_RECIPIENT"),
    ]
    assert (await engine.deliveries())[2].timeline[0].detail == "NO_ADDRESS: recipients/carl has no active address for email"


async def test_each_channel_is_accounted_for(engine: Engine) -> None:
    """The category says which, and the inbox takes the addresses of email."""
    await engine.people("ann")
    await engine.category("news", channels='["email", "inbox"]')
    await engine.send(recipients=("recipients/ann",), category="news")
    assert [(item.channel, item.state.name) for item in await engine.deliveries()] == [("email", "ACCEPTED"), ("inbox", "SENT")]


@pytest.mark.parametrize(
    ("reason", "of", "kind", "expected"),
    [
        (SuppressionReason.BOUNCE, "", CategoryKind.TRANSACTIONAL, "SUPPRESSED"),
        (SuppressionReason.BOUNCE, "", CategoryKind.MANDATORY, "SUPPRESSED"),
        (SuppressionReason.COMPLAINT, "", CategoryKind.MANDATORY, "SUPPRESSED"),
        (SuppressionReason.UNSUBSCRIBE, "", CategoryKind.TRANSACTIONAL, "SUPPRESSED"),
        (SuppressionReason.UNSUBSCRIBE, "news", CategoryKind.MARKETING, "SUPPRESSED"),
        (SuppressionReason.UNSUBSCRIBE, "offers", CategoryKind.MARKETING, "ACCEPTED"),
        (SuppressionReason.UNSUBSCRIBE, "", CategoryKind.MANDATORY, "ACCEPTED"),
    ],
)
async def test_suppression(engine: Engine, reason: SuppressionReason, of: str, kind: CategoryKind, expected: str) -> None:
    """By category; a mandatory message passes that somebody unsubscribed, and nothing else."""
    await engine.category("news", kind)
    await engine.suppress("ann@example.com", reason, category=of)
    await engine.send(to=("Ann@Example.com", "ann@example.com"), category="news")
    assert [state for _, state, _ in await engine.states()] == [expected]


@pytest.mark.parametrize(
    ("to", "whom", "kind", "expected"),
    [
        ((), ("recipients/ann",), CategoryKind.MARKETING, "SUPPRESSED"),
        (("ann@example.com",), (), CategoryKind.MARKETING, "SUPPRESSED"),
        ((), ("recipients/ann",), CategoryKind.MANDATORY, "ACCEPTED"),
        ((), ("recipients/bob",), CategoryKind.MARKETING, "ACCEPTED"),
        (("zoe@example.com",), (), CategoryKind.MARKETING, "ACCEPTED"),
    ],
)
async def test_preferences(engine: Engine, to: Sequence[str], whom: Sequence[str], kind: CategoryKind, expected: str) -> None:
    """They hold for an address that is written as it is as well, once it is known whose it is."""
    await engine.people("ann", wants=NEWS_OFF)
    await engine.people("bob")
    await engine.category("news", kind)
    await engine.send(to=tuple(to), recipients=tuple(whom), category="news")
    (found,) = await engine.deliveries()
    assert found.state.name == expected
    if expected == "SUPPRESSED":
        assert (found.reason, found.recipient_id) == ("OPTED_OUT", "ann")
        assert found.timeline[-1].detail == "OPTED_OUT: recipients/ann wants no messages of categories/news by email"


@pytest.mark.parametrize("channel", ["email", "inbox"])
async def test_quiet_hours_hold_until_their_end(engine: Engine, channel: str) -> None:
    """In the recipient's zone; then it goes on, with what it said when it was taken."""
    await at_midnight(engine)
    await engine.people("ann", wants=NIGHT, zone="Europe/Zurich")
    await engine.send(recipients=("recipients/ann",), channels=(channel,))
    (held,) = await engine.deliveries()
    assert (held.state.name, held.reason) == ("HELD", "QUIET_HOURS")
    assert held.hold_until is not None
    hours = (held.hold_until - engine.store.clock.micros()) / 1e6 / HOUR
    assert hours in (4, 5)  # summer or winter
    await engine.releaser.release_due()
    assert await engine.states() == [("ann", "HELD", "QUIET_HOURS")]
    await engine.store.clock.advance(hours * HOUR)
    await engine.releaser.release_due()
    on = {"email": "ACCEPTED", "inbox": "SENT"}[channel]
    assert await engine.states() == [("ann", on, "")]
    assert [state for state, _ in await engine.history()][-2:] == ["HELD", on]
    if channel == "email":
        (job,) = await engine.store.claim()
        assert job.content == Content("Hello", "How are you?")
    else:
        (message,) = await engine.store.inbox.page(tenant="t1", before=None, limit=9)
        assert message.content == Content("Hello", "How are you?")


@pytest.mark.parametrize(
    ("policy", "priority", "expected"),
    [
        (QuietPolicy.DROP, Priority.NORMAL, ("SUPPRESSED", "QUIET_HOURS")),
        (QuietPolicy.PASS, Priority.NORMAL, ("ACCEPTED", "")),
        (QuietPolicy.DROP, Priority.CRITICAL, ("ACCEPTED", "")),
        (QuietPolicy.HOLD, Priority.BULK, ("HELD", "QUIET_HOURS")),
    ],
)
async def test_what_quiet_hours_mean(engine: Engine, policy: QuietPolicy, priority: Priority, expected: tuple[str, str]) -> None:
    """By policy and priority."""
    await at_midnight(engine)
    times = NIGHT.quiet_hours.times if NIGHT.quiet_hours else ()
    await engine.people("ann", wants=Preferences(quiet_hours=QuietHours(times=times, normal=policy)))
    await engine.send(recipients=("recipients/ann",), priority=priority)
    assert [(state, reason) for _, state, reason in await engine.states()] == [expected]


async def test_what_was_held_is_sent_only_if_it_still_holds(engine: Engine) -> None:
    """One opted out meanwhile, one is gone, one has a bounce: each says so."""
    await at_midnight(engine)
    await engine.people("ann", "bob", "carl", "dora", wants=NIGHT)
    await engine.send(recipients=tuple(f"recipients/{name}" for name in ("ann", "bob", "carl", "dora")))
    off = '{"choices": [{"enabled": false}]}'
    async with engine.store.database.transaction() as connection:
        await connection.execute(update(preferences).where(preferences.c.recipient == "ann").values(document=off))
        await connection.execute(delete(recipients).where(recipients.c.id == "bob"))
    await engine.suppress("carl@example.com", SuppressionReason.BOUNCE)
    await engine.store.clock.advance(6 * HOUR)
    await engine.releaser.release_due()
    assert await engine.states() == [
        ("ann", "SUPPRESSED", "OPTED_OUT"),
        ("bob", "SUPPRESSED", "UNKNOWN_RECIPIENT"),
        ("carl", "SUPPRESSED", "SUPPRESSED_ADDRESS"),
        ("dora", "ACCEPTED", ""),
    ]
    async with engine.store.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(contents)) == 1


async def test_a_cap_counts_what_is_sent(engine: Engine) -> None:
    """Within one transaction and across them; critical messages pass; after the window there is room again."""
    await engine.people("ann", wants=Preferences(cap=DeliveryCap(count=2, window=HOUR * 1_000_000)))
    for number in range(4):
        await engine.announce(f"n{number}", recipients=("recipients/ann",))
    await engine.expand()
    assert sorted(await engine.states()) == 2 * [("ann", "ACCEPTED", "")] + 2 * [("ann", "SUPPRESSED", "CAPPED")]
    await engine.send("n4", recipients=("recipients/ann",), priority=Priority.CRITICAL, content=Content("Critical"))
    await engine.send("n5", recipients=("recipients/ann",), content=Content("Late"))
    assert (await engine.history("Critical"))[0][0] == "ACCEPTED"
    assert (await engine.history("Late"))[0] == ("SUPPRESSED", "CAPPED: the recipient has had 2 within 1 h, and wants no more")
    await engine.store.clock.advance(HOUR + 1)
    await engine.send("n6", recipients=("recipients/ann",), content=Content("Later"))
    assert (await engine.history("Later"))[0][0] == "ACCEPTED"


async def test_after_quiet_hours_a_cap_lets_the_oldest_of_the_most_urgent_through(engine: Engine) -> None:
    """All of them end at the same instant."""
    await at_midnight(engine)
    await engine.people("ann", wants=Preferences(quiet_hours=NIGHT.quiet_hours, cap=DeliveryCap(count=2, window=HOUR * 1_000_000)))
    for number, priority in enumerate((Priority.BULK, Priority.NORMAL, Priority.BULK, Priority.NORMAL, Priority.NORMAL)):
        await engine.send(f"n{number}", recipients=("recipients/ann",), priority=priority, content=Content(f"N{number}"))
        await engine.store.clock.advance(1)
    await engine.store.clock.advance(6 * HOUR)
    await engine.releaser.release_due()
    assert {item.subject: item.state.name for item in await engine.deliveries()} == {
        **dict.fromkeys(("N0", "N2", "N4"), "SUPPRESSED"),
        **dict.fromkeys(("N1", "N3"), "ACCEPTED"),
    }


@pytest.mark.parametrize("channel", ["email", "inbox"])
async def test_a_digest_goes_out_as_one(engine: Engine, channel: str) -> None:
    """Messages of a category to one address; each of the messages tells in which delivery it went out."""
    await engine.people("ann")
    await engine.category("news", window=600, channels=f'["{channel}"]')
    await engine.category("other", window=600, channels=f'["{channel}"]')
    for number in range(3):
        await engine.send(
            f"n{number}", recipients=("recipients/ann",), category="news", content=Content(f"News {number}", f"Text {number}")
        )
        await engine.store.clock.advance(60)
    await engine.send("n9", recipients=("recipients/ann",), category="other", content=Content("Alone", "by itself"))
    assert {(state, reason) for _, state, reason in await engine.states()} == {("HELD", "DIGEST")}
    await engine.closer.close_due()
    assert len(await engine.deliveries()) == 4
    await engine.store.clock.advance(600)
    await engine.closer.close_due()
    await engine.closer.close_due()
    found = await engine.deliveries()
    on = {"email": "ACCEPTED", "inbox": "SENT"}[channel]
    assert sorted(item.state.name for item in found) == sorted([on, on, *4 * ["DIGESTED"]])
    (together,) = [item for item in found if item.subject == "3 messages"]
    assert {item.digest for item in found if item.subject.startswith("News")} == {together.id}
    (alone,) = [item for item in found if item.subject == "Alone" and item.state.name == on]
    assert alone.digest == ""
    async with engine.store.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(contents)) == (2 if channel == "email" else 0)
    if channel == "email":
        jobs = {job.content.subject: job.content.text for job in await engine.store.claim()}
        assert all(f"News {number}" in jobs["3 messages"] and f"Text {number}" in jobs["3 messages"] for number in range(3))
        assert jobs["Alone"] == "by itself"


async def test_a_digest_whose_recipient_left_is_not_sent(engine: Engine) -> None:
    """Its messages say why."""
    await engine.people("ann")
    await engine.category("news", window=600)
    await engine.send(recipients=("recipients/ann",), category="news")
    await engine.suppress("ann@example.com", SuppressionReason.UNSUBSCRIBE, category="news")
    await engine.store.clock.advance(600)
    await engine.closer.close_due()
    assert await engine.states() == [("ann", "SUPPRESSED", "SUPPRESSED_ADDRESS")]


async def test_a_digest_that_closes_in_quiet_hours_waits_for_their_end(engine: Engine) -> None:
    """And joins no other digest then."""
    await at_midnight(engine)
    await engine.store.clock.advance(21 * HOUR + 30 * 60)
    await engine.people("ann", wants=NIGHT)
    await engine.category("news", window=HOUR)
    for number in range(2):
        await engine.send(f"n{number}", recipients=("recipients/ann",), category="news")
    await engine.store.clock.advance(HOUR)
    await engine.closer.close_due()
    assert sorted(state for _, state, _ in await engine.states()) == ["DIGESTED", "DIGESTED", "HELD"]
    await engine.store.clock.advance(8 * HOUR)
    await engine.releaser.release_due()
    assert sorted(state for _, state, _ in await engine.states()) == ["ACCEPTED", "DIGESTED", "DIGESTED"]


async def test_what_was_held_may_join_a_digest(engine: Engine) -> None:
    """Quiet hours come first, then the digest."""
    await at_midnight(engine)
    await engine.people("ann", wants=NIGHT)
    await engine.category("news", window=HOUR)
    await engine.send(recipients=("recipients/ann",), category="news")
    await engine.store.clock.advance(6 * HOUR)
    await engine.releaser.release_due()
    assert await engine.states() == [("ann", "HELD", "DIGEST")]
    await engine.store.clock.advance(HOUR)
    await engine.closer.close_due()
    assert sorted(state for _, state, _ in await engine.states()) == ["ACCEPTED", "DIGESTED"]


async def test_a_message_joins_one_digest_however_often_it_comes(engine: Engine) -> None:
    """The same part is made again, as after a kill: also when its digest has closed meanwhile."""
    await engine.people("ann")
    await engine.category("news", window=60)
    await engine.send(recipients=("recipients/ann",), category="news")
    again = update(notifications).values(state=1, cursor="", due=engine.store.clock.micros())
    for wait in (0, 120):
        await engine.store.clock.advance(wait)
        await engine.closer.close_due()
        async with engine.store.database.transaction() as connection:
            await connection.execute(again)
        await engine.expand()
    async with engine.store.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(digest_members)) == 1
        assert await connection.scalar(select(func.count()).select_from(digests)) == 1


async def test_rows_that_cannot_be_read_cost_themselves(engine: Engine) -> None:
    """A notification is FAILED, a held delivery DEAD; those beside them go on."""
    await at_midnight(engine)
    await engine.people("ann", "bob", wants=NIGHT)
    for name in ("n1", "n2", "n3", "n4"):
        await engine.announce(name, to=(f"{name}@example.com",))
    odd: list[tuple[str, dict[str, Any]]] = [("n1", {"content": "{"}), ("n3", {"recipients": "[1]"})]
    async with engine.store.database.transaction() as connection:
        for name, values in odd:
            await connection.execute(update(notifications).where(notifications.c.id == name).values(**values))
    await engine.expand()
    assert await engine.states() == [("n2@example.com", "ACCEPTED", ""), ("n4@example.com", "ACCEPTED", "")]
    failed = await engine.notifications.get(tenant="t1", id="n1")
    assert failed is not None
    assert failed.state is NotificationState.FAILED
    assert failed.detail.startswith("its row cannot be read: ")
    await engine.send("n5", recipients=("recipients/ann", "recipients/bob"))
    async with engine.store.database.transaction() as connection:
        await connection.execute(update(deliveries).where(deliveries.c.recipient_id == "ann").values(lane=77))
    await engine.store.clock.advance(6 * HOUR)
    await engine.releaser.release_due()
    assert (await engine.states())[2:] == [("ann", "DEAD", ""), ("bob", "ACCEPTED", "")]


async def test_a_lost_claim_makes_nothing(engine: Engine) -> None:
    """A part of a notification that was taken over, or is done: neither its deliveries nor its cursor are stored; others with it are."""
    await engine.send(to=("ann@example.com",))
    late = Advance(tenant="t1", id="n1", epoch=1, state=NotificationState.EXPANDING, cursor=ExpansionCursor(9), due=1)
    fresh = await engine.store.journal.accept([new(1, notification="n1"), new(2)], [late])
    assert list(fresh) == ["d2"]
    found = await engine.notifications.get(tenant="t1", id="n1")
    assert found is not None
    assert (found.state, found.cursor) == (NotificationState.COMPLETED, ExpansionCursor(1))


async def test_what_is_done_is_forgotten_in_the_end(engine: Engine) -> None:
    """Deliveries in every state in which nothing is left to do, closed digests with their members, and notifications without deliveries."""
    await engine.people("ann", "bob", wants=NEWS_OFF)
    await engine.category("news")
    await engine.category("talk", window=60, channels='["inbox"]')
    for name, category in (("n1", "news"), ("n2", "talk")):
        await engine.send(name, recipients=("recipients/ann", "recipients/nobody"), category=category)
    await engine.announce("n3", to=("later@example.com",), send_time=2**60)
    await engine.store.clock.advance(60)
    await engine.closer.close_due()
    await engine.send("n4", to=("waits@example.com",))
    await engine.store.clock.advance(60)
    now = engine.store.clock.micros()
    while await engine.store.housekeeping.clean(inbox_before=now, deliveries_before=now, limit=2):
        pass
    assert await engine.states() == [("waits@example.com", "ACCEPTED", "")]
    async with engine.store.database.read() as connection:
        assert set(await connection.scalars(select(notifications.c.id))) == {"n3", "n4"}
        for table in (digests, digest_members):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0


async def test_joining_and_closing_at_the_same_time(engine: Engine) -> None:
    """On PostgreSQL each transaction has a connection of its own: whoever joins waits for whoever closes, and opens another digest then."""
    await engine.people("ann", "bob")
    await engine.category("news", window=1)

    async def join(number: int) -> None:
        await engine.announce(f"n{number}", recipients=("recipients/ann", "recipients/bob"), category="news", content=Content(f"N{number}"))
        await engine.expand()

    for first in range(0, 40, 10):
        closing = (engine.closer.close_due() for _ in range(3))
        await asyncio.gather(*(join(first + number) for number in range(10)), *closing)
        await engine.store.clock.advance(1)
    await asyncio.gather(*(engine.closer.close_due() for _ in range(3)))
    async with engine.store.database.read() as connection:
        joined = list(await connection.scalars(select(digest_members.c.delivery)))
        rows = (await connection.execute(select(digests.c.id, digests.c.closed, digests.c.delivery))).all()
        made = set(await connection.scalars(select(deliveries.c.id).where(deliveries.c.firing == "", deliveries.c.notification == "")))
        waiting = await connection.scalar(select(func.count()).where(deliveries.c.notification != "", deliveries.c.state != 12))
    assert (len(joined), len(set(joined)), waiting) == (80, 80, 0)
    assert all(row.closed is not None and row.delivery == row.id for row in rows)
    assert made == {row.id for row in rows}


async def test_a_cap_holds_when_many_count_at_the_same_time(engine: Engine) -> None:
    """Two transactions that count see each other's deliveries."""
    await engine.people("ann", wants=Preferences(cap=DeliveryCap(count=3, window=HOUR * 1_000_000)))
    for number in range(12):
        await engine.announce(f"n{number}", recipients=("recipients/ann",), priority=Priority(1 + number % 2 + 1))
    await asyncio.gather(*(engine.fanout.expand_some(priority) for priority in (Priority.NORMAL, Priority.BULK) for _ in range(3)))
    await engine.expand()
    states = await engine.states()
    assert (len(states), sum(state == "ACCEPTED" for _, state, _ in states)) == (12, 3)
