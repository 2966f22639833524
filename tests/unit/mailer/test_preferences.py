"""What people want: choices, quiet hours and caps, the quiet hours against a walk over every minute."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mailer_svc.domain import Priority
from mailer_svc.domain.preferences import (
    UNSAID,
    DeliveryCap,
    PreferenceChoice,
    Preferences,
    QuietHours,
    QuietPolicy,
    WeeklyWindow,
    allows,
    cap,
    checked_quiet_times,
    decode,
    encode,
    quiet_policy,
    quiet_until,
)
from tocsin.clock import MINUTE, to_micros
from tocsin.errors import InvalidInput
from tocsin.zones import zone

ON, OFF = True, False
_ZONES: Final = ("UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia")
_CHANGES: Final = (  # instants near which clocks change, or the date line moved
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 6, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
    datetime(2026, 4, 4, 14, 30, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 0, tzinfo=UTC),
    datetime(2011, 12, 30, 9, 30, tzinfo=UTC),
    datetime(2026, 7, 1, tzinfo=UTC),
)


def chosen(*choices: tuple[str, str, bool]) -> Preferences:
    """Preferences of nothing but choices."""
    return Preferences(choices=tuple(PreferenceChoice(category=one, channel=two, enabled=on) for one, two, on in choices))


@pytest.mark.parametrize(
    ("recipient", "tenant", "expected"),
    [
        (chosen(), chosen(), ON),
        (chosen(("*", "*", OFF)), chosen(), OFF),
        (chosen(("*", "*", OFF), ("news", "*", ON)), chosen(), ON),
        (chosen(("*", "email", ON), ("news", "*", OFF)), chosen(), OFF),
        (chosen(("*", "email", OFF), ("news", "*", ON)), chosen(), OFF),
        (chosen(("news", "*", OFF), ("news", "email", ON)), chosen(), ON),
        (chosen(("*", "email", ON), ("news", "email", OFF)), chosen(), OFF),
        (chosen(("news", "sms", OFF), ("alerts", "*", OFF), ("*", "push", OFF)), chosen(), ON),
        (chosen(("*", "*", ON)), chosen(("news", "email", OFF)), ON),
        (chosen(("alerts", "*", ON)), chosen(("news", "email", OFF)), OFF),
        (chosen(), chosen(("news", "*", OFF)), OFF),
    ],
)
def test_the_most_specific_choice_wins_and_the_recipients_before_the_tenants(
    recipient: Preferences, tenant: Preferences, expected: bool
) -> None:
    """A table of choices, asked for news by email; their order means nothing."""
    backwards = Preferences(choices=recipient.choices[::-1])
    assert allows(recipient, tenant, "news", "email") is expected
    assert allows(backwards, tenant, "news", "email") is expected


def test_a_message_without_a_category_meets_only_choices_about_every_one() -> None:
    """A choice about a category says nothing about it."""
    assert allows(chosen(("news", "*", OFF)), UNSAID, "", "email")
    assert not allows(chosen(("*", "email", OFF)), UNSAID, "", "email")


def quiet(*times: WeeklyWindow, normal: QuietPolicy = QuietPolicy.HOLD, bulk: QuietPolicy = QuietPolicy.DROP) -> Preferences:
    """Preferences of nothing but quiet hours."""
    return Preferences(quiet_hours=QuietHours(times=times, normal=normal, bulk=bulk))


def test_quiet_hours_and_caps_of_the_recipient_hide_those_of_the_tenant() -> None:
    """Also to say that there are none."""
    night = quiet(*(WeeklyWindow(day, 22 * 60, 7 * 60) for day in range(1, 8)))
    evening = to_micros(datetime(2026, 6, 1, 23, tzinfo=UTC))
    assert quiet_until(UNSAID, night, "UTC", evening) == to_micros(datetime(2026, 6, 2, 7, tzinfo=UTC))
    assert quiet_until(quiet(), night, "UTC", evening) is None
    assert quiet_until(UNSAID, UNSAID, "UTC", evening) is None
    assert quiet_until(UNSAID, night, "Mars/Olympus", evening) == quiet_until(UNSAID, night, "UTC", evening)
    assert [quiet_policy(UNSAID, night, priority) for priority in Priority] == [QuietPolicy.PASS, QuietPolicy.HOLD, QuietPolicy.DROP]
    assert [quiet_policy(quiet(), night, priority) for priority in Priority] == [QuietPolicy.PASS] * 3
    few, none = Preferences(cap=DeliveryCap(3, MINUTE)), Preferences(cap=DeliveryCap(0, MINUTE))
    assert cap(UNSAID, few) == DeliveryCap(3, MINUTE)
    assert cap(none, few) is None
    assert cap(UNSAID, UNSAID) is None


def test_a_document_comes_back_as_it_was() -> None:
    """Whole, and empty."""
    whole = Preferences(
        choices=(PreferenceChoice(enabled=False, category="news", channel="sms"),),
        quiet_hours=QuietHours(times=(WeeklyWindow(7, 0, 0),), normal=QuietPolicy.PASS),
        cap=DeliveryCap(5, MINUTE),
    )
    assert decode(encode(whole)) == whole
    assert decode(encode(UNSAID)) == UNSAID
    assert decode(encode(quiet())) == quiet()


def test_quiet_hours_without_an_end_are_refused() -> None:
    """Seven whole days are; one free minute in the week is enough."""
    with pytest.raises(InvalidInput, match="no minute of the week"):
        checked_quiet_times([WeeklyWindow(day, 0, 0) for day in range(1, 8)])
    with pytest.raises(InvalidInput, match="no minute of the week"):
        checked_quiet_times(
            [WeeklyWindow(day, 12 * 60, 12 * 60 + 5) for day in range(1, 8)] + [WeeklyWindow(d, 725, 725) for d in range(1, 8)]
        )
    checked_quiet_times([WeeklyWindow(day, 0, 0) for day in range(1, 7)] + [WeeklyWindow(7, 0, 1439)])
    checked_quiet_times([])


def test_an_hour_that_a_gap_swallows_joins_what_stands_around_it() -> None:
    """The free half hour does not exist on the day when clocks go forward, and is over when they go back before it is read again."""
    times = [WeeklyWindow(7, 0, 2 * 60), WeeklyWindow(7, 2 * 60 + 30, 6 * 60)]
    summer, winter = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert quiet_until(quiet(*times), UNSAID, "Europe/Zurich", to_micros(summer)) == to_micros(datetime(2026, 3, 29, 4, tzinfo=UTC))
    assert quiet_until(quiet(*times), UNSAID, "Europe/Zurich", to_micros(winter)) == to_micros(datetime(2026, 10, 25, 5, tzinfo=UTC))


_BEFORE: Final = 4


def _walk(times: tuple[WeeklyWindow, ...], key: str, begin: datetime, minutes: int) -> list[bool]:
    """Whether each of the minutes from ``begin`` on is quiet: read off the clock on the wall, minute by minute.

    From four days before: a time that began earlier is over by then.
    """
    first = begin - timedelta(days=_BEFORE)
    latest = datetime.min  # noqa: DTZ901  wall times are naive
    changes: list[tuple[datetime, int]] = []
    for day in range(-2, _BEFORE + 22):
        date = datetime.combine(first.date(), datetime.min.time()) + timedelta(days=day)
        for time in times:
            if date.isoweekday() == time.weekday:
                end = time.end if time.end > time.start else time.end + 1440
                changes += [(date + timedelta(minutes=time.start), 1), (date + timedelta(minutes=end), -1)]
    changes.sort()
    place = depth = 0
    found: list[bool] = []
    for minute in range(_BEFORE * 1440 + minutes):
        instant = first + timedelta(minutes=minute)
        latest = max(latest, instant.astimezone(zone(key)).replace(tzinfo=None))
        while place < len(changes) and changes[place][0] <= latest:
            depth += changes[place][1]
            place += 1
        if instant >= begin:
            found.append(depth > 0)
    return found


_TIMES: Final = st.builds(
    WeeklyWindow,
    st.integers(1, 7),
    st.sampled_from([0, 30, 60, 119, 120, 150, 180, 1320, 1439]) | st.integers(0, 1439),
    st.sampled_from([0, 30, 60, 119, 120, 150, 180, 420, 1439]) | st.integers(0, 1439),
)


@settings(max_examples=60)
@given(st.lists(_TIMES, max_size=12).map(tuple), st.sampled_from(_ZONES), st.sampled_from(_CHANGES), st.integers(0, 600))
def test_quiet_times_end_where_a_walk_over_every_minute_says(
    times: tuple[WeeklyWindow, ...], key: str, near: datetime, offset: int
) -> None:
    """In zones whose clocks go by an hour, by half of one, during Ramadan, and by a whole day."""
    try:
        checked_quiet_times(times)
    except InvalidInput:
        assume(False)
    begin = near + timedelta(minutes=offset - 300)
    walked = _walk(times, key, begin, 14 * 1440)
    for minute in (0, 1, 59, 300, 301, 720, 1441):
        instant = to_micros(begin) + minute * MINUTE
        expected = walked.index(False, minute) if walked[minute] else None
        found = quiet_until(quiet(*times), UNSAID, key, instant)
        assert found == (None if expected is None else to_micros(begin) + expected * MINUTE)


def test_quiet_times_that_leave_no_minute_end_all_the_same() -> None:
    """Nobody can ask for them, but a row may hold them: what is held is looked at again, and nobody else waits meanwhile."""
    always = Preferences(quiet_hours=QuietHours(times=tuple(WeeklyWindow(weekday=day, start=0, end=0) for day in range(1, 8))))
    now = 1_700_000_000_000_000
    found = quiet_until(always, UNSAID, "Europe/Paris", now)
    assert found is not None
    assert now < found <= now + 9 * 86_400_000_000
