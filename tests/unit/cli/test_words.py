"""What people write on the command line becomes what the contract wants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.alarm_list import rule_words
from tocsin.cli.alarms import What, When, action_of, trigger_of
from tocsin.cli.words import duration, instant, json_object, proto_duration, rfc3339, time_of_day

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Noon:
    """A clock that stands at `NOW`."""

    def now(self) -> datetime:
        return NOW

    def micros(self) -> int:
        return int(NOW.timestamp()) * 1_000_000

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        pass


def when(**given: Any) -> When:
    """Flags that say when; those not given are absent."""
    flags: dict[str, Any] = {"at": None, "daily": None, "every": None, "once": False, "count": None, "time_zone": None}
    return When(**{**flags, **given})


def what(**given: Any) -> What:
    """Flags that say what; those not given are absent."""
    flags: dict[str, Any] = {
        "to": [],
        "subject": None,
        "text": None,
        "template": None,
        "variables": [],
        "channels": [],
        "task": None,
        "input": None,
    }
    return What(**{**flags, **given})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2 d", 172800), ("1w", 604800), ("500ms", 0.5), ("1.5h", 5400), ("1H", 3600)],
)
def test_durations_people_write(text: str, seconds: float) -> None:
    """Seconds unless a unit stands there; units add up."""
    assert duration(text, option="--every") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5x", "m5", "-5m", "5m later", "1e9999", "99999999999999d"])
def test_durations_that_are_none(text: str) -> None:
    """The message names the option and shows what was written."""
    with pytest.raises(typer.BadParameter) as caught:
        duration(text, option="--every")
    assert caught.value.param_hint == "--every"
    assert repr(text) in caught.value.message


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("in 5s", None, "2026-03-01T12:00:05Z"),
        ("IN 1h30m", None, "2026-03-01T13:30:00Z"),
        ("2026-12-01T09:00:00Z", None, "2026-12-01T09:00:00Z"),
        ("2026-12-01 09:00+02:00", None, "2026-12-01T07:00:00Z"),
        ("2026-12-01T09:00", "Europe/Paris", "2026-12-01T08:00:00Z"),
        ("2026-07-01T09:00", "Europe/Paris", "2026-07-01T07:00:00Z"),
        ("2026-12-01T09:00Z", "Europe/Paris", "2026-12-01T09:00:00Z"),
    ],
)
def test_instants_people_write(text: str, zone: str | None, expected: str) -> None:
    """Relative, absolute, or local together with a zone."""
    assert rfc3339(instant(text, now=NOW, zone=zone, option="--at")) == expected


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("yesterday-ish", None, "is not a time"),
        ("2026-13-01T00:00Z", None, "is not a time"),
        ("2026-12-01T09:00", None, "has no UTC offset"),
        ("2026-12-01", None, "has no UTC offset; write 2026-12-01T00:00:00Z"),
        ("2026-03-29T02:30", "Europe/Paris", "does not exist in Europe/Paris"),
        ("2026-12-01T09:00", "Mars/Base", "is not a time zone of the IANA database"),
        ("2026-12-01T09:00", "../../etc/passwd", "is not a time zone of the IANA database"),
        ("in a while", None, "not a duration"),
    ],
)
def test_instants_that_are_none(text: str, zone: str | None, words: str) -> None:
    """An ambiguous or impossible time is refused, never guessed."""
    with pytest.raises(typer.BadParameter, match=words):
        instant(text, now=NOW, zone=zone, option="--at")


@given(st.integers(min_value=0, max_value=10**14))
def test_a_duration_keeps_its_microseconds(micros: int) -> None:
    """Protobuf's JSON form of a duration, exact to the microsecond."""
    text = proto_duration(timedelta(microseconds=micros))
    whole, _, fraction = text.removesuffix("s").partition(".")
    assert int(whole) * 1_000_000 + int(fraction.ljust(6, "0") or "0") == micros


@pytest.mark.parametrize(
    ("given", "trigger"),
    [
        (when(at="in 5s"), {"at": "2026-03-01T12:00:05Z"}),
        (when(at="2026-12-01 09:00", time_zone="Europe/Paris"), {"atLocal": "2026-12-01T09:00:00", "timeZone": "Europe/Paris"}),
        (when(at="2026-12-01T09:00Z", time_zone="Europe/Paris"), {"at": "2026-12-01T09:00:00Z", "timeZone": "Europe/Paris"}),
        (when(daily="14:30"), {"daily": {"time": "14:30", "recurring": True}}),
        (
            when(daily="14:30", once=True, time_zone="Asia/Tokyo"),
            {"daily": {"time": "14:30", "recurring": False}, "timeZone": "Asia/Tokyo"},
        ),
        (when(every="5m", count=3), {"every": "300s", "count": 3}),
    ],
)
def test_flags_become_a_trigger(given: When, trigger: dict) -> None:
    """Each rule of the contract has its flag."""
    assert trigger_of(given, clock=Noon()) == trigger


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (when(), "give exactly one of --at, --daily, --every, --cron, --rrule and --on-calendar"),
        (when(at="in 5s", every="5m"), "not --at and --every"),
        (when(every="5m", once=True), "--once requires --daily"),
        (when(daily="14:30", time_zone="Nowhere"), "is not a time zone of the IANA database"),
    ],
)
def test_flags_that_make_no_trigger(given: When, words: str) -> None:
    """Told before anything is sent."""
    with pytest.raises(typer.BadParameter, match=words):
        trigger_of(given, clock=Noon())


