"""Calendar expressions of systemd: against a record of what systemd says of several hundred, and against systemd where it is there."""

import random
import shutil
from datetime import UTC, datetime

import pytest

from tests.unit.tocsin.recurrence.systemd_calendar import BEGIN, ITERATIONS, REFUSED, drawn, judged, recorded
from tocsin.clock import from_micros, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import BadRule, Gap, Overlap
from tocsin.recurrence.cron import expression_pattern
from tocsin.recurrence.local_times import LocalTimeRule
from tocsin.recurrence.offsets import offsets
from tocsin.recurrence.on_calendar import read_on_calendar

# What systemd takes and we refuse: fractions of a second.
_FRACTIONS = frozenset(("05:40:23.4200004/3.1700005",))


def _said(expression: str) -> str:
    try:
        read = read_on_calendar(expression)
    except InvalidInput:
        return REFUSED
    rule = LocalTimeRule(pattern=expression_pattern(read.fields), offsets=offsets(read.zone or "UTC"), gap=Gap.SHIFT, overlap=Overlap.FIRST)
    found, at = list[str](), to_micros(datetime.strptime(BEGIN, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC))
    while len(found) < ITERATIONS and (occurrence := rule.next_after(at)) is not None:
        at = occurrence.due
        found.append(f"{from_micros(at):%Y-%m-%d %H:%M:%S}")
    return ",".join(found)


def test_expressions_mean_what_systemd_said_of_them() -> None:
    """All of the record: the next times are the same, and what was refused is refused."""
    rows = recorded()
    assert len(rows) > 400
    assert sum(times == REFUSED for _, times in rows) > 50
    different = {expression: (times, _said(expression)) for expression, times in rows if _said(expression) != times}
    assert different == {expression: (dict(rows)[expression], REFUSED) for expression in _FRACTIONS}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the record above is the judge where systemd is not installed")
def test_systemd_says_the_same_of_others() -> None:
    """Expressions that nobody recorded."""
    draw = random.Random(1)
    expressions = [drawn(draw) for _ in range(60)]
    assert [(expression, _said(expression)) for expression in expressions] == [
        (expression, judged(expression)) for expression in expressions
    ]


@pytest.mark.parametrize(
    ("expression", "position", "reason"),
    [
        ("", 0, "there is no expression"),
        ("Mon..Fri 25:00", 9, "hour: 25 is not within 0 to 23"),
        ("Mon..Fri *-13-01 09:00", 11, "month: 13 is not within 1 to 12"),
        ("Fri..Mon 09:00", 0, "weeks begin on Monday"),
        ("Moonday 09:00", 0, "'Moonday' is neither a weekday"),
        ("*-*-* 09:00 Europe/Berlyn", 12, "'Europe/Berlyn' is not a time zone"),
        ("*-*~0", 4, "day from the end of the month: 0"),
        ("*:*/15", 2, "minute: '*/15' is not a number"),
        ("*:0/70", 2, "never comes to a second value"),
        ("09:00:00.5", 6, "no fraction of a second"),
        ("12", 0, "neither a date"),
        ("*-*-* 09:00 and more", 16, "'more' is not a time zone"),
        ("@99999999999999", 0, "neither a date"),
        ("@999999999999", 0, "beyond the calendar"),
    ],
)
def test_a_bad_expression_is_refused_with_its_position(expression: str, position: int, reason: str) -> None:
    """The error names the field, the place in the text, and the reason."""
    with pytest.raises(BadRule) as refused:
        read_on_calendar(expression)
    (violation,) = refused.value.violations
    assert violation.field == "trigger.onCalendar"
    assert reason in violation.description
    assert refused.value.metadata["position"] == str(position)
