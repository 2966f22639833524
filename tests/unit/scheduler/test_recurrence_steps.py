"""What rules cost: counted, bounded, and refused when it is too much."""

from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_svc.domain import RULE_TOO_COSTLY, Outcome
from scheduler_svc.engine import plan_due
from scheduler_svc.ports import Due
from tests.integration.scheduler.stores import alarm
from tocsin.clock import to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import MOST_STEPS, Recurrence, TooCostly, Trigger, checked_due, compiled, spent

NOW = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
RARE = [f"FREQ=SECONDLY;INTERVAL={99000 + number};BYHOUR=3;BYMONTH=2;BYMONTHDAY=29" for number in range(20)]
NEVER = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"


def _numbers(low: int, high: int, *, most: int = 40) -> st.SearchStrategy[str]:
    return st.lists(st.integers(low, high).filter(bool), min_size=1, max_size=most).map(lambda found: ",".join(map(str, found)))


def _part(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("") | values.map(lambda value: f";{name}={value}")


NASTY = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]).map(lambda name: f"FREQ={name}"),
    _part("INTERVAL", st.integers(1, 100).map(str) | st.integers(1, 2**31 - 1).map(str) | st.sampled_from(["86399", "99001", "604800"])),
    _part("BYMONTH", _numbers(1, 12, most=3)),
    _part("BYMONTHDAY", _numbers(-31, 31, most=3)),
    _part("BYDAY", st.sampled_from(["MO", "SA,SU", "MO,TU,WE,TH,FR,SA,SU", "-1FR", "5MO"])),
    _part("BYHOUR", _numbers(1, 23, most=24)),
    _part("BYMINUTE", _numbers(1, 59, most=60)),
    _part("BYSECOND", _numbers(1, 59, most=60)),
    _part("BYSETPOS", _numbers(-366, 366)),
    _part("COUNT", st.sampled_from(["1", "100", "10000", "2147483647"])),
)


@settings(max_examples=150)
@given(st.lists(NASTY, min_size=1, max_size=20), st.sampled_from(["UTC", "Europe/Paris", "America/New_York"]))
def test_no_question_takes_more_than_so_many_steps(rules: list[str], zone: str) -> None:
    """Of rules as they come: reading them and each due time are within the bound, or refused with the field and the reason."""
    encoded = Trigger(spec=Recurrence("\n".join(rules)), time_zone=zone).encode()
    before = spent()
    with suppress(InvalidInput):
        rule = compiled(encoded, NOW, seed="a").rule
        read = spent()
        assert read - before <= MOST_STEPS * 2
        before = read
        for _ in islice(rule.between(NOW, NOW + 10**18), 5):
            assert spent() - before <= MOST_STEPS + 1
            before = spent()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n".join(RARE), "too many steps"),
        ("\n".join(["FREQ=SECONDLY", *RARE[1:]]), ""),
        ("\n".join(["FREQ=DAILY", NEVER]), "line 2, position 11, this rule means no time that exists"),
        ("\n".join(["FREQ=DAILY"] * 15_000), "more than 20 rules"),
        ("DTSTART:20260101T000000\n" + "RDATE:20260101T000000\n" * 15_000, "more than 1000 lines"),
        ("FREQ=DAILY" + ";" * 200_000, "more than 50 values"),
        ("FREQ=DAILY;BYHOUR=" + "1," * 100_000 + "1", "more than 1000 values"),
        ("RDATE:" + ",".join(["20260101T000000"] * 16_000) + "\nRDATE:" + ",".join(["20260101"] * 5_000), "more than 20000 values"),
        ("\n".join(f"FREQ=HOURLY;INTERVAL={2 * n + 25};BYMONTH=1,2,3;BYMINUTE={n};COUNT=10000" for n in range(20)), "too many steps"),
        ("\n".join(["FREQ=DAILY;COUNT=10000"] * 20), None),
        ("FREQ=HOURLY;INTERVAL=25;BYMONTH=1,2,3;COUNT=10000", None),
        ("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-1;COUNT=10000", None),
    ],
)
def test_what_costs_too_much_is_refused_at_once(text: str, reason: str | None) -> None:
    """While it is read, or by the steps that its first due times take; what does not is made."""
    before = spent()
    trigger = Trigger(spec=Recurrence(text), time_zone="Europe/Paris")
    if reason is None:
        assert checked_due(trigger, now=NOW) > NOW
    else:
        with pytest.raises(InvalidInput) as refused:
            checked_due(trigger, now=NOW)
        assert refused.value.violations[0].field == "trigger.rrule"
        assert reason in refused.value.violations[0].description
    assert spent() - before < 2 * MOST_STEPS


def test_rules_of_one_text_are_asked_only_when_their_time_has_passed() -> None:
    """A rule that comes every century costs a rule that comes every second nothing."""
    rare = "\n".join(["FREQ=SECONDLY", *RARE[1:4]])
    rule = compiled(Trigger(spec=Recurrence(rare)).encode(), NOW, seed="a").rule
    found = rule.next_after(NOW)
    assert found is not None
    before = spent()
    assert len(list(islice(rule.between(found.due, NOW + 10**15), 1000))) == 1000
    assert spent() - before < 3000


def test_a_stored_rule_that_costs_too_much_fires_once_more_and_is_paused() -> None:
    """It was stored when nobody counted; its due time has its row, and a person sees why nothing follows."""
    stored = alarm(trigger=Trigger(spec=Recurrence("\n".join(RARE))))
    with pytest.raises(TooCostly):
        compiled(stored.trigger.encode(), NOW, seed="a").rule.next_after(NOW)
    due = Due(stored.id, stored.tenant, 1, 2, NOW, 0, None, stored.trigger.encode(), NOW, stored.action, "", "", 1, 0)
    planned = plan_due(due, now=NOW, most=10, grace=0)
    assert [(row.due, row.outcome) for row in planned.rows] == [(NOW, Outcome.FIRED)]
    assert (planned.pause, planned.due) == (RULE_TOO_COSTLY, NOW)
