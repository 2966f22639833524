"""How the deliveries of a notification to many are made, on each database: part after part, none twice, and nobody is held up by it."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from mailer_svc.domain import Advance, NewDelivery, NotificationState, Priority
from mailer_svc.service import Gates
from mailer_svc.service.gates import GateQuestion
from mailer_svc.store import SqlPeopleFacts
from mailer_svc.store.people_tables import notifications
from mailer_svc.store.tables import deliveries
from tests.integration.mailer.engine import TENANT, Engine, make_engine
from tests.integration.mailer.stored import Store
from tocsin.database import Database, DatabaseUnavailable

PEOPLE = 1_700
"""Four parts."""
ALL = tuple(f"p{number:04}@example.com" for number in range(PEOPLE))
PART = 500


@pytest.fixture
def engine(store: Store) -> Engine:
    """On each database in turn."""
    return make_engine(store)


class Commits:
    """The parts that the journal is given, in order; ``then`` is called with their number before each of them is stored."""

    def __init__(self, engine: Engine, patch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
        self.sizes: list[int] = []
        original = engine.store.journal.accept

        async def accept(new: Sequence[NewDelivery], steps: Sequence[Advance] = ()) -> Any:
            self.sizes.append(len(new))
            then(len(self.sizes))
            return await original(new, steps)

        patch.setattr(engine.store.journal, "accept", accept)


async def made(engine: Engine) -> dict[str, int]:
    """How many deliveries each notification has."""
    async with engine.store.database.read() as connection:
        rows = await connection.execute(select(deliveries.c.notification, func.count()).group_by(deliveries.c.notification))
        return Counter({row[0]: row[1] for row in rows})


async def state(engine: Engine, name: str = "n1") -> NotificationState:
    """Where a notification stands."""
    async with engine.store.database.read() as connection:
        return NotificationState(await connection.scalar(select(notifications.c.state).where(notifications.c.id == name)))


async def test_one_claim_does_for_many_parts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is bounded and stored by itself, with how far the notification has come."""
    await engine.announce(to=ALL)
    commits = Commits(engine, monkeypatch, lambda _: None)
    assert await engine.fanout.expand_some(Priority.NORMAL)
    assert commits.sizes == [PART, PART, PART, PEOPLE - 3 * PART]
    assert await state(engine) is NotificationState.COMPLETED
    assert await made(engine) == {"n1": PEOPLE}
    assert not await engine.fanout.expand_some(Priority.NORMAL)


async def test_what_is_due_meanwhile_does_not_wait_for_the_last_part(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big one is given back when another is announced, takes its next turn beside it, and none of its deliveries is made twice."""
    await engine.announce("big", to=ALL)
    Commits(engine, monkeypatch, lambda number: engine.fanout.wake() if number == 1 else None)
    assert await engine.fanout.expand_some(Priority.NORMAL)
    before = await made(engine)
    assert before["big"] == 2 * PART
    assert await state(engine, "big") is NotificationState.EXPANDING
    await engine.announce("small", to=ALL[:1])
    assert await engine.fanout.expand_some(Priority.NORMAL)
    assert await made(engine) == {"big": PEOPLE, "small": 1}


async def test_no_part_is_stored_before_the_former(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database fails in the middle, what was made ahead is made anew, from where the stored parts end."""

    def fail(number: int) -> None:
        if number == 2:
            raise DatabaseUnavailable("away")

    await engine.announce(to=ALL)
    commits = Commits(engine, monkeypatch, fail)
    with pytest.raises(DatabaseUnavailable):
        await engine.fanout.expand_some(Priority.NORMAL)
    assert await made(engine) == {"n1": PART}
    await engine.store.clock.advance(2)
    await engine.expand()
    assert await made(engine) == {"n1": PEOPLE}
    assert commits.sizes == [PART, PART, PART, PART, PEOPLE - 3 * PART]


async def test_a_claim_that_is_lost_ends_the_turn_without_effect(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else took the notification over in the middle of the turn: each delivery is made once, by whoever has the claim."""
    other = make_engine(engine.store, owner="b")
    await engine.announce(to=ALL)
    parts: list[int] = []

    async def taken_over(new: Sequence[NewDelivery], steps: Sequence[Advance] = ()) -> Any:
        parts.append(len(new))
        if len(parts) == 2:
            await engine.store.clock.advance(61)
            await other.fanout.expand_some(Priority.NORMAL)
        return await original(new, steps)

    original = engine.store.journal.accept
    monkeypatch.setattr(engine.store.journal, "accept", taken_over)
    assert await engine.fanout.expand_some(Priority.NORMAL)
    assert await state(engine) is NotificationState.COMPLETED
    assert await made(engine) == {"n1": PEOPLE}


@pytest.mark.parametrize(("used", "category", "queries"), [(False, "", 1), (True, "", 2), (True, "news", 3)])
async def test_a_batch_costs_as_many_queries_as_a_message(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, used: bool, category: str, queries: int
) -> None:
    """One for its tenants, one for all that is known of its people, and one for the categories that it names."""
    if used:
        await engine.people("ann")
    reads: list[Database] = []
    original = Database.read

    def counted(database: Database, **how: bool) -> Any:
        reads.append(database)
        return original(database, **how)

    monkeypatch.setattr(Database, "read", counted)
    gates = Gates(people=SqlPeopleFacts(database=engine.store.database), clock=engine.store.clock)
    questions = [
        GateQuestion(tenant=TENANT, channel="email", address_channel="email", to=address, priority=Priority.NORMAL, category=category)
        for address in ALL[:PART]
    ]
    assert len(await gates.ask(questions)) == PART
    assert len(reads) == queries
