"""The mailer's stores on a PostgreSQL that lacks what other engines lack: a sample; `make portable` runs all of their tests so."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert

from mailer_svc.domain import GroupCycle, Member, MemberKind, RecipientGroup
from mailer_svc.store import ChangeOrder
from mailer_svc.store.changes import ChangeOrderSettled
from mailer_svc.store.groups import SqlGroups
from mailer_svc.store.tables import events
from tests.integration.mailer.stored import make
from tests.other_engines import ALL, refusing
from tocsin.clock import SystemClock
from tocsin.config import DatabaseFeature
from tocsin.database import Database
from tocsin.testing.clock import FakeClock


@pytest.fixture
async def poor(poor_url: str) -> AsyncIterator[Database]:
    """A database; whatever is asked for in vain fails the test."""
    with refusing() as refused:
        database = Database(url=poor_url, clock=SystemClock(), schema="mailer_svc", without=ALL)
        await database.start()
        yield database
        await database.stop()
    assert refused == []


async def test_numbers_become_visible_in_order(poor: Database) -> None:
    """Whoever counts holds the counter until the commit, and a reader relies on what is below it."""
    order = ChangeOrder(poor)
    async with poor.transaction() as connection:
        await order.restore(connection)
    given: list[int] = []

    async def draw() -> None:
        async with poor.transaction() as connection:
            await order.take_turn(connection)
            given.append(await order.begin(connection))

    async with poor.read() as reader:
        before = await order.horizon(reader)
        async with poor.transaction() as connection:
            first = await order.begin(connection)
            waiting = [asyncio.create_task(draw()) for _ in range(6)]
            assert await order.horizon(reader) == before
        await asyncio.gather(*waiting)
        assert [first, *given] == list(range(before, before + 7))
        assert await order.horizon(reader) == before + 7


async def test_two_halves_of_a_circle_do_not_pass_each_other(poor: Database) -> None:
    """Whoever nests groups does so one after the other, by a row."""
    groups = SqlGroups(database=poor)
    for name in ("one", "two"):
        await groups.create(RecipientGroup(tenant="t1", id=name, display_name=name, created=1, updated=1))
    for _ in range(5):
        halves = (("one", "two"), ("two", "one"))
        asked = [groups.add_members(tenant="t1", id=outer, members=[Member(MemberKind.GROUP, inner)], now=2) for outer, inner in halves]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in done if isinstance(each, BaseException)] == [GroupCycle]
        for outer, inner in halves:
            await groups.remove_members(tenant="t1", id=outer, members=[Member(MemberKind.GROUP, inner)], now=3)


@pytest.mark.native
@pytest.mark.parametrize(
    ("counted", "words"),
    [(False, "numbered by transaction ids.* remove transaction_ids from"), (True, "numbered by a counter.* add transaction_ids to")],
)
async def test_how_changes_are_numbered_is_settled_by_the_first(postgres_url: str, clock: FakeClock, counted: bool, words: str) -> None:
    """As long as there is none, the setting decides; afterwards who numbers in the other way does not start."""
    for now in (not counted, counted):
        await (await make(postgres_url, clock, without=_without(now))).database.stop()
    store = await make(postgres_url, clock, without=_without(counted))
    async with store.database.transaction() as connection:
        change = await store.order.begin(connection)
        facts = {"number": 0, "delivery": "d1", "tenant": "t1", "at": 1, "state": 1, "attempts": 0, "provider": "", "code": 0, "detail": ""}
        await connection.execute(insert(events).values(change=change, **facts))
    await store.database.stop()
    with pytest.raises(ChangeOrderSettled, match=words):
        await make(postgres_url, clock, without=_without(not counted))


def _without(counted: bool) -> frozenset[DatabaseFeature]:
    return frozenset({DatabaseFeature.TRANSACTION_IDS} if counted else ())