@pytest.mark.parametrize(
    ("given", "action"),
    [
        (what(to=["a@example.com"], subject="s", text="t"), {"notify": {"to": ["a@example.com"], "subject": "s", "text": "t"}}),
        (
            what(to=["a@example.com"], template="hello", variables=["name=Ann", "x=a=b"], channels=["inbox"]),
            {
                "notify": {
                    "to": ["a@example.com"],
                    "template": "templates/hello",
                    "variables": {"name": "Ann", "x": "a=b"},
                    "channels": ["inbox"],
                }
            },
        ),
        (
            what(recipients=["ann", "groups/ops"], category="news", subject="s", text="t"),
            {"notify": {"recipients": ["recipients/ann", "groups/ops"], "category": "categories/news", "subject": "s", "text": "t"}},
        ),
        (what(task="uppercase", input='{"text": "hi"}'), {"task": {"handler": "uppercase", "input": {"text": "hi"}}}),
        (what(task="noop"), {"task": {"handler": "noop", "input": {}}}),
    ],
)
def test_flags_become_an_action(given: What, action: dict) -> None:
    """A mail, a template, or a task."""
    assert action_of(given) == action


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (what(), "give --to"),
        (what(subject="s"), "give --to"),
        (what(task="noop", to=["a@example.com"]), "--task cannot be combined"),
        (what(to=["a@example.com"], input="{}"), "--input requires --task"),
        (what(task="noop", input="{"), "not valid JSON"),
        (what(task="noop", input="[]"), "must be a JSON object"),
        (what(to=["a@example.com"], template="t", variables=["nothing"]), "is not name=value"),
    ],
)
def test_flags_that_make_no_action(given: What, words: str) -> None:
    """Told before anything is sent."""
    with pytest.raises(typer.BadParameter, match=words):
        action_of(given)


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ({"at": "2026-12-01T09:00:00Z"}, "at 2026-12-01T09:00:00Z"),
        ({"atLocal": "2026-12-01T09:00:00", "timeZone": "Europe/Paris"}, "at 2026-12-01T09:00:00 Europe/Paris"),
        ({"every": "300s"}, "every 300s"),
        ({"daily": {"time": "14:30"}, "timeZone": "Asia/Tokyo"}, "daily 14:30 Asia/Tokyo"),
        ({"daily": {"time": "14:30", "recurring": False}}, "once 14:30"),
        ({"cron": "0 9 * * *", "timeZone": "Asia/Tokyo"}, "cron 0 9 * * * Asia/Tokyo"),
        ({"rrule": "DTSTART:20260101T090000\nRRULE:FREQ=DAILY"}, "DTSTART:20260101T090000 RRULE:FREQ=DAILY"),
        ({"moon": "full"}, "moon"),
    ],
)
def test_a_rule_in_words(trigger: dict, words: str) -> None:
    """Also one that this version of the command does not know."""
    assert rule_words(trigger) == words


def test_json_objects_only() -> None:
    """A handler's input is an object."""
    assert json_object('{"a": 1}', option="JSON") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:00", "09:00"), ("09:00", "09:00"), ("09:00:05", "09:00:05"), ("9am", "09:00"), ("9 AM", "09:00"),
        ("12am", "00:00"), ("12pm", "12:00"),
        ("5:30pm", "17:30"), ("noon", "12:00"), ("midnight", "00:00"), (" 23:59 ", "23:59"),
    ],
)  # fmt: skip
def test_times_of_day_are_read_as_people_write_them(text: str, expected: str) -> None:
    """The contract has one form."""
    assert time_of_day(text, option="--daily") == expected


@pytest.mark.parametrize("text", ["", "9", "24:00", "9:60", "13pm", "0am", "9:00:60", "nine", "9:0", "99999999:00", "\u0669:\u0660\u0660"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """With the option's name, before anything is sent."""
    with pytest.raises(typer.BadParameter):
        time_of_day(text, option="--daily")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tomorrow 9:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("today at 5pm", datetime(2026, 3, 1, 16, tzinfo=UTC)),
        ("Monday 9:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("sunday noon", datetime(2026, 3, 8, 11, tzinfo=UTC)),
    ],
)
def test_days_have_names(text: str, expected: datetime) -> None:
    """In the zone that is given; the day of the week is the next one, never today."""
    assert instant(text, now=NOW, zone="Europe/Paris", option="--at") == expected
    with pytest.raises(typer.BadParameter, match="--time-zone"):
        instant(text, now=NOW, zone=None, option="--at")


def test_a_day_by_its_name_stays_a_wall_time() -> None:
    """Nine is nine, whatever the zone's rules become until then."""
    made = trigger_of(when(at="tomorrow 9:00", time_zone="Europe/Paris"), clock=Noon())
    assert made == {"atLocal": "2026-03-02T09:00:00", "timeZone": "Europe/Paris"}
