"""What alarms wait for: topics, conditions, deadlines, keys."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from scheduler_svc.triggers import (
    Outage,
    Published,
    Signal,
    Status,
    after_outage,
    check_listening,
    conditions_of,
    deadline,
    initial_signal,
    resumed,
    topic_matches,
    with_ping_key,
)
from tocsin.errors import InvalidInput
from tocsin.recurrence import At, CatchUp, DstPolicy, Event, Heartbeat, Threshold, Trigger
from tocsin.recurrence.specs import Comparison

SECOND = 1_000_000
NOW = 1_767_225_600 * SECOND
HEARTBEAT = Heartbeat(every=60 * SECOND, grace=5 * SECOND)
THRESHOLD = Threshold(metric="m", comparison=Comparison.GREATER_THAN, value=1)
DATA = {"total": 101.0, "country": "FR", "vip": True, "note": None, "who": {"name": "Ann", "a.b": 1.0}, "tags": ["x"]}


def event(**fields: Any) -> Published:
    """An event with some data."""
    values: dict[str, Any] = {"topic": "orders.eu.paid", "id": "e1", "source": "shop", "data": DATA, **fields}
    return Published(log="l", tenant="t1", happened=NOW, received=NOW, body=b"", **values)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.B", False),
        ("a.b", "a", False),
        ("a", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("*.*.c", "a.b.c", True),
        ("*", "a", True),
        ("*", "a.b", False),
        ("a.**", "a", True),
        ("a.**", "a.b", True),
        ("a.**", "a.b.c.d", True),
        ("a.**", "b.a", False),
        ("*.**", "a", True),
        ("a.*.**", "a", False),
        ("**", "a.b.c", True),
    ],
)
def test_a_pattern_stands_for_topics(pattern: str, topic: str, expected: bool) -> None:
    """A "*" is one segment, a last "**" is any number of them, none included; letters keep their case."""
    assert topic_matches(pattern, topic) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.total>100", True),
        ("data.total > 101", False),
        ("data.total>=101 AND data.country=FR", True),
        ("data.total=101.0", True),
        ("data.total=1.01e2", True),
        ("data.total!=101", False),
        ('data.total="101"', False),
        ('data.total!="101"', True),
        ("data.country<FZ", True),
        ("data.country=fr", False),
        ("data.vip=true", True),
        ("data.vip=1", False),
        ("data.vip!=false", True),
        ('data.vip="true"', False),
        ("data.note=null", True),
        ("data.note!=null", False),
        ("data.total!=null", True),
        ("data.who.name=Ann", True),
        ('data.who."a.b"=1', True),
        ("data.who.a.b=1", False),
        ("data.missing=1", False),
        ("data.missing!=1", False),
        ("data.missing=null", False),
        ("data.country.x=1", False),
        ("data.tags=x", False),
        ("data.tags!=x", True),
        ("source=shop", True),
        ('source!="shop"', False),
        ("id=e1", True),
        ("topic=orders.eu.paid", True),
        ('time>="2026-01-01T00:00:00Z"', True),
        ('time>"2026-01-01T00:00:00Z"', False),
    ],
)
def test_a_filter_tells_events_apart(text: str, expected: bool) -> None:
    """Numbers, words, booleans and null compare within their type; what is missing meets no condition."""
    test = conditions_of(text)
    assert test is not None
    assert test(event()) is expected


def test_without_a_filter_every_event_fits() -> None:
    """An empty filter costs nothing."""
    assert conditions_of("") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data.total>", "column 12"),
        ("data>1", "needs a path"),
        ("data.=1", "needs a path"),
        ("data.a..b=1", "needs a path"),
        ("data.total>true", "column 12: true can only be compared by = !="),
        ("data.total<null", "can only be compared"),
        ("data.a=1 OR data.b=2", "column 10: expected AND"),
        ("kind=1", "unknown field kind"),
        ("source>a", "cannot be compared by >"),
        ("time>yesterday", "RFC 3339"),
        ("data.a:1", "cannot be compared by :"),
    ],
)
def test_a_bad_filter_is_refused_with_its_place(text: str, told: str) -> None:
    """The error names the field of the alarm, and the position in the filter."""
    with pytest.raises(InvalidInput) as caught:
        conditions_of(text)
    assert caught.value.violations[0].field == "trigger.event.filter"
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"count": 1}, "trigger.count"),
        ({"dst": DstPolicy()}, "trigger.dst"),
        ({"catch_up": CatchUp()}, "trigger.catchUp"),
        ({"exclude": ("2026-01-01",)}, "trigger.excludeDates"),
        ({"jitter": 1}, "trigger.jitter"),
        ({"spread": 1}, "trigger.spread"),
        ({"end": NOW}, "trigger.endTime"),
        ({"start": NOW + 9 * SECOND, "end": NOW + 8 * SECOND}, "trigger.endTime"),
        ({"end": NOW + 65 * SECOND}, "trigger.endTime"),
    ],
)
def test_what_means_nothing_beside_a_signal_is_refused(given: dict[str, Any], field: str) -> None:
    """A field of the calendar is an error there, not silently ignored; so is a heartbeat that ends before it can be late."""
    with pytest.raises(InvalidInput) as caught:
        check_listening(Trigger(spec=HEARTBEAT, **given), now=NOW)
    assert caught.value.violations[0].field == field


@pytest.mark.parametrize(
    ("spec", "fields", "seen", "expected"),
    [
        (HEARTBEAT, {}, NOW, NOW + 65 * SECOND),
        (replace(HEARTBEAT, grace=None), {}, NOW, NOW + 120 * SECOND),
        (HEARTBEAT, {"start": NOW + SECOND}, NOW, NOW + 66 * SECOND),
        (HEARTBEAT, {"start": NOW - SECOND}, NOW, NOW + 65 * SECOND),
        (HEARTBEAT, {"end": NOW + 66 * SECOND}, NOW, NOW + 65 * SECOND),
        (HEARTBEAT, {"end": NOW + 65 * SECOND}, NOW, None),
        (THRESHOLD, {}, NOW, None),
        (Event("a"), {}, NOW, None),
    ],
)
def test_a_ping_sets_the_deadline_of_the_next(spec: Any, fields: dict[str, Any], seen: int, expected: int | None) -> None:
    """It lies an interval and the grace after the ping, never before the start's own, and not at the end or after."""
    assert deadline(Trigger(spec=spec, **fields), seen=seen) == expected


