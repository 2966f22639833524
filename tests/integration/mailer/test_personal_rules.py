"""Personal rules: by which channels people are told of an incident, one after the other, until somebody answers."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from mailer_svc.domain import Content, Priority
from mailer_svc.domain.personal_rules import PersonalStep
from mailer_svc.domain.preferences import Preferences as Wants
from mailer_svc.domain.preferences import QuietHours
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.ports.incidents import IncidentStanding
from tests.integration.mailer.engine import Engine, make_engine
from tests.integration.mailer.stored import Store
from tocsin.clock import MINUTE
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock

LADDER = (PersonalStep("push"), PersonalStep("sms", after=5 * MINUTE), PersonalStep("email", after=10 * MINUTE))
ALL = ("email", "sms", "push")


@pytest.fixture
async def engine(store: Store) -> Engine:
    """What makes deliveries, on each database; one incident is open."""
    made = make_engine(store)
    made.incidents.open("i")
    return made


async def step(engine: Engine, *names: str, firing: str = "step", **fields: Any) -> None:
    """A step of an escalation reaches people."""
    whom = tuple(f"recipients/{name}" for name in names or ("ann",))
    await engine.send(firing, recipients=whom, **{"incident": "i", "urgent": True, **fields})


async def later(engine: Engine, minutes: float) -> None:
    """Time passes, and what is held is looked at."""
    clock = engine.store.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(minutes * 60)
    await engine.releaser.release_due()


async def standing(engine: Engine) -> dict[str, tuple[str, str]]:
    """State and reason of the delivery by each channel."""
    return {item.channel: (item.state.name, item.reason) for item in await engine.deliveries()}


WAITS, GOES = ("HELD", "PERSONAL_RULE"), ("ACCEPTED", "")


async def test_one_is_told_by_one_channel_after_the_other(engine: Engine) -> None:
    """The first at once, the others at their times as long as nobody answers; each timeline says by which rule."""
    await engine.people("ann", channels=ALL)
    await engine.rules("ann", urgent=LADDER)
    await step(engine)
    assert await standing(engine) == {"push": GOES, "sms": WAITS, "email": WAITS}
    await later(engine, 4.9)
    assert (await standing(engine))["sms"] == WAITS
    await later(engine, 0.1)
    assert await standing(engine) == {"push": GOES, "sms": GOES, "email": WAITS}
    await later(engine, 5)
    assert await standing(engine) == {"push": GOES, "sms": GOES, "email": GOES}
    told = {item.channel: [entry.detail for entry in item.timeline] for item in await engine.deliveries()}
    assert told["push"] == ["personal rule urgent 1, at once"]
    waited, went = told["sms"]
    assert waited.startswith("PERSONAL_RULE: personal rule urgent 2, after 5 min: waits until ")
    assert went == "its time by the personal rule has come, and nobody has answered"


@pytest.mark.parametrize("answer", [IncidentStanding.ACKNOWLEDGED, IncidentStanding.RESOLVED])
async def test_an_answer_ends_what_waits(engine: Engine, answer: IncidentStanding) -> None:
    """While the scheduler is away nobody knows, and it waits on."""
    await engine.people("ann", channels=ALL)
    await engine.rules("ann", urgent=LADDER)
    await step(engine)
    (key,) = engine.incidents.standing
    engine.incidents.away = True
    await later(engine, 5)
    assert await standing(engine) == {"push": GOES, "sms": WAITS, "email": WAITS}
    engine.incidents.away = False
    engine.incidents.standing[key] = engine.incidents.standing[key]._replace(standing=answer)
    await later(engine, 10)
    over = ("SUPPRESSED", "INCIDENT_ANSWERED")
    assert await standing(engine) == {"push": GOES, "sms": over, "email": over}


async def test_the_rules_are_those_of_such_an_incident(engine: Engine) -> None:
    """Urgent or not; without rules for it, for a step that names channels, and for what is no step, it is as without any."""
    await engine.people("ann", "bea", channels=ALL)
    await engine.rules("ann", urgent=LADDER, other=[PersonalStep("sms")])
    await step(engine, "ann", "bea", firing="one", urgent=False)
    await step(engine, "ann", firing="two", channels=("push",))
    await engine.send("three", recipients=("recipients/ann",), content=Content("plain", "text"))
    found = Counter((item.recipient_id, item.subject, item.channel) for item in await engine.deliveries())
    assert found == Counter([("ann", "Hello", "sms"), ("bea", "Hello", "email"), ("ann", "Hello", "push"), ("ann", "plain", "email")]), (
        "each at once"
    )
    assert {item.state.name for item in await engine.deliveries()} == {"ACCEPTED"}


@pytest.mark.parametrize(("channel", "state", "reason"), [("push", "SUPPRESSED", "NO_ADDRESS"), ("telegram", "DEAD", "")])
async def test_a_rule_that_reaches_nothing_lets_the_next_one_go(engine: Engine, channel: str, state: str, reason: str) -> None:
    """It is accounted for, and the next one goes at its time, the last one at its own."""
    await engine.people("ann", channels=("email", "sms"))
    await engine.rules("ann", urgent=(PersonalStep(channel), *LADDER[1:]))
    await step(engine)
    assert await standing(engine) == {channel: (state, reason), "sms": GOES, "email": WAITS}
    [sms] = [item for item in await engine.deliveries() if item.channel == "sms"]
    assert sms.timeline[0].detail == "personal rule urgent 2, at once"


async def test_a_rule_may_name_an_address_and_come_twice(engine: Engine) -> None:
    """One of several addresses; again after a while; one that is not there any more reaches nothing."""
    await engine.people("ann", channels=("email",))
    await engine.address("ann", "ann@home.example")
    home = PersonalStep("email", "ann@home.example")
    await engine.rules(
        "ann", urgent=(home, PersonalStep("email", "gone@example.com"), PersonalStep("email", home.address, after=3 * MINUTE))
    )
    await step(engine)
    found = [(item.to, item.state.name) for item in await engine.deliveries()]
    assert sorted(found) == [("", "SUPPRESSED"), ("ann@home.example", "ACCEPTED"), ("ann@home.example", "ACCEPTED")]


async def test_quiet_hours_are_asked_at_the_time_of_a_rule(engine: Engine) -> None:
    """What waits for its time is no longer wanted then, or waits on; a critical one passes."""
    await engine.people("ann", channels=ALL)
    hours = QuietHours(times=tuple(WeeklyWindow(day, 0, 23 * 60) for day in range(1, 8)))
    await engine.people("bea", channels=ALL, wants=Wants(quiet_hours=hours))
    await engine.rules("ann", "bea", urgent=LADDER[1:2])
    await step(engine, "ann", "bea")
    await step(engine, "bea", firing="critical", priority=Priority.CRITICAL, content=Content("critical", ""))
    assert {item.reason for item in await engine.deliveries()} == {"PERSONAL_RULE"}
    await later(engine, 5)
    found = {(item.recipient_id, item.subject): (item.state.name, item.reason) for item in await engine.deliveries()}
    assert found == {("ann", "Hello"): GOES, ("bea", "Hello"): ("HELD", "QUIET_HOURS"), ("bea", "critical"): GOES}


async def test_a_mailer_that_dies_makes_each_message_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """All messages to a person are stored in one transaction with how far the notification has come, or none is."""
    await engine.people("ann", "bea", channels=ALL)
    await engine.rules("ann", "bea", urgent=LADDER)
    journal, accept, broken = engine.store.journal, engine.store.journal.accept, ["before", "after"]

    async def dying(*batch: Any) -> Any:
        when = broken.pop(0) if broken else ""
        if when == "before":
            raise Unavailable
        done = await accept(*batch)
        if when:
            raise Unavailable  # it is stored, and nobody hears of it
        return done

    monkeypatch.setattr(journal, "accept", dying)
    await engine.announce("step", recipients=("recipients/ann", "recipients/bea"), incident="i", urgent=True)
    clock = engine.store.clock
    assert isinstance(clock, FakeClock)
    stored = list[int]()
    for _ in range(3):
        with suppress(Unavailable):
            await engine.expand()
        stored.append(len(await engine.deliveries()))
        await clock.advance(61)
    assert stored == [0, 6, 6]
    assert Counter(item.channel for item in await engine.deliveries()) == Counter(dict.fromkeys(ALL, 2))


async def test_a_stored_rule_that_cannot_be_read_is_none(engine: Engine) -> None:
    """Its recipient is told at once by the default channel."""
    await engine.people("ann", channels=ALL)
    await engine.rules("ann", urgent=LADDER)
    await engine.spoil("ann")
    await step(engine)
    assert await standing(engine) == {"email": GOES}


async def test_people_hear_how_it_goes_on_where_they_were_told(engine: Engine) -> None:
    """By each channel that told them, once, however often it did; what waited has told nobody, and an address may be gone since."""
    await engine.people("ann", "bea", "cid", channels=ALL)
    await engine.rules("ann", urgent=LADDER)
    await step(engine, "ann", "bea", firing="one")
    await later(engine, 5)
    await step(engine, "ann", firing="two")
    await step(engine, "cid", firing="three", channels=("push",))
    await engine.retire("cid", "push")
    await engine.send("news", recipients=("incidents/i",), content=Content("Ann has it", "text"))
    told = [(item.recipient_id, item.channel) for item in await engine.deliveries() if item.subject == "Ann has it"]
    assert sorted(told) == [("ann", "push"), ("ann", "sms"), ("bea", "email"), ("cid", "email")]


async def test_five_hundred_people_hear_it_once(engine: Engine) -> None:
    """However many steps told them."""
    names = [f"p{number:03}" for number in range(520)]
    await engine.people(*names)
    await step(engine, *names[:400], firing="one")
    await step(engine, *names[100:], firing="two")
    await engine.send("news", recipients=("incidents/i",), content=Content("Ann has it", "text"))
    async with engine.store.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT recipient_id FROM deliveries WHERE subject = 'Ann has it'")
        told = Counter(row[0] for row in rows)
    assert told == Counter(names)
