"""The store on each database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from mailer_svc.domain import (
    Content,
    DeclaredVariable,
    DeliveryState,
    MessageAction,
    Priority,
    SendResult,
    Template,
    TemplateNotFound,
    TemplatePart,
    Variables,
)
from mailer_svc.handlers.deliveries import delivery_message
from mailer_svc.ports import DeliveryQuery
from mailer_svc.store import TemplateExists
from mailer_svc.store.people_tables import categories, recipients, template_parts
from mailer_svc.store.tables import template_versions
from tests.integration.mailer.stored import LEASE, Store, make, new, settlement
from tocsin.testing.clock import FakeClock


async def test_a_delivery_is_stored_once(store: Store) -> None:
    """Within a batch, across batches at the same time, and later on; the ids that were new are told once."""
    results = await asyncio.gather(*(store.journal.accept([new(1), new(1), new(number)]) for number in (2, 3, 2)))
    assert sorted(item for result in results for item in result) == ["d1", "d2", "d3"]
    assert await store.journal.accept([new(1)]) == {}
    assert len(await store.reader.page(DeliveryQuery(tenant="t1"), before=None, limit=10)) == 3


async def test_a_message_for_the_inbox_is_sent_by_being_stored(store: Store) -> None:
    """The delivery is SENT, the message is there as it was written, and no sender gets it."""
    await store.journal.accept([new(1, channel="inbox", kept=True)])
    message = await store.inbox.get(tenant="t1", id="d1")
    assert message is not None
    assert (message.content, message.to, message.received) == (new().content, "ann@example.com", store.clock.micros())
    assert await store.state("d1") is DeliveryState.SENT
    assert await store.claim() == []
    assert await store.inbox.get(tenant="t2", id="d1") is None
    assert await store.inbox.page(tenant="t2", before=None, limit=10) == []


async def test_a_claim_takes_what_is_due_in_its_lane_and_nobody_else_gets_it(store: Store) -> None:
    """The oldest first; the content comes along; a second claimant gets the rest."""
    for number in range(1, 4):
        await store.journal.accept([new(number)])
        await store.clock.advance(1)
    await store.journal.accept([new(9, priority=Priority.CRITICAL)])
    assert await store.queue.due_priorities(now=store.clock.micros()) == [Priority.CRITICAL, Priority.NORMAL]
    first = await store.claim("a", limit=2)
    second = await store.claim("b")
    assert [job.id for job in first] == ["d1", "d2"]
    assert [job.id for job in second] == ["d3"]
    assert first[0].content == new().content
    assert [job.id for job in await store.claim("a", Priority.CRITICAL)] == ["d9"]
    assert await store.queue.depths() == {Priority.CRITICAL: 1, Priority.NORMAL: 3, Priority.BULK: 0}


async def test_a_row_of_a_newer_version_is_shown(store: Store) -> None:
    """Its channel and its state are not known here, and hold up neither its page nor its watch; on the wire it is what it is."""
    await store.journal.accept([new(number) for number in (1, 2, 3)])
    table, of_events = ("deliveries", "events")
    if store.database.dialect != "sqlite":
        table, of_events = f"mailer_svc.{table}", f"mailer_svc.{of_events}"
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE {table} SET channel = 'pager', state = 42 WHERE id = 'd2'")  # noqa: S608  constants
        await connection.exec_driver_sql(f"UPDATE {of_events} SET state = 42 WHERE delivery = 'd2'")  # noqa: S608  constants
    page = await store.reader.page(DeliveryQuery(tenant="t1"), before=None, limit=10)
    shown = {item.id: delivery_message(item) for item in page}
    assert (shown["d2"].channel, shown["d2"].state, shown["d1"].channel) == ("pager", 42, "email")
    found = await store.reader.get(tenant="t1", id="d2")
    assert found is not None
    assert delivery_message(found).channel == "pager"


async def test_a_claim_tells_whom_and_whether_they_may_leave(store: Store) -> None:
    """The recipient's name and the category's kind as they are now; a category that nobody described may be left, no category cannot.

    What other tenants have under the same ids is nobody else's.
    """
    async with store.database.transaction() as connection:
        stamps = {"created": 0, "updated": 0}
        for tenant, owner in (("a", "Stranger"), ("t1", "Ann"), ("z", "Stranger")):
            person = {"tenant": tenant, "id": "ann", "display_name": owner, "name_key": "", "locale": "", "time_zone": ""}
            await connection.execute(insert(recipients).values(**person, attributes="{}", **stamps))
        names = ("alarms", "receipts", "news")
        kinds = [("t1", name, number) for number, name in enumerate(names, start=1)] + [
            (tenant, name, 1) for tenant in "az" for name in names
        ]
        for tenant, name, kind in sorted(kinds):
            row = {"tenant": tenant, "id": name, "display_name": "", "kind": kind, "channels": "[]", "digest_window": 0}
            await connection.execute(insert(categories).values(**row, **stamps))
    cases = {1: ("ann", "alarms"), 2: ("", "receipts"), 3: ("bob", "news"), 4: ("", "unknown"), 5: ("", "")}
    await store.journal.accept([new(number, recipient_id=who, category=category) for number, (who, category) in cases.items()])
    found = {job.id: (job.recipient_name, job.may_leave) for job in await store.claim()}
    assert [found[new(number).id] for number in cases] == [("Ann", False), ("", True), ("", True), ("", True), ("", False)]


async def test_claims_at_the_same_time_share_the_work(store: Store) -> None:
    """Every delivery goes to exactly one of them."""
    await store.journal.accept([new(number) for number in range(100)])
    claims = await asyncio.gather(*(store.claim(f"o{number}", limit=20) for number in range(8)))
    ids = [job.id for jobs in claims for job in jobs]
    assert len(ids) == len(set(ids))
    while more := await store.claim("last", limit=50):
        ids += [job.id for job in more]
    assert len(set(ids)) == len(ids) == 100


async def test_mark_and_outcome_are_stored_with_their_timeline(store: Store) -> None:
    """ACCEPTED, SENDING, SENT; the body is removed with the last."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim()
    assert await store.journal.hand_over(job, "smtp")
    assert await store.state("d1") is DeliveryState.SENDING
    assert await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    delivery = await store.reader.get(tenant="t1", id="d1")
    assert delivery is not None
    assert [entry.state for entry in delivery.timeline] == [DeliveryState.ACCEPTED, DeliveryState.SENDING, DeliveryState.SENT]
    assert (delivery.attempts, delivery.timeline[-1].code, delivery.timeline[-1].provider) == (1, 250, "smtp")
    assert await store.queue.depths() == {Priority.CRITICAL: 0, Priority.NORMAL: 0, Priority.BULK: 0}