@pytest.mark.parametrize(
    ("outage", "moved"),
    [
        (None, False),
        (Outage(NOW - 90 * SECOND, NOW - 61 * SECOND), False),
        (Outage(NOW - 30 * SECOND, NOW - 6 * SECOND), False),
        (Outage(NOW - 30 * SECOND, NOW - 5 * SECOND), True),
        (Outage(NOW - 3 * SECOND, NOW + 10 * SECOND), True),
        (Outage(NOW, NOW + 10 * SECOND), True),
        (Outage(NOW + 1, NOW + 10 * SECOND), False),
    ],
)
def test_a_ping_that_nobody_could_take_is_not_late(outage: Outage | None, moved: bool) -> None:
    """If the ping was expected, or was late, in a time without a scheduler, the one after it is waited for."""
    expected = outage.end + 65 * SECOND if outage and moved else None
    assert after_outage(Trigger(spec=HEARTBEAT), NOW, outage=outage) == expected


@pytest.mark.parametrize(
    ("spec", "status", "after", "due"),
    [
        (HEARTBEAT, Status.WAITING, Status.WAITING, NOW + 65 * SECOND),
        (HEARTBEAT, Status.OK, Status.OK, NOW + 65 * SECOND),
        (HEARTBEAT, Status.RAISED, Status.RAISED, None),
        (THRESHOLD, Status.PENDING, Status.WAITING, None),
        (THRESHOLD, Status.OK, Status.OK, None),
        (THRESHOLD, Status.RAISED, Status.RAISED, None),
        (Event("a"), Status.WAITING, Status.WAITING, None),
    ],
)
def test_every_wait_begins_anew_after_a_pause(spec: Any, status: Status, after: Status, due: int | None) -> None:
    """A deadline counts from the resumption, a metric must be beyond its limit again; what is raised stays so."""
    signal, moved = resumed(Trigger(spec=spec), Signal(status=status, since=NOW - SECOND), now=NOW)
    assert (signal.status, moved) == (after, due)


def test_a_heartbeat_without_a_key_gets_a_secret_one() -> None:
    """Two are never alike, and each is long enough that nobody guesses it."""
    (first, one), (_, other) = with_ping_key(Trigger(spec=HEARTBEAT)), with_ping_key(Trigger(spec=HEARTBEAT))
    assert isinstance(first.spec, Heartbeat)
    assert first.spec.key == one != other
    assert len(uuid.UUID(one).bytes) == 16


@pytest.mark.parametrize(
    ("key", "before", "expected"),
    [
        ("backup", None, ("backup", "")),
        ("", "secret", ("secret", "secret")),
        ("secret", "secret", ("secret", "secret")),
        ("backup", "secret", ("backup", "")),
        ("backup", "", ("backup", "")),
    ],
)
def test_a_secret_key_stays_until_another_is_named(key: str, before: str | None, expected: tuple[str, str]) -> None:
    """A change of the alarm breaks no cron job that pings."""
    signal = None if before is None else Signal(status=Status.OK, since=NOW, secret=before)
    trigger, secret = with_ping_key(Trigger(spec=replace(HEARTBEAT, key=key)), before=signal)
    assert isinstance(trigger.spec, Heartbeat)
    assert (trigger.spec.key, secret) == expected


def test_only_what_comes_from_outside_has_a_standing() -> None:
    """An alarm of the calendar waits for nothing."""
    assert initial_signal(Trigger(spec=At(NOW)), now=NOW) is None
    assert initial_signal(Trigger(spec=THRESHOLD), now=NOW) == Signal(status=Status.WAITING, since=NOW)
