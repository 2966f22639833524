"""Messages to whoever is on call: found at the moment of sending, and nobody is never silence."""

from dataclasses import replace

import pytest

from mailer_svc.domain import Channel, Channels, Content, ExpansionCursor, Notification
from mailer_svc.domain.rotations import OverrideKind, Rotation, RotationLayer, RotationOverride, RotationPlan, TurnUnit
from mailer_svc.service import Expansion, GapWatch, OnCall, expansion
from mailer_svc.store import SqlPeopleFacts, SqlRotationHistories, SqlRotations
from mailer_svc.store.people_tables import group_members, groups
from mailer_svc.store.rotation_tables import rotation_revisions
from tests.integration.mailer.engine import TENANT, Engine, make_engine
from tests.integration.mailer.stored import Store
from tocsin.addresses import normal_address

HOUR = 3600 * 1_000_000


@pytest.fixture
def engine(store: Store) -> Engine:
    """On each database."""
    return make_engine(store)


async def rotate(engine: Engine, name: str, *people: str, end: int | None = None) -> SqlRotations:
    """A rotation whose turns are hours from 1 January 2026, 00:00 UTC on, which is now."""
    now = engine.store.clock.micros()
    start = now // 1_000_000
    layer = RotationLayer(participants=tuple((one,) for one in people), unit=TurnUnit.HOURS, count=1, hand_over=0, start=start, end=end)
    kept = SqlRotations(database=engine.store.database, order=engine.store.order)
    await kept.create(Rotation(tenant=TENANT, id=name, plan=RotationPlan(time_zone="UTC", layers=(layer,)), created=now, updated=now))
    return kept


def watch_of(engine: Engine) -> GapWatch:
    """Who tells owners of gaps, as a replica has it."""
    return GapWatch(
        histories=SqlRotationHistories(database=engine.store.database),
        people=SqlPeopleFacts(database=engine.store.database),
        journal=engine.store.journal,
        clock=engine.store.clock,
        expand=lambda: None,
    )


async def test_who_is_on_call_when_it_is_sent_gets_it(engine: Engine) -> None:
    """By a rotation, or by a group in which it is, once; not who was on call when it was handed in."""
    await engine.people("ann", "bob", "eve")
    await rotate(engine, "night", "ann", "bob")
    await engine.put(groups, {"id": "team"}, {"id": "all"})
    await engine.put(group_members, {"group_id": "team", "kind": 3, "member": "night"}, {"group_id": "team", "kind": 1, "member": "eve"})
    await engine.put(group_members, {"group_id": "all", "kind": 2, "member": "team"})
    await engine.announce("n1", recipients=("rotations/night", "groups/all"))
    await engine.store.clock.advance(3600)
    await engine.expand()
    assert await engine.states() == [("bob", "ACCEPTED", ""), ("eve", "ACCEPTED", "")]


