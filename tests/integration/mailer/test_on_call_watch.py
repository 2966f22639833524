"""Who is on call, watched on each database: edits and hand-overs, with a place to go on from. Time stands unless it is moved."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import count

import msgspec
import pytest

from mailer_svc.domain.rotations import OverrideKind, RotationLayer, RotationOverride, RotationPlan, TurnUnit
from mailer_svc.service import OnCall, Rotations
from mailer_svc.service.on_call_watch import OnCallChange, OnCallWatch
from mailer_svc.service.rotation_calendars import ShiftReader
from mailer_svc.store import SqlRotationHistories, SqlRotations
from mailer_svc.store.people_tables import recipients
from mailer_svc.store.rotation_calendars import SqlRotationCalendars
from tests.integration.mailer.people import Address, People
from tests.integration.mailer.stored import Store
from tests.integration.mailer.test_rotations import Roster, layer
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.errors import InvalidInput, PermissionDenied
from tocsin.redis import EventBus, Redis
from tocsin.testing.waiting import eventually

HOUR = 3600
SOON = 2


class Follower:
    """Somebody who watches, and what they were told."""

    def __init__(self, watch: OnCallWatch, token: str) -> None:
        self.came: list[OnCallChange] = []
        self._task = asyncio.ensure_future(self._follow(watch, token))

    async def _follow(self, watch: OnCallWatch, token: str) -> None:
        async for change in watch.watch(tenant="t1", token=token, most=lambda: 2):
            self.came.append(change)

    async def hears(self, *expected: tuple[str, Sequence[str]]) -> list[str]:
        """Waits until as much was told, which must be this, by rotation and who is on call; the tokens."""
        await eventually(lambda: len(self.came) >= len(expected) or self._task.done(), what="the watch")
        if self._task.done():
            self._task.result()
        came, self.came = self.came, []
        who = [list(each.answer.interval.recipients) if each.answer.interval else [] for each in came]
        assert [(each.answer.rotation, names) for each, names in zip(came, who, strict=True)] == list(expected)
        return [each.token for each in came]

    async def stop(self) -> None:
        """Watches no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Duty:
    """Rotations on a database, and those who watch them."""

    def __init__(self, store: Store) -> None:
        self.clock = store.clock
        self.kept = SqlRotations(database=store.database, order=store.order)
        hints = EventBus(redis=Redis(url=None, clock=self.clock), clock=self.clock)
        reader = ShiftReader(store=SqlRotationCalendars(database=store.database), clock=self.clock)
        on_call = OnCall(histories=SqlRotationHistories(database=store.database), clock=self.clock)
        ids = count()
        self.rotations = Rotations(store=self.kept, reader=reader, hints=hints, clock=self.clock, new_id=lambda: f"o{next(ids)}")
        self._watch = OnCallWatch(on_call=on_call, store=self.kept, hints=hints, clock=self.clock)
        self.followers: list[Follower] = []

    def plan(self, *people: str) -> RotationPlan:
        """Turns of an hour, the first of which ends in two seconds."""
        start, turns = self.clock.micros() // 1_000_000 // HOUR * HOUR, tuple((one,) for one in people)
        turn = RotationLayer(participants=turns, unit=TurnUnit.HOURS, count=1, hand_over=0, start=start)
        return RotationPlan(time_zone="UTC", layers=(turn,))

    async def create(self, name: str, *people: str, tenant: str = "t1") -> None:
        """A new rotation."""
        await self.rotations.create(tenant=tenant, id=name, plan=self.plan(*people))

    async def follow(self, token: str = "") -> Follower:
        """Somebody who watches from now on, or from a token on."""
        made = Follower(self._watch, token or f"{await self.kept.end_of_changes()}-{self.clock.micros()}-~")
        self.followers.append(made)
        return made


@pytest.fixture
async def duty(store: Store) -> AsyncGenerator[Duty]:
    """Three people of one tenant and one of another, on each database in turn."""
    empty = {"display_name": "", "name_key": "", "locale": "", "time_zone": "", "attributes": "{}", "created": 0, "updated": 0}
    people = [("t1", "ann"), ("t1", "bob"), ("t1", "eve"), ("t2", "ann")]
    async with store.database.transaction() as connection:
        await connection.execute(recipients.insert(), [{"tenant": tenant, "id": name, **empty} for tenant, name in people])
    await store.clock.advance(HOUR - SOON)
    made = Duty(store)
    yield made
    for follower in made.followers:
        await follower.stop()


