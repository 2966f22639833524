"""What happens in a run, all of it drawn from the seed: sizes, settings, alarms, and how much goes wrong."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Final

from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.domain import Action, Priority, RetryPolicy
from scheduler_svc.engine import EngineOptions
from scheduler_svc.service import Draft
from scheduler_svc.service.housekeeping import HousekeepingOptions
from tests.simulation.processor import Manners
from tests.simulation.replica import ReplicaOptions
from tests.simulation.storage import StorageFaults
from tocsin.clock import from_micros, to_micros
from tocsin.recurrence import (
    At,
    CatchUp,
    CatchUpMode,
    Cron,
    Daily,
    DstPolicy,
    Every,
    Gap,
    Overlap,
    Overlapping,
    Recurrence,
    Trigger,
)

SECOND: Final = 1_000_000
DAY: Final = 86_400

# The night of a change of the clocks lies within each of them, somewhere.
_BEGINNINGS: Final = (
    datetime(2026, 3, 28, 12, tzinfo=UTC),
    datetime(2026, 10, 24, 12, tzinfo=UTC),
    datetime(2026, 3, 7, 18, tzinfo=UTC),
    datetime(2026, 10, 31, 18, tzinfo=UTC),
    datetime(2026, 4, 4, 3, tzinfo=UTC),
    datetime(2026, 10, 3, 3, tzinfo=UTC),
    datetime(2028, 2, 28, 6, tzinfo=UTC),
    datetime(2026, 12, 30, 20, tzinfo=UTC),
)
_ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
)
FAULTS: Final = (
    "crashes",
    "freezes",
    "restarts",
    "storage_faults",
    "outages",
    "clocks",
    "hints",
    "cuts",
    "manners",
    "processors",
)

_BESIDE_HOSTILE: Final = frozenset({"crashes", "restarts", "hints", "storage_faults"})
_HOSTILE: Final = 4
"""One seed of so many is hostile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chatter:
    """How much comes from outside.

    Attributes:
        waiting: share of the alarms that wait for something from outside; with 0 nobody says anything.
        events: mean seconds between two events.
        readings: mean seconds between two readings of a metric.
        imports: mean seconds between two imports.
        most: firings of an event that one transaction fires.
    """

    waiting: float
    events: float
    readings: float
    imports: float
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """How much happens to incidents: mean seconds between two triggers, answers, silences, and changes of policies; 0 triggers: none."""

    triggers: float
    answers: float
    silences: float
    policies: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flock:
    """How much happens to groups of alerts: mean seconds between two changes of routes and of dependencies; and to them as `Duty` says."""

    duty: Duty
    routes: float
    dependencies: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run.

    Attributes:
        days: simulated days in which things go wrong.
        epoch: wall time at the beginning, in microseconds.
        replicas: of the scheduler.
        alarms: made in the course of the run.
        edits: mean seconds between two operations of users.
        faults: which classes of `FAULTS` occur.
        pace: mean seconds between two faults of a class.
        hostile: some jobs end their processor each time, and processors talk nonsense. Then nothing else ends or silences a processor, so
            that whoever is charged with its death must be the cause.
    """

    seed: int
    days: float
    epoch: int
    replicas: int
    processors: int
    alarms: int
    edits: float
    shuffle: bool
    concurrency: int
    faults: frozenset[str]
    pace: float
    hostile: bool
    storage_faults: StorageFaults
    manners: Manners
    chatter: Chatter
    duty: Duty
    flock: Flock
    options: ReplicaOptions


def scenario_of(seed: int) -> Scenario:
    """The run of a seed. Half of the classes of faults are left out, so that each is seen without the others."""
    draw = random.Random(f"scenario {seed}")
    calm = draw.random() < 0.05
    hostile = seed % _HOSTILE == 1
    faults = frozenset() if calm else frozenset(name for name in FAULTS if draw.random() < 0.6)
    return Scenario(
        seed=seed,
        days=draw.choice([0.1, 0.25, 0.5, 1.0]),
        epoch=to_micros(draw.choice(_BEGINNINGS)) + draw.randrange(6 * 3600 * SECOND),
        replicas=draw.choice([1, 2, 2, 3, 3]),
        processors=draw.choice([1, 2, 3]),
        alarms=draw.choice([5, 20, 40]),
        edits=draw.choice([30.0, 120.0, 600.0]),
        shuffle=draw.random() < 0.7,
        concurrency=draw.choice([1, 4, 20]),
        faults=faults & _BESIDE_HOSTILE if hostile else faults,
        hostile=hostile,
        pace=draw.choice([600.0, 1800.0, 7200.0]),
        storage_faults=_storage_faults(draw),
        manners=_manners(draw),
        chatter=_chatter(random.Random(f"chatter {seed}")),
        duty=_duty(random.Random(f"duty {seed}")),
        flock=_flock(random.Random(f"flock {seed}")),
        options=_options(draw),
    )


def _storage_faults(draw: random.Random) -> StorageFaults:
    most = draw.choice([0.01, 0.05, 0.2])
    return StorageFaults(
        delay=draw.choice([0.001, 0.02]),
        slow=draw.choice([0.0, 0.001, 0.01]),
        refused=draw.uniform(0, most),
        aborted=draw.uniform(0, most),
        unanswered=draw.uniform(0, most),
    )


def _manners(draw: random.Random) -> Manners:
    most = draw.choice([0.02, 0.1, 0.15])
    return Manners(
        work=draw.choice([0.05, 5.0, 60.0]),
        fails=draw.uniform(0, 2 * most),
        fatal=draw.uniform(0, most / 4),
        hangs=draw.uniform(0, most),
        late=draw.uniform(0, most),
        released=draw.uniform(0, most),
        doubled=draw.uniform(0, most),
        stale=draw.uniform(0, most),
    )


def _chatter(draw: random.Random) -> Chatter:
    return Chatter(
        waiting=draw.choice([0.0, 0.3, 0.5, 0.8]),
        events=draw.choice([30.0, 120.0, 300.0]),
        readings=draw.choice([30.0, 120.0, 300.0]),
        imports=draw.choice([300.0, 900.0]),
        most=draw.choice([1, 2, 2000]),
    )


def _duty(draw: random.Random) -> Duty:
    return Duty(
        triggers=draw.choice([0.0, 20.0, 60.0, 60.0, 180.0]),
        answers=draw.choice([30.0, 60.0, 180.0]),
        silences=draw.choice([120.0, 300.0, 900.0]),
        policies=draw.choice([300.0, 1200.0]),
    )


def _flock(draw: random.Random) -> Flock:
    return Flock(
        duty=Duty(
            triggers=draw.choice([0.0, 0.0, 8.0, 15.0, 30.0]),
            answers=draw.choice([60.0, 180.0]),
            silences=draw.choice([120.0, 300.0]),
            policies=1200.0,
        ),
        routes=draw.choice([120.0, 600.0]),
        dependencies=draw.choice([60.0, 300.0]),
    )


def _options(draw: random.Random) -> ReplicaOptions:
    heal = draw.choice([30.0, 60.0, 120.0])
    return ReplicaOptions(
        engine=EngineOptions(
            batch_size=draw.choice([1, 3, 50]),
            ledger_batch=draw.choice([2, 10, 500]),
            horizon=round(draw.choice([120.0, 600.0, 7200.0]) * SECOND),
            index_limit=draw.choice([3, 10, 1000]),
            heal_seconds=heal,
            near=round((heal + 1) * SECOND),
            grace=30 * SECOND,
        ),
        dispatch=DispatchOptions(
            batch_size=draw.choice([1, 5, 500]),
            result_batch=draw.choice([1, 5, 500]),
            queue_limit=draw.choice([2, 5, 100]),
            lease_seconds=30.0,
            lost_deliveries=draw.choice([1, 3]),
            retry_horizon=round(draw.choice([60.0, 600.0]) * SECOND),
            heal_seconds=draw.choice([60.0, 180.0]),
        ),
        housekeeping=HousekeepingOptions(interval_seconds=600.0, ledger_days=0, incident_days=0, request_days=7.0, inbound_days=7.0),
        lease_seconds=draw.choice([60.0, 120.0]),
        outage_seconds=180.0,
    )


# -- alarms ----------------------------------------------------------------------------------------------------------------------------


def draft(draw: random.Random, *, now: int, left: int) -> Draft:
    """An alarm.

    Args:
        draw: source of choices.
        now: the present, in microseconds.
        left: microseconds until the end of the run.
    """
    return Draft(
        trigger=trigger(draw, now=now, left=left),
        action=Action("task", b"x" * draw.choice([0, 10, 10_000])),
        priority=draw.choice(list(Priority)),
        auto_pause_after=draw.choice([0, 0, 0, 2]),
        retry=draw.choice([None, RetryPolicy(max_attempts=draw.randrange(1, 6), initial_backoff=SECOND, max_backoff=60 * SECOND)]),
    )


def trigger(draw: random.Random, *, now: int, left: int) -> Trigger:
    """A rule that means something before the end of the run, most of the time."""
    make = draw.choice([_at, _every, _every, _daily, _daily, _cron, _cron, _recurrence])
    made = make(draw, now, left)
    if draw.random() < 0.3:
        made = replace(made, overlap=draw.choice(list(Overlapping)))
    if draw.random() < 0.2 and not isinstance(made.spec, At):
        made = replace(made, jitter=draw.randrange(1, 240) * SECOND)
    if draw.random() < 0.2 and not isinstance(made.spec, At | Every):
        day = from_micros(now + draw.randrange(3) * DAY * SECOND).date()
        made = replace(made, exclude=(day.isoformat(),))
    return made


def _at(draw: random.Random, now: int, left: int) -> Trigger:
    if draw.random() < 0.1:
        return Trigger(spec=At(now - draw.randrange(3600 * SECOND)), catch_up=CatchUp(mode=draw.choice(list(CatchUpMode)[1:])))
    return Trigger(spec=At(now + draw.randrange(max(left, 60 * SECOND))), catch_up=_catch_up(draw))


def _every(draw: random.Random, now: int, left: int) -> Trigger:
    if draw.random() < 0.3:
        count = draw.choice([5, 60])
        return Trigger(spec=Every(draw.randrange(1, 30) * SECOND), count=count, catch_up=_catch_up(draw))
    interval = draw.choice([300, 600, 3600, 7 * 3600]) * SECOND + draw.randrange(60 * SECOND)
    start = now + draw.randrange(3600 * SECOND) if draw.random() < 0.3 else None
    end = now + 3600 * SECOND + draw.randrange(max(left, SECOND)) if draw.random() < 0.3 else None
    return Trigger(spec=Every(interval), start=start, end=end, catch_up=_catch_up(draw))


def _daily(draw: random.Random, now: int, left: int) -> Trigger:
    hour = draw.choice([1, 2, 2, 2, 3, draw.randrange(24)])
    return Trigger(
        spec=Daily(time(hour, draw.randrange(60)), recurring=draw.random() < 0.8),
        time_zone=draw.choice(_ZONES),
        dst=_dst(draw),
        catch_up=_catch_up(draw),
    )


def _cron(draw: random.Random, now: int, left: int) -> Trigger:
    hour = draw.choice([1, 2, 2, 3, draw.randrange(24)])
    expression = draw.choice(
        [
            f"{draw.randrange(60)} {hour} * * *",
            f"*/{draw.choice([7, 10, 15, 20, 30])} * * * *",
            f"{draw.randrange(60)} {draw.randrange(30)} * * * *",
            f"*/20 */{draw.choice([1, 5])} {hour} * * *",
            "0 12 L * *",
            f"{draw.randrange(60)} {hour} * * {draw.choice(['MON-FRI', 'SUN', 'SAT#1,SUNL', '0,7'])}",
            "@hourly",
        ]
    )
    return Trigger(spec=Cron(expression), time_zone=draw.choice(_ZONES), dst=_dst(draw), catch_up=_catch_up(draw))


def _recurrence(draw: random.Random, now: int, left: int) -> Trigger:
    first = from_micros(now - draw.randrange(3 * DAY) * SECOND).strftime("%Y%m%dT%H%M%S")
    rule = draw.choice(
        [
            "FREQ=DAILY",
            f"FREQ=HOURLY;INTERVAL={draw.choice([1, 2, 5])}",
            f"FREQ=MINUTELY;INTERVAL={draw.choice([7, 45])};COUNT={draw.choice([20, 500])}",
            "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30",
            "FREQ=MONTHLY;BYMONTHDAY=-1,1,29;BYHOUR=2;BYMINUTE=30",
            "FREQ=WEEKLY;BYDAY=SU,MO;BYHOUR=2;BYSETPOS=-1",
        ]
    )
    return Trigger(
        spec=Recurrence(f"DTSTART:{first}\nRRULE:{rule}"), time_zone=draw.choice(_ZONES), dst=_dst(draw), catch_up=_catch_up(draw)
    )


def _dst(draw: random.Random) -> DstPolicy | None:
    if draw.random() < 0.3:
        return None
    return DstPolicy(gap=draw.choice([None, *Gap]), overlap=draw.choice([None, *Overlap]))


def _catch_up(draw: random.Random) -> CatchUp | None:
    if draw.random() < 0.4:
        return None
    window = draw.choice([None, None, 600 * SECOND])
    return CatchUp(mode=draw.choice(list(CatchUpMode)), limit=draw.choice([0, 1, 3]), window=window)