async def test_nobody_on_call_is_a_row_with_its_reason(engine: Engine) -> None:
    """One for each rotation, also for one that does not exist or cannot be read; the others get theirs."""
    await engine.people("ann")
    await rotate(engine, "day", "ann")
    await rotate(engine, "over", "ann", end=engine.store.clock.micros() // 1_000_000)
    await engine.put(rotation_revisions, {"rotation": "odd", "revision": 1, "document": '{"time_zone": 7}', "since": 0})
    await engine.send("n1", recipients=("rotations/over", "rotations/day", "rotations/none", "rotations/odd"))
    assert await engine.states() == [
        ("rotations/none", "SUPPRESSED", "NOBODY_ON_CALL"),
        ("rotations/odd", "SUPPRESSED", "NOBODY_ON_CALL"),
        ("rotations/over", "SUPPRESSED", "NOBODY_ON_CALL"),
        ("ann", "ACCEPTED", ""),
    ]
    details = [item.timeline[0].detail for item in await engine.deliveries() if item.to.startswith("rotations/")]
    assert details == [
        "NOBODY_ON_CALL: there is no rotation rotations/none, or nobody can read it",
        "NOBODY_ON_CALL: there is no rotation rotations/odd, or nobody can read it",
        "NOBODY_ON_CALL: nobody is on call in rotations/over",
    ]
    await engine.expand()
    assert len(await engine.states()) == 4


async def test_a_hand_over_between_two_parts_loses_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts of a notification mean who was on call when it began."""
    monkeypatch.setattr(expansion, "_PEOPLE", 2)
    await engine.people("ann", "bob", "carl", "zoe")
    kept = await rotate(engine, "r", "zoe", "ann")
    now = engine.store.clock.micros()
    extra = RotationOverride(id="o", kind=OverrideKind.ADD, recipients=("bob",), start=now, end=now + HOUR, created=now)
    await kept.add_override(tenant=TENANT, rotation="r", override=extra, most=9)
    people = SqlPeopleFacts(database=engine.store.database)
    on_call = OnCall(histories=SqlRotationHistories(database=engine.store.database), clock=engine.store.clock)
    channels = Channels([Channel(name="email", normal_address=normal_address)], default="email")
    parts = Expansion(people=people, on_call=on_call, channels=channels, clock=engine.store.clock)
    recipients = ("rotations/r", "recipients/carl", "recipients/bob")
    item: Notification | None = Notification(
        id="n1", tenant=TENANT, recipients=recipients, content=Content("Hello", ""), send_time=now, created=now, updated=now
    )
    told: list[str] = []
    while item is not None:
        ((part,), _) = await parts.parts([item], until=now)
        told += [message.recipient_id for message in part.messages]
        item = part.rest and replace(part.rest, cursor=ExpansionCursor.parse(str(part.rest.cursor)))
        await engine.store.clock.advance(3600)
    assert told == ["bob", "carl", "zoe"]


async def test_a_gap_ahead_is_told_once(engine: Engine) -> None:
    """A week before, to the owner, by whichever replica looks first; again for another gap, never for one twice."""
    await engine.people("ann", "lead")
    now = engine.store.clock.micros()
    week = 7 * 24 * HOUR
    kept = SqlRotations(database=engine.store.database, order=engine.store.order)
    begin = now // 1_000_000
    layer = RotationLayer(participants=(("ann",),), unit=TurnUnit.WEEKS, count=1, hand_over=0, start=begin, end=begin + 8 * 86_400)
    plan = RotationPlan(time_zone="Europe/Berlin", layers=(layer,), owner="recipients/lead")
    await kept.create(Rotation(tenant=TENANT, id="r", plan=plan, created=now, updated=now))
    one, other = watch_of(engine), watch_of(engine)
    await one.tell_due()
    await engine.expand()
    assert await engine.states() == []
    await engine.store.clock.advance(86_400)
    for watch in (one, other, one):
        await watch.tell_due()
        await kept.delete_override(tenant=TENANT, rotation="r", id="none", now=now)
        await engine.store.clock.advance(901)
    await engine.expand()
    assert [(item.recipient_id, item.subject) for item in await engine.deliveries()] == [
        ("lead", "Nobody on call: rotations/r, Fri 2026-01-09 00:00")
    ]
    later = engine.store.clock.micros()
    away = RotationOverride(id="o", kind=OverrideKind.REMOVE, recipients=("ann",), start=later + HOUR, end=later + 2 * HOUR, created=later)
    await kept.add_override(tenant=TENANT, rotation="r", override=away, most=9)
    await other.tell_due()
    await engine.expand()
    assert len(await engine.deliveries()) == 2
    await engine.store.clock.advance(week / 1_000_000)
    await one.tell_due()
    await engine.expand()
    assert len(await engine.deliveries()) == 2


async def test_people_on_call_whom_no_message_reaches_are_told_of_once_a_week(engine: Engine) -> None:
    """Deleted, or without an address that gets messages; where one of several can be reached, nobody is told."""
    await engine.people("ann", "bob", "lead")
    await engine.people("mute", channels=())
    now = engine.store.clock.micros()
    kept = SqlRotations(database=engine.store.database, order=engine.store.order)
    turns = (("ann",), ("bob", "mute"), ("mute", "gone"), ("mute", "gone"))
    layer = RotationLayer(participants=turns, unit=TurnUnit.DAYS, count=1, hand_over=0, start=now // 1_000_000)
    plan = RotationPlan(time_zone="Europe/Berlin", layers=(layer,), owner="recipients/lead")
    await kept.create(Rotation(tenant=TENANT, id="r", plan=plan, created=now, updated=now))
    for watch in (watch_of(engine), watch_of(engine)):
        await watch.tell_due()
        await engine.store.clock.advance(901)
    await engine.expand()
    [told] = await engine.deliveries()
    assert (told.recipient_id, told.subject) == ("lead", "Nobody on call can be reached: rotations/r, Sat 2026-01-03 00:00")
    await engine.store.clock.advance(8 * 86_400)
    await watch_of(engine).tell_due()
    await engine.expand()
    assert len(await engine.deliveries()) == 2