async def test_a_deferred_delivery_waits_for_its_time(store: Store) -> None:
    """It is due again when its wait is over, and not before."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim()
    await store.journal.settle(settlement(job, SendResult.DEFERRED, store.clock))
    delivery = await store.reader.get(tenant="t1", id="d1")
    assert delivery is not None
    assert (delivery.state, delivery.next_attempt) == (DeliveryState.RETRYING, store.clock.micros() + 30_000_000)
    assert await store.claim() == []
    await store.clock.advance(31)
    (again,) = await store.claim()
    assert (again.attempts, again.deferrals, again.epoch) == (1, 1, job.epoch + 1)


async def test_a_claim_that_ended_before_the_mark_costs_nothing_but_time(store: Store) -> None:
    """Another sender gets the delivery; the first, should it wake up, can no longer mark or settle it."""
    await store.journal.accept([new(1)])
    (old,) = await store.claim("a")
    await store.clock.advance(31)
    (job,) = await store.claim("b")
    assert not await store.journal.hand_over(old, "smtp")
    assert not await store.journal.settle(settlement(old, SendResult.SENT, store.clock))
    assert await store.journal.hand_over(job, "smtp")
    assert not await store.journal.hand_over(job, "smtp")


async def test_a_claim_can_be_renewed_and_released_by_its_owner_alone(store: Store) -> None:
    """Renewed it stands longer, released it is free at once; strangers change nothing."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim("a")
    await store.clock.advance(20)
    await store.queue.renew(owner="a", ids=[job.id], until=store.clock.micros() + LEASE)
    await store.queue.release(owner="b", ids=[job.id], now=store.clock.micros())
    await store.clock.advance(20)
    assert await store.claim("b") == []
    await store.queue.release(owner="a", ids=[job.id], now=store.clock.micros())
    assert len(await store.claim("b")) == 1


