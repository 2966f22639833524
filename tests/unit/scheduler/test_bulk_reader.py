"""The fast path and the fallback of an import read the same."""

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from scheduler_svc.domain import AlarmState
from scheduler_svc.handlers.bulk.reader import AlarmCodecs, AlarmReader
from scheduler_svc.handlers.bulk.rules import ALARM_RULES
from scheduler_svc.handlers.convert import draft_of
from scheduler_svc.service import Caller
from scheduler_svc.service.alarms import new_alarm
from scheduler_svc.service.imports import Import
from scheduler_svc.store.mapping import alarm_row
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.validation import RequestInvalid, RequestValidator
from tocsin.protojson.fast import FastCodec, FastPathMiss
from tocsin.recurrence import normalized
from tocsin.testing.clock import FakeClock

CODECS = AlarmCodecs(RequestValidator())
FAST = FastCodec(CODECS.alarm, rules=ALARM_RULES)

GOOD: list[dict[str, Any]] = [
    {
        "trigger": {"cron": "0 9 * * *", "timeZone": "Europe/Paris"},
        "action": {"task": {"handler": "noop", "input": {"a": [1, "x", None, {"b": True}]}}},
    },
    {
        "key": "k-1",
        "displayName": "Ümläut",
        "labels": {"team": "core", "é": "ü"},
        "priority": "BULK",
        "autoPauseAfter": 3,
        "trigger": {"at": "2030-01-01T00:00:00.500Z", "catchUp": {"mode": "ALL", "limit": 3}},
        "action": {"notify": {"to": ["ann@example.com", "bob@sub.example.org"], "subject": "s", "text": "t"}},
        "retry": {"maxAttempts": 3, "initialBackoff": "2s"},
    },
    {
        "trigger": {
            "every": "60s",
            "startTime": "2030-01-01T00:00:00+02:00",
            "dst": {"gap": "SKIP"},
            "excludeDates": ["2030-01-02"],
            "jitter": "5s",
        },
        "action": {"notify": {"to": ["a@b.cd"], "template": "templates/x", "variables": {"name": "Ann"}, "channels": ["email"]}},
        "state": "PAUSED",
    },
    {"trigger": {"daily": {"time": "14:30", "recurring": False}}, "action": {"task": {"handler": "noop"}}},
    {"trigger": {"event": {"topic": "orders.*"}}, "action": {"task": {"handler": "noop"}}},
    {
        "trigger": {"daily": {"time": "14:30"}},
        "action": {"notify": {"to": ["fcm:" + "a" * 140], "subject": "s", "text": "t", "channels": ["push"]}},
    },
    {"trigger": {"threshold": {"metric": "m", "comparison": "LESS_THAN", "value": 1.5}}, "action": {"task": {"handler": "noop"}}},
    {"trigger": {"heartbeat": {"every": "60s", "key": "hb"}}, "action": {"task": {"handler": "noop"}}},
]
BAD: tuple[Any, ...] = (
    *(
        "",
        "x",
        "a\n",
        "\n",
        "\0",
        "ä" * 130,
        "x" * 1000,
        "\ud800",
        "a@b",
        "a@b\n",
        "a@-b.c",
        "@",
        "2030-01-01T00:00:00Z",
        "60s",
        "0s",
        "-1s",
        "NORMAL",
        "14:30\n",
    ),
    *(None, True, 0, 1, -1, 2**40, 1.5, 1e400, float("nan"), [], {}, [""], ["a@b.cd", "a@b.cd"], {"": ""}, {"x": 1}, [None]),
)


SLOW = ("threshold", "push")
"""What the fast path leaves to the fallback: a number that it cannot tell exactly, and addresses that are no mail addresses."""


def fast(alarm: dict[str, Any]) -> bool:
    """Whether the fast path takes a good alarm."""
    return not any(f'"{word}"' in json.dumps(alarm) for word in SLOW)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