async def test_edits_are_heard_at_once(duty: Duty) -> None:
    """A new rotation, another plan, an override made and taken back, a removal; of another tenant nothing. No time passes."""
    follower = await duty.follow()
    await duty.create("r", "ann", "bob", tenant="t1")
    await follower.hears(("r", ["ann"]))
    await duty.create("r", "ann", tenant="t2")
    await duty.rotations.update(tenant="t1", id="r", change=lambda _: duty.plan("bob", "ann"))
    await follower.hears(("r", ["bob"]))
    now = duty.clock.micros()
    held = RotationOverride(id="", kind=OverrideKind.REPLACE, recipients=("eve",), start=now - 1, end=now + HOUR * 1_000_000)
    made = await duty.rotations.add_override(tenant="t1", rotation="r", override=held)
    await follower.hears(("r", ["eve"]))
    await duty.rotations.delete_override(tenant="t1", rotation="r", id=made.id)
    await follower.hears(("r", ["bob"]))
    await duty.rotations.delete(tenant="t1", id="r")
    await follower.hears(("r", []))


async def test_a_hand_over_is_heard_when_it_comes(duty: Duty) -> None:
    """Of every rotation, also of those that were there before; where nobody hands over, nothing is told."""
    await duty.create("a", "ann", "bob")
    await duty.create("alone", "eve")
    follower = await duty.follow()
    await duty.create("b", "bob", "eve")
    await follower.hears(("b", ["bob"]))
    await duty.clock.advance(SOON)
    await follower.hears(("a", ["bob"]), ("alone", ["eve"]), ("b", ["eve"]))


async def test_it_goes_on_where_it_was(duty: Duty) -> None:
    """Behind one of several hand-overs of the same instant the others come; what changed meanwhile comes once, as it is now."""
    for name in ("a", "b", "c"):
        await duty.create(name, "ann", "bob")
    follower = await duty.follow()
    await duty.clock.advance(SOON)
    tokens = await follower.hears(("a", ["bob"]), ("b", ["bob"]), ("c", ["bob"]))
    assert len(set(tokens)) == 3
    await follower.stop()
    others = await duty.follow(tokens[0])
    await others.hears(("b", ["bob"]), ("c", ["bob"]))
    await others.stop()
    for name in ("first", "second"):
        await duty.rotations.update(tenant="t1", id="b", change=lambda plan, name=name: msgspec.structs.replace(plan, display_name=name))
    await duty.clock.advance(3 * HOUR)
    again = await duty.follow(tokens[-1])
    token = (await again.hears(("a", ["ann"]), ("c", ["ann"]), ("b", ["ann"])))[-1]
    await duty.create("d", "eve")
    await again.hears(("d", ["eve"]))
    await (await duty.follow(token)).hears(("d", ["eve"]))


@pytest.mark.parametrize("token", ["x", "1-2", "1-2-", "-1-2-a", "1-2-/", f"{'9' * 19}-1-~", "1-1-~\n", "\u0661-1-~"])
async def test_a_token_of_something_else_is_refused(duty: Duty, token: str) -> None:
    """With the field."""
    with pytest.raises(InvalidInput) as refused:
        await (await duty.follow(token)).hears(("a", []))
    assert refused.value.violations[0].field == "resumeToken"


async def test_a_user_watches_through_the_mesh(people: People) -> None:
    """From now on, as soon as the stream is open; with the scope that reading has."""
    roster = Roster(people)
    for name in ("ann", "bob"):
        await people.create(name, addresses=[Address(channel="inbox", value=f"{name}@x.org", state=Address.ACTIVE)])
    await roster.create("r", layer("ann"))
    with roster.rig.user(scopes=["recipients:write"]), pytest.raises(PermissionDenied):
        await anext(aiter(roster.stub.WatchRotations(pb.WatchRotationsRequest())))
    with roster.rig.user():
        stream = roster.stub.WatchRotations(pb.WatchRotationsRequest())
        first = asyncio.ensure_future(anext(aiter(stream)))
        numbers = count()

        async def told() -> bool:  # the stream is open once it tells something
            await roster.change("display_name", name="rotations/r", display_name=f"night {next(numbers)}")
            return first.done()

        await eventually(told)
        came = await first
        stream.cancel()
    assert (came.on_call.rotation, list(came.on_call.interval.recipients)) == ("rotations/r", ["recipients/ann"])
    with roster.rig.user():
        await roster.change("layers", name="rotations/r", layers=[layer("bob")])
        resumed = roster.stub.WatchRotations(pb.WatchRotationsRequest(resume_token=came.resume_token))
        changed = await anext(aiter(resumed))
        resumed.cancel()
    assert list(changed.on_call.interval.recipients) == ["recipients/bob"]