@pytest.mark.parametrize(("resend", "expected"), [(False, DeliveryState.OUTCOME_UNKNOWN), (True, DeliveryState.RETRYING)])
async def test_a_vanished_sender_leaves_the_outcome_unknown(store: Store, resend: bool, expected: DeliveryState) -> None:
    """Nobody claims such a delivery; when its claim has ended, its resend policy decides."""
    await store.journal.accept([new(1, resend=resend), new(2)])
    jobs = {job.id: job for job in await store.claim("a")}
    await store.journal.hand_over(jobs["d1"], "smtp")
    assert await store.queue.expire_handed_over(now=store.clock.micros(), wait=1_000_000, limit=10) == 0
    await store.clock.advance(31)
    assert [job.id for job in await store.claim("b")] == ["d2"]
    assert await store.queue.expire_handed_over(now=store.clock.micros(), wait=1_000_000, limit=10) == 1
    assert await store.state("d1") is expected
    found = await store.reader.get(tenant="t1", id="d1")
    assert found is not None
    assert found.timeline[-1].detail.startswith("outcome unknown, sent again") is resend
    await store.clock.advance(2)
    assert [job.id for job in await store.claim("b")] == (["d1"] if resend else [])


async def test_an_outcome_that_comes_late_corrects_the_guess(store: Store) -> None:
    """A sender that only stalled knows better than OUTCOME_UNKNOWN."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim("a")
    await store.journal.hand_over(job, "smtp")
    await store.clock.advance(31)
    await store.queue.expire_handed_over(now=store.clock.micros(), wait=0, limit=10)
    assert await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    assert await store.state("d1") is DeliveryState.SENT
    assert not await store.journal.settle(settlement(job, SendResult.REFUSED, store.clock))


async def test_a_start_takes_over_from_the_dead(store: Store) -> None:
    """Claims of others end at once; what waits for its time keeps it."""
    await store.journal.accept([new(1), new(2), new(3)])
    jobs = {job.id: job for job in await store.claim("dead")}
    await store.journal.hand_over(jobs["d1"], "smtp")
    await store.journal.settle(settlement(jobs["d3"], SendResult.DEFERRED, store.clock))
    await store.queue.end_other_claims(owner="new", now=store.clock.micros())
    assert [job.id for job in await store.claim("new")] == ["d2"]
    assert await store.queue.expire_handed_over(now=store.clock.micros(), wait=0, limit=10) == 1
    assert await store.state("d1") is DeliveryState.OUTCOME_UNKNOWN


async def test_pages_and_filters(store: Store) -> None:
    """The newest first, of one tenant; every filter holds."""
    for number in range(1, 6):
        await store.journal.accept([new(number, to=f"U{number}@example.com"), new(number + 100, tenant="t2")])
        await store.clock.advance(1)
    first = await store.reader.page(DeliveryQuery(tenant="t1"), before=None, limit=2)
    rest = await store.reader.page(DeliveryQuery(tenant="t1"), before=(first[-1].created, first[-1].id), limit=10)
    assert [item.id for item in (*first, *rest)] == ["d5", "d4", "d3", "d2", "d1"]
    for equal, unequal, expected in [
        ([("to", "u3@EXAMPLE.com")], [], ["d3"]),
        ([("firing", "f2")], [], ["d2"]),
        ([("state", int(DeliveryState.ACCEPTED))], [("firing", "f2"), ("firing", "f3")], ["d5", "d4", "d1"]),
        ([("channel", "inbox")], [], []),
    ]:
        found = await store.reader.page(DeliveryQuery(tenant="t1", equal=tuple(equal), unequal=tuple(unequal)), before=None, limit=10)
        assert [item.id for item in found] == expected


async def test_changes_come_in_order_and_none_is_missed(store: Store) -> None:
    """From a place on, each change once, with the delivery as it was then; other tenants' are not shown."""
    await store.journal.accept([new(1)])
    start = await store.reader.end_of_changes()
    assert await store.reader.changes(tenant="t1", after=start, firing="", limit=10) == []
    await store.journal.accept([new(2), new(3, tenant="t2")])
    (job, _, _) = await store.claim()
    await store.journal.hand_over(job, "smtp")
    await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    changes = await store.reader.changes(tenant="t1", after=start, firing="", limit=10)
    assert [(change.delivery.id, change.delivery.state) for change in changes] == [
        ("d2", DeliveryState.ACCEPTED),
        (job.id, DeliveryState.SENDING),
        (job.id, DeliveryState.SENT),
    ]
    rest = await store.reader.changes(tenant="t1", after=changes[0].position, firing="", limit=10)
    assert rest == changes[1:]
    assert [c.delivery.id for c in await store.reader.changes(tenant="t1", after=start, firing="f2", limit=10)] == ["d2"]