def changed(alarm: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The alarm with another value at a place."""
    found = copy.deepcopy(alarm)
    inner: Any = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


@st.composite
def alarms(draw: st.DrawFn) -> dict[str, Any]:
    """A good alarm with any value at one or two of its places."""
    alarm = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(alarm)))
        value = draw(st.sampled_from(BAD) | st.text(max_size=5) | st.sampled_from([item for good in GOOD for item in good.values()]))
        alarm = changed(alarm, path, value)
    return alarm


def explained(value: dict[str, Any]) -> Any:
    """The alarm as the gateway and CreateAlarm read it; None when they refuse it."""
    try:
        message = alarm_pb2.Alarm.FromString(CODECS.alarm.to_wire(value))
        CODECS.validator.check(message)
        return message
    except (InvalidInput, RequestInvalid):
        return None


def check(value: dict[str, Any], *, ascii_only: bool = False) -> bool:
    """What the fast path takes, the fallback takes as well, and makes the same of it; whether it was taken."""
    try:
        wire = FAST.wire(json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass"))
    except FastPathMiss:
        return False
    message = explained(value)
    assert message is not None, value
    assert alarm_pb2.Alarm.FromString(wire).SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
    return True


@pytest.mark.parametrize("alarm", GOOD)
def test_good_alarms_are_the_same_both_ways(alarm: dict[str, Any]) -> None:
    """The fast path makes of an alarm what the fallback makes of it, or leaves it to that."""
    assert check(alarm) == fast(alarm)


@settings(max_examples=400)
@given(st.data())
def test_the_fast_path_never_takes_what_the_contract_refuses(data: st.DataObject) -> None:
    """Any value at any place of any alarm: whatever the fast path takes, the validator takes as well."""
    check(data.draw(alarms()), ascii_only=data.draw(st.booleans()))


@given(
    st.sampled_from(GOOD),
    st.sampled_from([*alarm_pb2.Alarm.DESCRIPTOR.fields_by_name, "nextFireTime", "zz", "TRIGGER"]),
    st.sampled_from(BAD),
)
def test_another_field_changes_nothing_about_that(alarm: dict[str, Any], name: str, value: Any) -> None:
    """Nor does it take fields that are not there, or twice."""
    check({**alarm, name: value})


@pytest.mark.parametrize("alarm", GOOD)
def test_the_names_of_the_contract_are_as_good(alarm: dict[str, Any]) -> None:
    """Fields may have the names of the contract instead of those of JSON."""
    found: Any = alarm_pb2.Alarm.FromString(CODECS.alarm.to_wire(alarm))
    text = json_format.MessageToJson(found, preserving_proto_field_name=True)
    if fast(alarm):
        assert alarm_pb2.Alarm.FromString(FAST.wire(text.encode())) == found


@pytest.mark.parametrize(
    "text",
    [
        '{"key": "a", "key": "b", "trigger": {"cron": "@daily"}, "action": {"task": {"handler": "noop"}}}',
        '{"trigger": {"cron": "@daily", "cron": "@daily"}, "action": {"task": {"handler": "noop"}}}',
        '{"trigger": {"cron": "@daily"}, "action": {"task": {"handler": "noop", "input": {"a": "x", "a": "y"}}}}',
        r'{"key": "\u0022\u0022", "labels": {"a": "b", "a": "c"}, "trigger": {"every": "9s"}, "action": {"task": {"handler": "noop"}}}',
        '{"trigger": {"cron": "@daily"}, "trigger": {"cron": "@daily"}, "action": {"task": {"handler": "noop"}}}',
        '{"trigger": {"cron": "@daily"}, "action": {"task": {"handler": "noop"}}} x',
    ],
)
def test_a_name_that_is_given_twice_misses_the_fast_path(text: str) -> None:
    """Which of the two is expected nobody can say, at any depth."""
    with pytest.raises(FastPathMiss):
        FAST.wire(text.encode())
    with pytest.raises(InvalidInput):
        AlarmReader(codecs=CODECS, time_zone="UTC").of_text(1, text.encode())


@pytest.mark.parametrize(
    "part",
    [
        {"createTime": "yesterday"},
        {"trigger": {"every": "0s"}},
        {"trigger": {"every": "60s", "jitter": "999999999s"}},
        {"retry": {"initialBackoff": "999999999s"}},
        {"action": {"notify": {"to": ["a@b.cd", "a@b.cd"], "subject": "s", "text": "t"}}},
        {"action": {"notify": {"to": ["a@-b.c"], "subject": "s", "text": "t"}}},
        {"action": {"notify": {"to": ["a@b.cd"], "subject": "s", "text": "t", "channels": ["push"]}}},
        {"action": {"notify": {"to": ["onesignal:1dd608f2-c6a1-11e3-851d-000c2940e62c"], "subject": "s", "text": "t"}}},
        {"action": {"notify": {"to": ["a@b.cd"], "subject": "s", "text": "t", "template": "templates/x"}}},
        {"action": {}},
        {"labels": {"a\n": "b"}},
        {"priority": "PRIORITY_URGENT"},
        {"key": "\u007f"},
    ],
)
def test_an_invalid_line_is_refused_for_its_field(part: dict[str, Any]) -> None:
    """What breaks a rule of the contract misses the fast path, and is explained."""
    text = json.dumps({"trigger": {"cron": "@daily"}, "action": {"task": {"handler": "noop"}}} | part).encode()
    with pytest.raises(InvalidInput) as caught:
        AlarmReader(codecs=CODECS, time_zone="UTC").of_text(1, text)
    assert caught.value.violations[0].field.startswith(next(iter(part)))


@settings(max_examples=400)
@given(alarm=st.sampled_from(GOOD) | alarms(), state=st.sampled_from(["", "PAUSED", "COMPLETED", "ACTIVE", "NO"]), ascii_only=st.booleans())
def test_a_line_is_the_draft_that_create_makes_of_it(alarm: dict[str, Any], state: str, *, ascii_only: bool) -> None:
    """Whichever way a line is read, it means what the same JSON means to CreateAlarm, down to the bytes of its action."""
    alarm = alarm | ({"state": state} if state else {})
    text = json.dumps(alarm, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    message = explained(alarm)
    expected = None if message is None or refused(message) else draft_of(message)
    try:
        found = AlarmReader(codecs=CODECS, time_zone="Asia/Tokyo").of_text(1, text)
    except (InvalidInput, RequestInvalid):
        assert expected is None
        return
    assert expected is not None
    pair = (found, structs.replace(expected, key=expected.key or found.key))
    first, second = (structs.replace(draft, trigger=normalized(draft.trigger, time_zone="Asia/Tokyo")) for draft in pair)
    assert first == second


@settings(max_examples=150)
@given(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-10)), timezone(timedelta(hours=14))]))
    | st.sampled_from(["2030-02-30T00:00:00Z", "2030-01-01T00:00:00", "2030-01-01T24:00:00Z", "9999-12-31T23:59:59-10:00", "", None, 5]),
    st.sampled_from([None, "Europe/Paris", "No/Zone", "", "x" * 65, "ü", 5]),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
)
def test_an_instant_is_the_same_trigger_without_its_message(at: Any, zone: Any, separators: tuple[str, str]) -> None:
    """A trigger that is an instant alone is read without its message; it is the trigger that the message makes."""
    trigger = {"at": at.isoformat() if isinstance(at, datetime) else at} | ({} if zone is None else {"timeZone": zone})
    alarm = {"trigger": trigger, "action": {"task": {"handler": "noop"}}}
    message = explained(alarm)
    try:
        read = AlarmReader(codecs=CODECS, time_zone="Asia/Tokyo").of_text(1, json.dumps(alarm, separators=separators).encode())
    except (InvalidInput, RequestInvalid):
        assert message is None or refused(message)
    else:
        assert normalized(read.trigger, time_zone="Asia/Tokyo") == normalized(draft_of(message).trigger, time_zone="Asia/Tokyo")


def refused(message: Any) -> bool:
    """Whether a message that meets the contract is no alarm all the same."""
    try:
        draft_of(message)
    except InvalidInput:
        return True
    return False


NOWHERE: Any = None
"""What an import stands on that is never committed."""


@pytest.mark.parametrize("state", [{}, {"state": "PAUSED", "pauseReason": "REQUESTED"}, {"state": "COMPLETED"}])
@pytest.mark.parametrize("alarm", GOOD)
def test_a_line_makes_the_alarm_that_create_makes(alarm: dict[str, Any], state: dict[str, Any]) -> None:
    """An import computes once what alarms share; each is the one that CreateAlarm would make, in the state that is asked for."""
    clock = FakeClock()
    caller = Caller(tenant="t1", time_zone="Asia/Tokyo", traceparent="00-1")
    work = Import(store=NOWHERE, hints=NOWHERE, checks=NOWHERE, clock=clock, caller=caller, validate_only=False)
    draft = AlarmReader(codecs=CODECS, time_zone="Asia/Tokyo").of_value(1, alarm | state, json.dumps(alarm).encode())
    made = work.read(1, draft)
    created = new_alarm(caller, draft, now=clock.micros(), identity=made.alarm.id)
    asked = draft.state or AlarmState.ACTIVE
    expected = structs.replace(
        created,
        state=asked,
        pause_reason="REQUESTED" if asked is AlarmState.PAUSED else "",
        due=None if asked is AlarmState.COMPLETED else created.due,
    )
    assert made.alarm == expected
    assert alarm_row(made.alarm, rule=made.rule) == alarm_row(made.alarm)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2027-01-15T09:00:00", alarm_pb2.Trigger(at_local="2027-01-15T09:00:00")),
        ("2027-01-15T09:00", alarm_pb2.Trigger(at_local="2027-01-15T09:00:00")),
        ("2027-01-15T09:00:00Z", alarm_pb2.Trigger(at=Timestamp(seconds=1_800_003_600))),
    ],
)
def test_an_instant_without_an_offset_is_a_local_time(at: str, expected: alarm_pb2.Trigger) -> None:
    """At every door that takes JSON: one converter does it."""
    value: Any = {"trigger": {"at": at}}
    assert alarm_pb2.Alarm.FromString(CODECS.alarm.to_wire(value)).trigger == expected
