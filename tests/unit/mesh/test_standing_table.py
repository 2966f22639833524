"""When a limit for calls that wait for a database comes, what it is of use for, and what it must not be taken in by: each case a row.

Every row runs twice, without the limit and with it, on the same calls.
"""

from typing import Any, Final

import pytest

from tests.unit.mesh.queued_database import CRITICAL, NORMAL, SHEDDABLE, QueuedDatabase

HALF: Final[dict[str, Any]] = {"rate": lambda _: 0.5}
OVERLOADED: Final[dict[str, dict[str, Any]]] = {
    "three times what it can": {"rate": lambda _: 3.0},
    "a third more than it can": {"rate": lambda _: 1.3},
    "callers who wait for long": {"rate": lambda _: 3.0, "deadline": 5.0, "seconds": 25.0},
    "calls that take longer each": {"rate": lambda _: 0.6, "work": lambda _, draw: draw.uniform(0.01, 0.04)},
}
RECOVERING: Final[dict[str, dict[str, Any]]] = {
    "too many callers for five seconds": {"rate": lambda at: 3.0 if 5 < at < 10 else 0.5},
    "a database that is five times as slow for eight seconds": {
        "rate": lambda _: 0.5,
        "work": lambda at, _: 0.04 if 4 < at < 12 else 0.008,
    },
}
"""Nothing is wrong any more after the second 12."""
NO_OVERLOAD: Final[dict[str, dict[str, Any]]] = {
    "nearly as much as it can": {"rate": lambda _: 0.9, "seconds": 40.0},
    "a burst of a second": {"rate": lambda at: 3.0 if 5 < at < 6 else 0.5},
    "a stop of two seconds, with much to do": {"rate": lambda _: 0.9, "stops": ((10, 12),)},
    "a stop of fifteen seconds": HALF | {"stops": ((5, 20),), "seconds": 30.0},
    "a stop again and again": HALF | {"stops": tuple((at, at + 2) for at in range(5, 30, 5)), "seconds": 30.0},
    "a writer's lock each two seconds": {"rate": lambda _: 0.4, "stops": tuple((at, at + 1) for at in range(4, 20, 2))},
    "a database that is killed, comes back, and connects anew": HALF
    | {"failures": ((5, 10),), "apart": lambda at, _: 0.9 if 10 < at < 11 else 0},
    "a dependency that hangs": HALF | {"hangs": ((5, 20),), "seconds": 30.0},
    "a pause of the process": HALF | {"frozen": ((10, 11.5),)},
    "a machine that is suspended": HALF | {"frozen": ((10, 3610),)},
    "a process that has little time": {"rate": lambda _: 0.3, "frozen": tuple((at, at + 1.2) for at in range(4, 20, 2))},
    "a cold start": HALF | {"apart": lambda at, _: 1.5 if at < 3 else 0},
    "a tenant whose calls are slow": HALF | {"apart": lambda _, draw: 1.5 if draw.random() < 0.3 else 0},
    "lists that are rarely short": {
        "rate": lambda _: 1.0,
        "apart": lambda _, draw: 0.01 if draw.random() < 0.02 else draw.uniform(0.6, 1.9),
    },
    "a call a minute": {"rate": lambda _: 1 / 15000, "seconds": 7200.0, "apart": lambda at, _: 1.5 if at > 3600 else 0},
    "ten slow calls a second": {"rate": lambda _: 0.04, "seconds": 60.0, "apart": lambda at, _: 1.5 if at > 10 else 0},
}
INHERENTLY_SLOW: Final[dict[str, dict[str, Any]]] = {
    "a replica far away": {"apart": lambda at, _: 0.8 if at > 10 else 0},
    "a replica far away, now near, now farther": {"apart": lambda at, draw: draw.uniform(1.0, 1.9) if at > 10 else 0},
    "so slow that half of the callers have gone": {"apart": lambda at, draw: draw.uniform(1.8, 2.2) if at > 10 else 0},
}
"""Calls that take long and do not wait for each other, for good. The limit may come: nothing else shows at first that it is of no use."""


def both(values: dict[str, Any]) -> tuple[QueuedDatabase, QueuedDatabase]:
    """The run without the limit, and with it."""
    free, limited = (QueuedDatabase(limited=limited, **values).run() for limited in (False, True))
    return free, limited


@pytest.mark.parametrize("values", OVERLOADED.values(), ids=OVERLOADED)
def test_a_database_under_too_much_load_does_what_it_can(values: dict[str, Any]) -> None:
    """And answers what matters. Without the limit most of it dies of its deadline, whatever it is."""
    free, limited = both(values)
    assert limited.answered > 1.3 * free.answered
    assert limited.share(CRITICAL) > 0.95 > 0.6 > free.share(CRITICAL)
    assert limited.share(NORMAL) > limited.share(SHEDDABLE) > 0


def test_a_limit_that_is_switched_on_under_too_much_load_helps() -> None:
    """It knows what calls took before. Without that it would take what they take now for the rule."""
    free, limited = both({"rate": lambda at: 1.4 if at > 5 else 0.5, "from_second": 10.0, "seconds": 30.0})
    assert 10 < min(limited.refused_at) < 15
    assert limited.answered > 1.3 * free.answered
    assert limited.share(CRITICAL) > 0.8 > 0.6 > free.share(CRITICAL)


@pytest.mark.parametrize("values", RECOVERING.values(), ids=RECOVERING)
def test_nothing_is_refused_two_seconds_after_an_overload(values: dict[str, Any]) -> None:
    """Most of which are the queue that there was."""
    free, limited = both(values)
    assert len(limited.refused_at) > 100
    assert max(limited.refused_at) < 14
    assert limited.answered > free.answered
    assert {each.value for each in limited.limits.values()} == {float("inf")}


@pytest.mark.parametrize("values", NO_OVERLOAD.values(), ids=NO_OVERLOAD)
def test_what_is_no_overload_refuses_nobody(values: dict[str, Any]) -> None:
    """However slow calls were for a time, or some of them always."""
    free, limited = both(values)
    assert limited.refused_at == []
    assert limited.seen == free.seen


@pytest.mark.parametrize("values", INHERENTLY_SLOW.values(), ids=INHERENTLY_SLOW)
def test_a_limit_that_is_of_no_use_goes(values: dict[str, Any]) -> None:
    """After five times the time that callers wait, for a minute, then for two."""
    free, limited = both({"rate": lambda _: 0.5, "seconds": 80.0, **values})
    assert limited.answered > 0.9 * free.answered
    assert len({int(at) for at in limited.refused_at}) < 24