@pytest.mark.native
async def test_a_watcher_does_not_pass_a_transaction_under_way(postgres_url: str, clock: FakeClock) -> None:
    """A later transaction that commits first is shown only when the earlier one has ended: otherwise that one's changes would be missed."""
    store = await make(postgres_url, clock)
    start = await store.reader.end_of_changes()
    async with store.database.transaction() as slow:
        await store.order.begin(slow)
        await store.journal.accept([new(1)])
        assert await store.reader.changes(tenant="t1", after=start, firing="", limit=10) == []
    changes = await store.reader.changes(tenant="t1", after=start, firing="", limit=10)
    assert [change.delivery.id for change in changes] == ["d1"]
    await store.journal.stop()
    await store.database.stop()


async def test_numbers_of_changes_grow_across_restarts(database_url: str, clock: FakeClock) -> None:
    """A token from before still continues, and nothing gets a number twice."""
    places: list[int] = []
    for number in range(3):
        store = await make(database_url, clock)
        start = await store.reader.end_of_changes()
        await store.journal.accept([new(number)])
        (change,) = await store.reader.changes(tenant="t1", after=start, firing="", limit=10)
        places.append(change.position.transaction)
        await store.journal.stop()
        await store.database.stop()
    assert places == sorted(set(places))


async def test_old_things_are_removed_and_nothing_else(store: Store) -> None:
    """Messages of the inbox and finished deliveries go by age; what waits stays however old it is."""
    await store.journal.accept([new(1, channel="inbox", kept=True), new(2)])
    await store.clock.advance(100)
    await store.journal.accept([new(3, channel="inbox", kept=True)])
    before = store.clock.micros() - 50_000_000
    assert await store.housekeeping.clean(inbox_before=before, deliveries_before=0, limit=10) == 1
    assert [item.id for item in await store.inbox.page(tenant="t1", before=None, limit=10)] == ["d3"]
    assert await store.housekeeping.clean(inbox_before=before, deliveries_before=before, limit=10) == 1
    remaining = await store.reader.page(DeliveryQuery(tenant="t1"), before=None, limit=10)
    assert {item.id for item in remaining} == {"d2", "d3"}


def part(uid: str, content: Content, **fields: Any) -> TemplatePart:
    """What a template says."""
    return TemplatePart(uid=uid, content=content, **fields)


def template(code: str = "greeting", uid: str = "u1", **fields: Any) -> Template:
    """A template; ``fields`` replace its own."""
    values: dict[str, Any] = {
        "tenant": "t1",
        "code": code,
        "version": 1,
        "uid": uid,
        "parts": (part(uid, Content("Hi {{ name }}", "Hello", "")),),
        "variables": Variables(("name", "b"), ("name",)),
        "resend": True,
        "created": 5,
    }
    return Template(**{**values, **fields})


