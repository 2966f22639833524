from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_svc.domain import Action, Alarm, FiringState, Outcome
from scheduler_svc.domain.planning import Plan, Schedule, plan, upcoming, within_quota
from tocsin.recurrence import At, CatchUp, CatchUpMode, Daily, Every, Spec, Trigger, compiled

SECOND = 1_000_000
GRACE = 30 * SECOND
ALL, LATEST, NONE = CatchUpMode.ALL, CatchUpMode.LATEST, CatchUpMode.NONE


def _made(
    *,
    now: float,
    due: int = 10,
    spec: Spec | None = None,
    catch_up: CatchUp | None = None,
    count: int = 0,
    skip_before: int | None = None,
    ordinal: int = 0,
    most: int = 1000,
) -> Plan:
    trigger = Trigger(spec=spec or Every(10 * SECOND), count=count, catch_up=catch_up)
    schedule = Schedule(
        trigger=compiled(trigger.encode(), 0, seed=""),
        due=due * SECOND,
        ordinal=ordinal,
        skip_before=None if skip_before is None else skip_before * SECOND,
    )
    return plan(schedule, now=round(now * SECOND), most=most, grace=GRACE)


def _shown(result: Plan) -> list[tuple[int, str, str]]:
    return [(row.due // SECOND, row.outcome.name, row.reason) for row in result.rows]


F, L = "FIRED", "LATE"
LATE = "LET_GO_LATE"


@pytest.mark.parametrize(
    ("result", "rows", "following"),
    [
        (_made(now=10), [(10, F, "")], 20),
        (_made(now=11), [(10, F, "")], 20),
        (_made(now=11.1), [(10, L, LATE)], 20),
        (_made(now=35), [(10, "COALESCED", "CATCH_UP_LATEST"), (20, "COALESCED", "CATCH_UP_LATEST"), (30, L, LATE)], 40),
        (_made(now=35, catch_up=CatchUp(mode=ALL)), [(10, L, LATE), (20, L, LATE), (30, L, LATE)], 40),
        (
            _made(now=35, catch_up=CatchUp(mode=ALL, limit=2)),
            [(10, "SKIPPED", "CATCH_UP_LIMIT"), (20, L, LATE), (30, L, LATE)],
            40,
        ),
        (
            _made(now=35, catch_up=CatchUp(mode=NONE)),
            [(10, "SKIPPED", "CATCH_UP_NONE"), (20, "SKIPPED", "CATCH_UP_NONE"), (30, L, LATE)],
            40,
        ),
        (_made(now=41, due=10, spec=At(10 * SECOND), catch_up=CatchUp(mode=NONE)), [(10, "SKIPPED", "CATCH_UP_NONE")], None),
        (_made(now=39, due=10, spec=At(10 * SECOND), catch_up=CatchUp(mode=NONE)), [(10, L, LATE)], None),
        (
            _made(now=35, catch_up=CatchUp(window=12 * SECOND)),
            [(10, "SKIPPED", "CATCH_UP_WINDOW"), (20, "SKIPPED", "CATCH_UP_WINDOW"), (30, L, LATE)],
            40,
        ),
        (_made(now=35, catch_up=CatchUp(window=0)), [(at, "SKIPPED", "CATCH_UP_WINDOW") for at in (10, 20, 30)], 40),
        (_made(now=35, skip_before=25), [(10, "SKIPPED", "PAUSED"), (20, "SKIPPED", "PAUSED"), (30, L, LATE)], 40),
        (_made(now=35, count=2), [(10, "COALESCED", "CATCH_UP_LATEST"), (20, L, LATE)], None),
        (_made(now=35, count=5, ordinal=4), [(10, L, LATE)], None),
        (_made(now=10, spec=At(10 * SECOND)), [(10, F, "")], None),
        (_made(now=35, most=2), [(10, "COALESCED", "CATCH_UP_LATEST"), (20, "COALESCED", "CATCH_UP_LATEST")], 30),
        (_made(now=5), [], 10),
    ],
)
def test_due_times_are_accounted_for_by_the_policy(result: Plan, rows: list[tuple[int, str, str]], following: int | None) -> None:
    """Each missed due time gets its outcome and reason, and the next one is known."""
    assert _shown(result) == rows
    assert result.due == (None if following is None else following * SECOND)


MODES = st.builds(CatchUp, mode=st.sampled_from(CatchUpMode), limit=st.integers(0, 20), window=st.none() | st.integers(0, 10**9))


@given(st.integers(0, 2000), MODES, st.integers(0, 60), st.integers(1, 7), st.none() | st.integers(0, 1500))
def test_no_due_time_is_lost_or_doubled_however_it_is_cut(now: int, catch_up: CatchUp, count: int, most: int, skip: int | None) -> None:
    """In pieces of any size, every due time up to now gets exactly one row, in order."""
    trigger = Trigger(spec=Every(10 * SECOND), count=count, catch_up=catch_up)
    found = compiled(trigger.encode(), 0, seed="")
    due: int | None = 10 * SECOND
    ordinal, rows = 0, list[int]()
    fired = 0
    while due is not None and due <= now * SECOND:
        schedule = Schedule(trigger=found, due=due, ordinal=ordinal, skip_before=None if skip is None else skip * SECOND)
        part = plan(schedule, now=now * SECOND, most=most, grace=GRACE)
        assert 0 < len(part.rows) <= most
        rows += [row.due for row in part.rows]
        fired += sum(row.state is FiringState.PENDING for row in part.rows)
        due, ordinal = part.due, part.ordinal
    expected = [at * 10 * SECOND for at in range(1, now // 10 + 1)][: count or None]
    assert rows == expected
    assert ordinal == len(expected)
    if catch_up.mode is CatchUpMode.ALL:
        assert fired <= catch_up.most
    else:
        assert fired <= 1


def test_a_long_backlog_is_not_walked_for_its_newest() -> None:
    """With ALL, a year of seconds missed costs a bounded search: the first piece is skipped, the limit is kept."""
    year = 365 * 86_400
    result = _made(now=year, due=10, spec=Every(SECOND), catch_up=CatchUp(mode=ALL, limit=5), most=3)
    assert {row.outcome for row in result.rows} == {Outcome.SKIPPED}
    last = _made(now=year, due=year - 6, spec=Every(SECOND), catch_up=CatchUp(mode=ALL, limit=5))
    assert [row.state for row in last.rows] == [FiringState.CLOSED] * 2 + [FiringState.PENDING] * 5


@pytest.mark.parametrize(
    ("trigger", "due", "skip", "ordinal", "expected"),
    [
        (Trigger(spec=Every(10 * SECOND)), 30, None, 0, 30),
        (Trigger(spec=Every(10 * SECOND)), 30, 25, 0, 30),
        (Trigger(spec=Every(10 * SECOND)), 30, 55, 0, 60),
        (Trigger(spec=Every(10 * SECOND), count=5), 30, 55, 2, None),
        (Trigger(spec=Every(10 * SECOND), count=6), 30, 55, 2, 60),
        (Trigger(spec=Daily(time(0, 1))), 60, 61, 0, 86_460),
        (Trigger(spec=At(30 * SECOND)), 30, 55, 0, None),
    ],
)
def test_the_next_time_shown_leaves_a_pause_out(trigger: Trigger, due: int, skip: int | None, ordinal: int, expected: int | None) -> None:
    """After a resume the shown next time is the one that will fire, although the ledger is behind."""
    alarm = Alarm(
        id="a",
        tenant="t",
        shard=0,
        trigger=trigger,
        anchor=0,
        action=Action("task", b""),
        due=due * SECOND,
        ordinal=ordinal,
        skip_before=None if skip is None else skip * SECOND,
        created=0,
        updated=0,
    )
    assert upcoming(alarm) == (None if expected is None else expected * SECOND)


@pytest.mark.parametrize(
    ("catch_up", "room", "rows", "waits_for"),
    [
        (None, 0, ["COALESCED CATCH_UP_LATEST", "COALESCED CATCH_UP_LATEST"], 30),
        (None, 1, ["COALESCED CATCH_UP_LATEST", "COALESCED CATCH_UP_LATEST", "LATE LET_GO_LATE"], None),
        (CatchUp(mode=ALL), 0, [], 10),
        (CatchUp(mode=ALL), 2, ["LATE LET_GO_LATE", "LATE LET_GO_LATE"], 30),
        (CatchUp(mode=NONE), 0, ["SKIPPED CATCH_UP_NONE", "SKIPPED CATCH_UP_NONE", "SKIPPED FIRE_QUOTA"], None),
    ],
    ids=["latest", "latest-with-room", "all", "all-with-room", "none"],
)
def test_what_a_quota_holds_back(catch_up: CatchUp | None, room: int, rows: list[str], waits_for: int | None) -> None:
    """It is skipped where nothing is caught up with; otherwise the alarm waits at the first due time that may not fire."""
    trigger = Trigger(spec=Every(10 * SECOND), catch_up=catch_up)
    made = within_quota(_made(now=35, catch_up=catch_up), room, encoded=trigger.encode())
    assert [f"{row.outcome.name} {row.reason}" for row in made.rows] == rows
    assert (made.due, made.ordinal) == ((waits_for or 40) * SECOND, len(rows))
    assert made.pause == ("" if waits_for is None else "FIRE_QUOTA")
