"""Changes of deliveries become callbacks for those who want them, on each database."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from mailer_svc.domain import SendResult
from mailer_svc.ports.status_callbacks import CallbackAttempt, CallbackResult, ClaimBounds, StatusCallback
from mailer_svc.service.status_callbacks import StatusCallbacks
from mailer_svc.store.people_tables import notifications, status_callbacks
from mailer_svc.store.status_callbacks import SqlStatusCallbackStore
from tests.integration.mailer.stored import Store, new, settlement
from tocsin.errors import Unavailable
from tocsin.testing.waiting import eventually

HOUR = 3_600_000_000


class Listener:
    """Answers each URL as it is told, and keeps what it was told."""

    def __init__(self) -> None:
        self.results: dict[str, CallbackResult] = {}
        self.told: list[StatusCallback] = []

    async def post(self, callback: StatusCallback) -> CallbackAttempt:
        self.told.append(callback)
        return CallbackAttempt(callback=callback, result=self.results.get(callback.url, CallbackResult.TAKEN))

    def states(self, url: str) -> list[str]:
        return [json.loads(callback.body)["data"]["state"] for callback in self.told if callback.url == url]


async def notify(store: Store, identity: str, *, url: str = "", tenant: str = "t1") -> None:
    """Stores a notification whose changes ``url`` wants to know."""
    row: dict[str, Any] = {column.name: "" for column in notifications.columns}
    numbers = dict.fromkeys(("lane", "state", "epoch", "send_time", "created", "updated"), 0)
    row |= numbers | {"resend": False, "urgent": False, "due": None}
    row |= {"tenant": tenant, "id": identity, "status_url": url, "metadata": '{"order": 7}'}
    async with store.database.transaction() as connection:
        await connection.execute(insert(notifications).values(row))


async def sent(store: Store, number: int, notification: str, **fields: Any) -> None:
    """Accepts a delivery of a notification and sends it."""
    await store.journal.accept([new(number, notification=notification, **fields)])
    (job,) = await store.claim()
    await store.journal.hand_over(job, "smtp")
    await store.journal.settle(settlement(job, SendResult.SENT, store.clock))


async def waiting(store: Store) -> int:
    """How many callbacks are not told yet."""
    async with store.database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(status_callbacks)) or 0)


def callbacks(store: Store, listener: Listener) -> StatusCallbacks:
    """The component on a store, without jitter; the test makes its rounds."""
    kept = SqlStatusCallbackStore(database=store.database, order=store.order)
    return StatusCallbacks(store=kept, client=listener, clock=store.clock, draw=lambda: 0.0)


async def rounds(component: StatusCallbacks, count: int = 1) -> None:
    """What the component does by itself."""
    for _ in range(count):
        await component.gather()
        await component.post()


async def test_every_change_is_told_once_and_in_order(store: Store) -> None:
    """What happened before nobody asks for; what belongs to no notification, or to one that tells nobody, is not told."""
    listener = Listener()
    component = callbacks(store, listener)
    await sent(store, 1, "")
    await component.gather()
    await notify(store, "n1", url="https://a.example/x")
    await notify(store, "n2")
    await sent(store, 2, "n1")
    await sent(store, 3, "n2")
    await sent(store, 4, "")
    await rounds(component, 3)
    assert listener.states("https://a.example/x") == ["ACCEPTED", "SENDING", "SENT"]
    assert len(listener.told) == 3
    data = json.loads(listener.told[0].body)["data"]
    assert (data["notification"], data["delivery"], data["metadata"]) == ("notifications/n1", "deliveries/d2", {"order": 7})
    assert len({callback.id for callback in listener.told}) == 3
    assert await waiting(store) == 0


async def test_a_callback_that_cannot_be_posted_as_it_is_stored_repeats_no_other(store: Store) -> None:
    """It is given up, and what was posted beside it is posted once."""

    class Odd(Listener):
        async def post(self, callback: StatusCallback) -> CallbackAttempt:
            if callback.url == "odd":
                raise AttributeError(callback.url)
            return await super().post(callback)

    listener = Odd()
    component = callbacks(store, listener)
    await component.gather()
    await notify(store, "odd", url="odd")
    await notify(store, "good", url="https://good.example/")
    await sent(store, 1, "odd")
    await sent(store, 2, "good")
    await rounds(component, 4)
    assert listener.states("https://good.example/") == ["ACCEPTED", "SENDING", "SENT"]
    assert (len(listener.told), await waiting(store)) == (3, 0)


async def test_a_caller_who_does_not_answer_is_asked_again_and_holds_nobody(store: Store) -> None:
    """The same callback, with the same id, and the others of its URL wait with it."""
    listener = Listener()
    listener.results["https://bad.example/"] = CallbackResult.AGAIN
    component = callbacks(store, listener)
    await component.gather()
    await notify(store, "bad", url="https://bad.example/")
    await notify(store, "good", url="https://good.example/")
    for number in range(1, 4):
        await sent(store, number, "bad")
    await sent(store, 9, "good")
    await rounds(component, 2)
    assert listener.states("https://good.example/") == ["ACCEPTED", "SENDING", "SENT"]
    tried = [callback.id for callback in listener.told if "bad" in callback.url]
    assert 0 < len(tried) <= 4  # nine wait
    listener.results.clear()
    await store.clock.advance(6)
    await rounds(component, 4)
    assert set(tried) <= {callback.id for callback in listener.told[-9:]}
    assert await waiting(store) == 0


async def test_a_caller_who_never_answers_is_given_up(store: Store) -> None:
    """After ten attempts, over some days."""
    listener = Listener()
    listener.results["https://bad.example/"] = CallbackResult.AGAIN
    component = callbacks(store, listener)
    await component.gather()
    await notify(store, "bad", url="https://bad.example/")
    await store.journal.accept([new(1, notification="bad")])
    await component.gather()
    for _ in range(12):
        await component.post()
        await store.clock.advance(24 * 3600 + 9000)
    assert len(listener.told) == 10
    assert await waiting(store) == 0


async def test_a_caller_who_is_gone_is_told_nothing_more(store: Store) -> None:
    """Neither what waits nor what comes; another tenant's is not touched."""
    listener = Listener()
    listener.results["https://gone.example/"] = CallbackResult.UNWANTED
    component = callbacks(store, listener)
    await component.gather()
    await notify(store, "gone", url="https://gone.example/")
    await notify(store, "other", url="https://gone.example/", tenant="t2")
    for number in range(1, 4):
        await sent(store, number, "gone")
    await sent(store, 5, "other", tenant="t2")
    await component.gather()
    first: Sequence[StatusCallback] = await component_store(store).claim(
        now=store.clock.micros(), until=store.clock.micros(), bounds=ClaimBounds(limit=1, each=1, share=1)
    )
    await component_store(store).silence(tenant=first[0].tenant, url=first[0].url)
    left = await waiting(store)
    assert left == (9 if first[0].tenant == "t2" else 3)


