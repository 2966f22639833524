"""What sending costs the database does not grow with the number of messages: statements and transactions of a batch are counted."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from mailer_svc.domain import Priority, SendResult
from tests.integration.mailer.stored import Store, new, settlement

MESSAGES = 60


@contextmanager
def counted(store: Store) -> Generator[Counter[str]]:
    """Counts what is said to the database meanwhile."""
    found = Counter[str]()

    def said(*arguments: Any) -> None:
        found["statements"] += not str(arguments[2]).startswith("BEGIN")

    def begun(_connection: Any) -> None:
        found["transactions"] += 1

    event.listen(Engine, "before_cursor_execute", said)
    event.listen(Engine, "begin", begun)
    run = store.database.in_thread

    async def in_thread(work: Any, **how: Any) -> Any:
        def traced(driver: Any) -> Any:
            driver.set_trace_callback(lambda _text: found.update(statements=1))
            try:
                return work(driver)
            finally:
                driver.set_trace_callback(None)

        found["transactions"] += 1
        return await run(traced, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.database, "in_thread", in_thread)
        yield found
    event.remove(Engine, "before_cursor_execute", said)
    event.remove(Engine, "begin", begun)


@pytest.mark.native
async def test_statements_of_a_batch(store: Store) -> None:
    """A claim is one; so are all marks of a moment, and all outcomes: on SQLite, which cannot do so much in one, three."""
    await store.journal.accept([new(number) for number in range(MESSAGES)])
    with counted(store) as claiming:
        jobs = await store.claim(limit=MESSAGES)
    assert len(jobs) == MESSAGES
    assert claiming == {"statements": 1, "transactions": 1}
    most = {"statements": 3 if store.database.dialect == "sqlite" else 1, "transactions": 1}
    with counted(store) as marking:
        assert await asyncio.gather(*(store.journal.hand_over(job, "smtp") for job in jobs)) == [True] * MESSAGES
    with counted(store) as settling:
        kept = await asyncio.gather(*(store.journal.settle(settlement(job, SendResult.SENT, store.clock)) for job in jobs))
    assert kept == [True] * MESSAGES
    assert (marking, settling) == (most, most)


async def test_what_is_critical_shares_no_transaction(store: Store) -> None:
    """It would wait for as long as the others take; among themselves they share one each."""
    urgent, rest = range(3), range(3, 10)
    await store.journal.accept([new(number, priority=Priority.CRITICAL) for number in urgent])
    await store.journal.accept([new(number) for number in rest])
    jobs = await store.claim(priority=Priority.CRITICAL) + await store.claim()
    assert len(jobs) == len(urgent) + len(rest)
    with counted(store) as marking:
        assert all(await asyncio.gather(*(store.journal.hand_over(job, "smtp") for job in jobs)))
    assert marking["transactions"] == 2
    with counted(store) as accepting:
        more = [
            new(number, priority=priority) for number, priority in ((20, Priority.NORMAL), (21, Priority.CRITICAL), (22, Priority.BULK))
        ]
        assert all(await asyncio.gather(*(store.journal.accept([item]) for item in more)))
    assert accepting["transactions"] == 2