async def test_versions_of_a_template_stay(store: Store) -> None:
    """The newest is the promoted one unless it is kept for later; the older ones can still be read; another tenant's are another's."""
    await store.templates.create(template())
    second = await store.templates.add_version(template(uid="u2", parts=(part("u2", Content("Ho", "Hello", "")),)))
    assert second.version == 2
    assert await store.templates.get(tenant="t1", code="greeting", version=1) == template(promoted=False)
    assert await store.templates.get(tenant="t1", code="greeting", version=0) == second
    assert await store.templates.get(tenant="t2", code="greeting", version=0) is None
    assert await store.templates.current([("t1", "greeting"), ("t2", "greeting")]) == {("t1", "greeting"): "u2"}
    later = await store.templates.add_version(template(uid="u3", promoted=False))
    assert (later.version, await store.templates.get(tenant="t1", code="greeting", version=0)) == (3, second)
    await store.templates.promote(later)
    assert await store.templates.get(tenant="t1", code="greeting", version=0) == replace(later, promoted=True)
    newest = await store.templates.versions(tenant="t1", code="greeting", before=None, limit=2)
    oldest = await store.templates.versions(tenant="t1", code="greeting", before=2, limit=2)
    assert [(item.version, item.promoted) for item in (*newest, *oldest)] == [(3, True), (2, False), (1, False)]
    with pytest.raises(TemplateExists):
        await store.templates.create(template())
    with pytest.raises(TemplateNotFound):
        await store.templates.add_version(template("other"))


async def test_versions_that_are_added_at_the_same_time_get_numbers_of_their_own(store: Store) -> None:
    """Whether they are promoted or not."""
    await store.templates.create(template())
    added = await asyncio.gather(*(store.templates.add_version(template(uid=f"n{n}", promoted=n % 2 == 0)) for n in range(8)))
    assert sorted(item.version for item in added) == list(range(2, 10))
    promoted = await store.templates.get(tenant="t1", code="greeting", version=0)
    assert promoted in [item for item in added if item.promoted]


async def test_what_a_template_says_is_kept_by_channel_and_language(store: Store) -> None:
    """With the HTML as it was written, buttons and declared variables; one of a release without parts says what its row says."""
    declared = (DeclaredVariable(name="name", description="who", required=True, example="Ann"), DeclaredVariable(name="b", default="x"))
    buttons = (MessageAction("Open {{ b }}", "https://example.org/{{ name }}"),)
    parts = (
        part("u1", Content("Hi", "Hello", "<p style='margin:0'>", buttons), html_source="<p>", declared=declared),
        part("u1//de", Content("Hallo", "Guten Tag"), locale="de", declared=declared),
        part("u1/push/", Content("Hi", "Hello", actions=buttons), channel="push", declared=declared),
    )
    await store.templates.create(template(parts=parts, declared=declared))
    assert await store.templates.get(tenant="t1", code="greeting", version=0) == template(parts=parts, declared=declared)
    async with store.database.transaction() as connection:
        await connection.execute(template_parts.delete())
    old = await store.templates.get(tenant="t1", code="greeting", version=0)
    assert old is not None
    assert [(item.uid, item.content, item.html_source) for item in old.parts] == [("u1", Content("Hi", "Hello", "<p>"), "<p>")]


@pytest.mark.parametrize("odd", ["", "[", "[1]", '[{"label": 1}]', "null"])
async def test_an_odd_row_of_a_part_costs_its_buttons_alone(store: Store, odd: str) -> None:
    """And odd declarations are none."""
    await store.templates.create(template())
    async with store.database.transaction() as connection:
        await connection.execute(template_parts.update().values(actions=odd))
        await connection.execute(template_versions.update().values(declared=odd))
    assert await store.templates.get(tenant="t1", code="greeting", version=0) == template()


async def test_templates_are_listed_by_code_and_deleted_whole(store: Store) -> None:
    """One row a code, whatever its versions; a deleted code can be used again."""
    for code in ("b", "a", "c"):
        await store.templates.create(template(code, uid=code))
    await store.templates.add_version(template("a", uid="a2"))
    first = await store.templates.page(tenant="t1", after="", limit=2)
    rest = await store.templates.page(tenant="t1", after="b", limit=2)
    assert [(item.code, item.version) for item in (*first, *rest)] == [("a", 2), ("b", 1), ("c", 1)]
    assert await store.templates.delete(tenant="t1", code="a")
    assert not await store.templates.delete(tenant="t1", code="a")
    assert not await store.templates.delete(tenant="t2", code="b")
    again = replace(template("a", uid="a3"), version=1)
    await store.templates.create(again)
    assert await store.templates.get(tenant="t1", code="a", version=0) == again