async def test_each_tenant_has_its_turn(store: Store) -> None:
    """One with a URL for each of its callbacks, all of which hang, holds up nobody else's; all are claimed once."""
    rows = [("a", f"https://a.example/{number}", number) for number in range(30)] + [("b", "https://b.example/", 40 + n) for n in range(3)]
    values = stored_callbacks(*rows)
    async with store.database.transaction() as connection:
        await connection.execute(insert(status_callbacks), values)
    claimed: list[str] = []
    bounds = ClaimBounds(limit=6, each=2, share=9)
    while batch := await component_store(store).claim(now=100, until=200, bounds=bounds):
        claimed += sorted(callback.id for callback in batch)
    assert claimed[:6] == ["a0", "a1", "a2", "a3", "b40", "b41"]
    assert claimed[6:12] == ["a4", "a5", "a6", "a7", "a8", "b42"]
    assert sorted(claimed) == sorted(value["id"] for value in values)


def component_store(store: Store) -> SqlStatusCallbackStore:
    """The store of callbacks on a database."""
    return SqlStatusCallbackStore(database=store.database, order=store.order)


def stored_callbacks(*rows: tuple[str, str, int]) -> list[dict[str, Any]]:
    """Rows of callbacks that were due at these times: of a tenant, to a URL."""
    return [
        {"id": f"{tenant}{due}", "tenant": tenant, "url": url, "body": "{}", "attempts": 0, "due": due, "change": due, "number": 0}
        for tenant, url, due in rows
    ]


class Hanging(Listener):
    """Does not answer for some tenants until it is let go."""

    def __init__(self, *tenants: str) -> None:
        super().__init__()
        self.tenants = tenants
        self.hung: list[str] = []
        self.let_go = asyncio.Event()

    async def post(self, callback: StatusCallback) -> CallbackAttempt:
        if callback.tenant in self.tenants:
            self.hung.append(callback.id)
            await self.let_go.wait()
        return await super().post(callback)


async def test_what_hangs_holds_its_share_of_places_and_nobody_else(store: Store) -> None:
    """A tenant all of whose URLs hang has eight places; the callbacks of others come and go beside it, also those that come later."""
    listener = Hanging("a")
    component = callbacks(store, listener)

    async def told(*ids: str) -> None:
        async def heard() -> bool:
            return set(ids) <= {callback.id for callback in listener.told}

        await eventually(heard, seconds=60)

    slow = [("a", f"https://a.example/{number}", number) for number in range(30)]
    quick = [("b", f"https://b.example/{number % 9}", 100 + number) for number in range(100)]
    async with store.database.transaction() as connection:
        await connection.execute(insert(status_callbacks), stored_callbacks(*slow, *quick))
    posting = asyncio.ensure_future(component.post())
    await told(*(f"b{100 + number}" for number in range(100)))
    assert len(listener.hung) == 8
    async with store.database.transaction() as connection:
        await connection.execute(insert(status_callbacks), stored_callbacks(("c", "https://c.example/", 300)))
    await store.clock.advance(1)
    await told("c300")
    assert (len(listener.hung), posting.done()) == (8, False)
    listener.let_go.set()
    await posting
    assert (len(listener.hung), len(set(listener.hung)), await waiting(store)) == (30, 30, 0)


async def test_a_database_that_is_away_ends_the_round_and_no_callback(store: Store) -> None:
    """What is under way goes on, and the next round looks after it."""
    listener = Hanging("a")
    component = callbacks(store, listener)
    async with store.database.transaction() as connection:
        await connection.execute(insert(status_callbacks), stored_callbacks(("a", "https://a.example/", 1), ("b", "https://b.example/", 2)))

    class Away(SqlStatusCallbackStore):
        async def remove(self, ids: Sequence[str]) -> None:
            if "b2" in ids:
                raise Unavailable("a test's")
            await super().remove(ids)

    component = StatusCallbacks(
        store=Away(database=store.database, order=store.order), client=listener, clock=store.clock, draw=lambda: 0.0
    )
    with pytest.raises(Unavailable):
        await component.post()
    listener.let_go.set()
    await component.post()
    assert (listener.hung, await waiting(store)) == (["a1"], 1)
