"""Calendars behind URLs are read side by side: what one server does costs the calendars that are there."""

import asyncio

from sqlalchemy import insert

from mailer_svc.service.rotation_calendars import CalendarWatch, ShiftReader
from mailer_svc.store import SqlRotations
from mailer_svc.store.rotation_calendars import SqlRotationCalendars
from mailer_svc.store.rotation_tables import rotation_calendars
from tests.integration.mailer.people import Address, People
from tests.integration.mailer.stored import Store
from tests.integration.mailer.test_rotation_calendars import Layer, calendar, hours
from tests.integration.mailer.test_rotations import Roster
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


class Servers:
    """Calendars of servers: what has "hangs" in its URL is not answered until it is let go, "odd" has an error of our own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[str] = []
        self.let_go = asyncio.Event()

    async def fetch(self, url: str) -> str:
        self.asked.append(url)
        if "hangs" in url:
            await self.let_go.wait()
        if "odd" in url:
            raise ZeroDivisionError(url)
        return self.text


async def test_a_calendar_that_hangs_or_fails_costs_itself(people: People, store: Store) -> None:
    """A tenant with many that hang has three places; an error that nobody expected is shown where the calendar is."""
    await people.create("ann", addresses=[Address(channel="inbox", value="ann@x.org", state=Address.ACTIVE)])
    roster = Roster(people)
    clock, servers = FakeClock(roster.rig.clock.now()), Servers(calendar(roster.now, hours(8, 9, "ann")))
    calendars = SqlRotationCalendars(database=store.database)
    watching = CalendarWatch(
        store=calendars,
        rotations=SqlRotations(database=store.database, order=store.order),
        reader=ShiftReader(store=calendars, clock=clock),
        source=servers,
        hints=EventBus(redis=Redis(url=None, clock=clock), clock=clock),
        clock=clock,
    )
    values = [{"tenant": "other", "rotation": "r", "url": f"https://hangs.example/{n}", "due": 0, "error": ""} for n in range(9)]
    async with store.database.transaction() as connection:
        await connection.execute(insert(rotation_calendars), values)
    urls = ["https://good.example/", "https://odd.example/"]
    await roster.create("r", *(Layer(calendar_url=url) for url in urls), zone="UTC")

    async def both_read() -> bool:
        layers = (await roster.people.call(roster.stub.GetRotation, pb.GetRotationRequest(name="rotations/r"))).layers
        return bool(layers[0].shifts) and "the log of mailer_svc" in layers[1].calendar_state.error

    reading = asyncio.ensure_future(watching.read_due())
    await eventually(both_read, seconds=60)
    assert (len(servers.asked), reading.done()) == (3 + 2, False)
    servers.let_go.set()
    await reading
    assert sorted(servers.asked) == sorted([*urls, *(str(value["url"]) for value in values)])
