"""What pings make of a heartbeat, and what is shown of it."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler_svc.domain import Action, Alarm, AlarmState
from scheduler_svc.domain.standings import StandingState, standing_of, worst
from scheduler_svc.triggers import Pinged, PingKind, Signal, Status, beaten, check_listening, deadline, heard, with_ping_key
from tocsin.errors import InvalidInput
from tocsin.recurrence import Cron, Heartbeat, OnCalendar, Recurrence, Trigger, describe, normalized
from tocsin.testing.clock import FakeClock

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOW = FakeClock().micros()  # 2026-01-01T00:00:00Z
RUN, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
SPEC = Heartbeat(every=10 * MINUTE, grace=5 * MINUTE, key="k")
TRIGGER = Trigger(spec=SPEC)


def said(kind: PingKind, at: int, *, run: str = "") -> Pinged:
    """A ping, so many minutes from now."""
    return Pinged(log="x", tenant="", key="k", received=NOW + at * MINUTE, kind=kind, run=run)


def lived(*pings: Pinged, signal: Signal | None = None) -> tuple[Signal, int | None, list[str]]:
    """Where a heartbeat stands after pings, its deadline in minutes, and what happened."""
    state = signal or Signal(status=Status.WAITING, since=NOW)
    due: int | None = None if state.status is Status.RAISED else NOW + 15 * MINUTE
    happened: list[str] = []
    for ping in pings:
        step = beaten(TRIGGER, state, due, ping)
        state, due = step.signal, step.due
        happened += ["raised"] * step.raised + ["resolved"] * step.resolved
    return state, None if due is None else (due - NOW) // MINUTE, happened


S, B, F, L = PingKind.SUCCESS, PingKind.START, PingKind.FAIL, PingKind.LOG


@pytest.mark.parametrize(
    ("pings", "status", "due", "happened", "duration"),
    [
        ([said(S, 1)], Status.OK, 16, [], None),
        ([said(L, 1)], Status.WAITING, 15, [], None),
        ([said(F, 1)], Status.RAISED, None, ["raised"], None),
        ([said(F, 1), said(F, 2)], Status.RAISED, None, ["raised"], None),
        ([said(F, 1), said(L, 2)], Status.RAISED, None, ["raised"], None),
        ([said(F, 1), said(S, 2)], Status.OK, 17, ["raised", "resolved"], None),
        ([said(B, 1)], Status.WAITING, 6, [], None),
        ([said(B, 12)], Status.WAITING, 15, [], None),
        ([said(B, 1), said(S, 3)], Status.OK, 18, [], 2),
        ([said(B, 1), said(F, 3)], Status.RAISED, None, ["raised"], 2),
        ([said(B, 1), said(B, 3), said(S, 4)], Status.OK, 19, [], 1),
        ([said(B, 1), said(B, 3)], Status.WAITING, 8, [], None),
        ([said(F, 1), said(B, 2)], Status.RAISED, None, ["raised"], None),
        ([said(B, 1, run=RUN), said(S, 3, run=RUN)], Status.OK, 18, [], 2),
        ([said(B, 1, run=RUN), said(S, 3, run=OTHER)], Status.OK, 6, [], None),
        ([said(B, 1, run=RUN), said(S, 3, run=OTHER), said(S, 4, run=RUN)], Status.OK, 19, [], 3),
        ([said(B, 1, run=RUN), said(S, 3)], Status.OK, 18, [], None),
        ([said(B, 1, run=RUN), said(F, 3, run=OTHER)], Status.RAISED, None, ["raised"], None),
        ([said(B, 1, run=RUN), said(S, 9, run=OTHER)], Status.OK, 24, [], None),
    ],
)
def test_pings_follow_the_rules_of_healthchecks(
    pings: list[Pinged], status: Status, due: int | None, happened: list[str], duration: int | None
) -> None:
    """A failure raises at once, a log does nothing, a start brings the deadline forward, and a run ends by its own id."""
    signal, deadline_minutes, events = lived(*pings)
    assert (signal.status, deadline_minutes, events) == (status, due, happened)
    assert signal.duration == (None if duration is None else duration * MINUTE)


def test_a_ping_that_is_heard_late_does_not_end_what_it_did_not_answer() -> None:
    """The end of another run came before the deadline of the one under way, and is stored after that was raised: it stays raised, once."""
    began = Signal(status=Status.OK, since=NOW, started=NOW + 2 * MINUTE, run=RUN)
    raised = replace(began, status=Status.RAISED, since=NOW + 7 * MINUTE)
    assert lived(said(S, 6, run=OTHER), signal=raised) == (replace(raised, seen=NOW + 6 * MINUTE), None, [])
    state, due, happened = lived(said(S, 6, run=RUN), signal=raised)
    assert (state.status, due, happened) == (Status.OK, 21, ["resolved"]), "its own end, which was under way"
    assert lived(said(S, 8, run=OTHER), signal=raised)[2] == ["resolved"], "after it, another run's as well: the job works"


def test_what_is_not_active_only_hears() -> None:
    """The ping of a paused alarm is seen, a start and a log are not even that."""
    signal = Signal(status=Status.OK, since=NOW)
    assert heard(signal, said(S, 1)).seen == NOW + MINUTE
    assert heard(signal, said(B, 1)) == heard(signal, said(L, 1)) == signal


@pytest.mark.parametrize(
    ("schedule", "zone", "seen", "expected"),
    [
        (Cron("0 * * * *"), "UTC", 0, 60),
        (Cron("0 * * * *"), "UTC", 59, 60),
        (Cron("0 * * * *"), "UTC", 60, 120),
        (Cron("0 3 * * *"), "Europe/Berlin", 0, 120),
        (OnCalendar("*-*-* 02:00:00"), "UTC", 0, 120),
        (Recurrence("DTSTART:20260101T003000Z\nRRULE:FREQ=DAILY"), "UTC", 0, 30),
    ],
)
def test_a_schedule_says_when_the_next_ping_is_expected(schedule: Any, zone: str, seen: int, expected: int) -> None:
    """It is the first time of the schedule behind the ping, and the grace comes behind that."""
    trigger = Trigger(spec=replace(SPEC, every=0, schedule=schedule), time_zone=zone)
    check_listening(trigger, now=NOW)
    assert deadline(trigger, seen=NOW + seen * MINUTE) == NOW + (expected + 5) * MINUTE
    assert Trigger.decode(trigger.encode()) == trigger
    assert describe(trigger).startswith("When no ping comes within 300 s of its time")


def test_a_hash_in_a_schedule_is_one_of_the_key() -> None:
    """Two heartbeats are not expected at one instant; each always at its own."""
    ones = [deadline(Trigger(spec=replace(SPEC, every=0, schedule=Cron("H * * * *"), key=key)), seen=NOW) for key in ("a", "b", "a")]
    assert ones[0] == ones[2] != ones[1]


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (Cron("61 * * * *"), "trigger.heartbeat.cron"),
        (Cron("0 0 30 2 *"), "trigger.heartbeat.cron"),
        (Cron("@every 5m"), "trigger.heartbeat.cron"),
        (OnCalendar("nonsense"), "trigger.heartbeat.onCalendar"),
        (OnCalendar("2020-01-01"), "trigger.heartbeat.onCalendar"),
        (Recurrence("RRULE:FREQ=DAILY"), "trigger.heartbeat.rrule"),
        (Recurrence("DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;COUNT=3"), "trigger.heartbeat.rrule"),
        (Recurrence("x"), "trigger.heartbeat.rrule"),
    ],
)
def test_a_schedule_by_which_no_ping_can_be_expected_is_refused(schedule: Any, field: str) -> None:
    """The error names the field within the heartbeat."""
    with pytest.raises(InvalidInput) as caught:
        check_listening(normalized(Trigger(spec=replace(SPEC, every=0, schedule=schedule), time_zone=""), time_zone="UTC"), now=NOW)
    assert caught.value.violations[0].field == field


def test_a_uuid_is_a_secret_key() -> None:
    """As one of healthchecks.io, in small letters; it needs no token."""
    trigger, secret = with_ping_key(Trigger(spec=replace(SPEC, key=RUN.upper())))
    assert isinstance(trigger.spec, Heartbeat)
    assert trigger.spec.key == secret == RUN


def test_triggers_of_before_are_read() -> None:
    """What was stored without slug and schedule means the same, and is stored as it was."""
    text = Trigger(spec=SPEC).encode()
    assert text == '{"heartbeat":[600000000,300000000,"k",true],"tz":"UTC"}'
    assert Trigger.decode(text).spec == SPEC


def alarm(signal: Signal | None, due: int | None, *, state: AlarmState = AlarmState.ACTIVE, spec: Any = SPEC) -> Alarm:
    """An alarm whose deadline is so many minutes from now."""
    at = None if due is None else NOW + due * MINUTE
    return Alarm(
        Trigger(spec=spec), Action("task", b""), {}, id="a1", tenant="t1", shard=0, anchor=NOW, due=at, created=NOW, updated=NOW,
        rule_since=NOW, signal=signal, state=state,
    )  # fmt: skip


WAITING = Signal(status=Status.WAITING, since=NOW)


@pytest.mark.parametrize(
    ("signal", "due", "state", "expected"),
    [
        (WAITING, 15, AlarmState.ACTIVE, StandingState.NEW),
        (replace(WAITING, status=Status.OK), 15, AlarmState.ACTIVE, StandingState.UP),
        (replace(WAITING, status=Status.OK), 5, AlarmState.ACTIVE, StandingState.LATE),
        (replace(WAITING, status=Status.OK), 0, AlarmState.ACTIVE, StandingState.DOWN),
        (replace(WAITING, status=Status.RAISED), None, AlarmState.ACTIVE, StandingState.DOWN),
        (replace(WAITING, status=Status.OK, started=NOW), 5, AlarmState.ACTIVE, StandingState.STARTED),
        (replace(WAITING, status=Status.RAISED, started=NOW), None, AlarmState.ACTIVE, StandingState.DOWN),
        (replace(WAITING, status=Status.OK), 15, AlarmState.PAUSED, StandingState.PAUSED),
    ],
)
def test_how_a_heartbeat_stands(signal: Signal, due: int | None, state: AlarmState, expected: StandingState) -> None:
    """By its state, its deadline and the clock."""
    assert standing_of(alarm(signal, due, state=state), now=NOW).state is expected


@pytest.mark.parametrize(
    ("reading", "expected"), [(None, StandingState.NEW), ((1.0, NOW), StandingState.UP), ((0.0, NOW), StandingState.DOWN)]
)
def test_how_a_check_stands(reading: tuple[float, int] | None, expected: StandingState) -> None:
    """By its latest reading."""
    assert standing_of(alarm(None, 1, spec=Cron("* * * * *")), now=NOW, reading=reading).state is expected


def test_the_worst_of_several() -> None:
    """Down is worse than late, and nothing is new."""
    assert worst([StandingState.UP, StandingState.DOWN, StandingState.LATE]) is StandingState.DOWN
    assert worst([StandingState.PAUSED, StandingState.UP]) is StandingState.UP
    assert worst([]) is StandingState.NEW
