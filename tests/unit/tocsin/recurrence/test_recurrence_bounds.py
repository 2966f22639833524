"""Rules that are made to cost: every answer takes a bounded number of steps, counted in lines of Python that run."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest

from tocsin.clock import to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import (
    END_OF_TIME,
    At,
    Cron,
    Daily,
    Every,
    Recurrence,
    Spec,
    Trigger,
    checked_due,
    compiled,
    rule_of,
)
from tocsin.recurrence.specs import DstPolicy, Gap

NOW = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
SECOND = 1_000_000
DAY = 86_400 * SECOND
# 400 years of a few dozen lines each, and 25,000 steps of a search that never ends otherwise.
MOST = 600_000
HOURS = ",".join(map(str, range(24)))
OLD = "DTSTART;TZID=Europe/Paris:19700101T000000\nRRULE:"


def _steps(work: Callable[[], object]) -> int:
    """How many lines of the package run."""
    count = 0

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return local if "recurrence" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


IMPOSSIBLE: list[Spec] = [
    Cron("0 0 31 2 *"),
    Cron("0 0 31 4,6,9,11 ?"),
    Recurrence("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
    Recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
    Recurrence("FREQ=YEARLY;BYWEEKNO=1;BYMONTH=6"),
    Recurrence("FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1"),
    Recurrence("FREQ=YEARLY;INTERVAL=100;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO\nDTSTART:21000101T000000\nEXDATE:21000101T000000"),
    Recurrence("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6"),
    Recurrence("FREQ=MONTHLY;INTERVAL=12;BYMONTH=3;BYDAY=MO\nDTSTART:20260105T000000\nEXDATE:20260105T000000"),
    Recurrence("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3"),
    Recurrence("FREQ=DAILY;INTERVAL=7;BYDAY=TU\nDTSTART:20260105T000000\nEXDATE:20260105T000000"),
    Recurrence("FREQ=HOURLY;INTERVAL=168;BYDAY=TU\nDTSTART:20260105T000000\nEXDATE:20260105T000000"),
    Recurrence("FREQ=SECONDLY;INTERVAL=604800;BYDAY=TU\nDTSTART:20260105T000000\nEXDATE:20260105T000000"),
    Recurrence("FREQ=SECONDLY;INTERVAL=2;BYSECOND=1\nDTSTART:20260105T000000\nEXDATE:20260105T000000"),
    Recurrence("FREQ=MINUTELY;INTERVAL=1441;BYHOUR=3;BYMINUTE=7;BYMONTH=2;BYMONTHDAY=30"),
    Recurrence("FREQ=DAILY;UNTIL=20200101"),
    Recurrence("DTSTART:20200101T000000\nRRULE:FREQ=DAILY;COUNT=10"),
    At(NOW - 1),
]


@pytest.mark.parametrize("spec", IMPOSSIBLE)
def test_a_rule_without_a_due_time_is_refused_in_bounded_steps(spec: Spec) -> None:
    """At create, with the field of the rule."""
    refused: list[InvalidInput] = []

    def ask() -> None:
        with pytest.raises(InvalidInput) as error:
            checked_due(Trigger(spec=spec, time_zone="UTC"), now=NOW)
        refused.append(error.value)

    assert _steps(ask) < 2 * MOST
    assert refused[0].violations[0].field in ("trigger.cron", "trigger.rrule", "trigger.at")


COSTLY: list[tuple[Spec, str]] = [
    (Cron("0 0 */29 2 MON"), "a leap day that is a Monday"),
    (Cron("* * * * * *"), "every second"),
    (Recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"), "a leap day that is a Monday"),
    (Recurrence(OLD + "FREQ=SECONDLY"), "every second since 1970"),
    (Recurrence(OLD + "FREQ=SECONDLY;INTERVAL=7"), "with an interval"),
    (Recurrence(OLD + "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=0;BYMINUTE=0;BYSECOND=0"), "once in 236 years"),
    (Recurrence(OLD + "FREQ=SECONDLY;INTERVAL=7919;BYMONTH=2;BYMONTHDAY=29;BYSECOND=7"), "a prime and a leap day"),
    (Recurrence(OLD + "FREQ=DAILY;INTERVAL=1000003"), "an interval of centuries"),
    (Recurrence(OLD + "FREQ=SECONDLY;INTERVAL=2147483647"), "the greatest interval"),
    (Recurrence(OLD + "FREQ=DAILY;COUNT=2147483647"), "the greatest count"),
    (Recurrence(OLD + "FREQ=SECONDLY;COUNT=2147483647"), "the greatest count"),
    (Recurrence(OLD + "FREQ=MINUTELY;INTERVAL=15;BYHOUR=3;COUNT=2147483647"), "the greatest count with an interval"),
    (
        Recurrence(OLD + f"FREQ=YEARLY;BYHOUR={HOURS};BYMINUTE={','.join(map(str, range(60)))}"),
        "every minute of a day",
    ),
    (Recurrence(OLD + f"FREQ=YEARLY;BYDAY=MO,TU,WE;BYHOUR={HOURS};BYSETPOS=-1,300,366"), "picked from a year"),
    (Recurrence("\n".join([OLD.strip()[:-6], *["RRULE:FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-1;BYMONTH=12"] * 20])), "twenty rules"),
]


@pytest.mark.parametrize(("spec", "what"), COSTLY)
def test_a_costly_rule_is_made_and_asked_in_bounded_steps(spec: Spec, what: str) -> None:
    """Reading it, finding the first time, and walking on."""
    trigger = Trigger(spec=spec, time_zone="Europe/Paris", jitter=DAY)
    encoded = trigger.encode()

    def ask() -> None:
        rule = compiled(encoded, NOW, seed="a").rule
        found = rule.next_after(NOW)
        for _ in range(3):
            found = None if found is None else rule.next_after(found.due)

    assert _steps(ask) < 2 * MOST, what


def test_ten_thousand_exclusions_are_passed_one_by_one_at_most() -> None:
    """Days in a row are passed at once; a rule that has nothing left is refused."""
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(10_000)]
    dates = tuple(f"{day:%Y-%m-%d}" for day in days)
    for spec, entries, steps in (
        (Cron("* * * * * *"), dates, 1000),
        (Every(SECOND), dates, 1000),
        (Daily(days[0].time()), dates, 1000),
        (Daily(days[0].time()), tuple(f"{day:%Y-%m-%dT%H:%M:%S}" for day in days), 60 * 10_000),
        (Daily(days[0].time()), tuple(f"{day:%Y-%m-%dT%H:%M:%SZ}" for day in days), 60 * 10_000),
    ):
        trigger = Trigger(spec=spec, exclude=entries)
        rule = rule_of(trigger, anchor=NOW)
        found: list[int] = []
        assert _steps(lambda rule=rule, found=found: found.append(getattr(rule.next_after(NOW - 1), "due", -1))) < steps
        assert found == [NOW + 10_000 * DAY]
        with pytest.raises(InvalidInput) as refused:
            checked_due(Trigger(spec=spec, exclude=entries, end=NOW + 9000 * DAY), now=NOW)
        assert refused.value.violations[0].field == "trigger.excludeDates"


def test_a_zone_beyond_its_table_is_worked_out_once() -> None:
    """The far future costs 400 years of changes, then nothing more."""
    rule = rule_of(Trigger(spec=Cron("30 2 * * *"), time_zone="America/New_York", dst=DstPolicy(gap=Gap.SKIP)), anchor=0)
    far = to_micros(datetime(9900, 3, 1, tzinfo=UTC))
    assert _steps(lambda: rule.next_after(far)) < 2 * MOST
    assert _steps(lambda: rule.next_after(far + 30 * DAY)) < 500


@pytest.mark.parametrize("spec", [Cron("* * * * * *"), Cron("0 0 1 1 *"), Recurrence("FREQ=SECONDLY;INTERVAL=7"), Every(SECOND)])
def test_every_rule_ends_with_the_calendar(spec: Spec) -> None:
    """The last year has due times, and then there are no more; nothing overflows."""
    rule = rule_of(Trigger(spec=spec, time_zone="Pacific/Kiritimati", jitter=SECOND), anchor=NOW, seed="a")
    assert rule.next_after(END_OF_TIME) is None
    assert rule.next_after(to_micros(datetime(9998, 6, 1, tzinfo=UTC))) is not None
    assert rule.next_after(to_micros(datetime(1, 1, 1, tzinfo=UTC))) is not None
