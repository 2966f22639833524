"""Rotations as a pure actor: who is on call when a step is due is whom a walk over the hand-overs by recurrence rules finds."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from mailer_svc.domain import rotation_schedules
from mailer_svc.domain.rotation_schedules import duty_at
from mailer_svc.domain.rotations import (
    OverrideKind,
    RotationHistory,
    RotationLayer,
    RotationOverride,
    RotationPlan,
    RotationRevision,
    TurnUnit,
)
from tests.simulation.broken import replaced
from tocsin.clock import to_micros
from tocsin.recurrence import DstPolicy, Gap, Overlap, Recurrence, Trigger, compiled

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns")
PEOPLE = ("ann", "bea", "cid", "dee")
BEGINNINGS = (datetime(2026, 3, 20), datetime(2026, 10, 18), datetime(2026, 4, 1), datetime(2026, 9, 28))  # noqa: DTZ001  wall time
SECOND = 1_000_000
HOUR = 3600 * SECOND


def a_layer(draw: random.Random, begin: datetime) -> tuple[RotationLayer, str]:
    """A layer that begins with a hand-over, and the rule of its hand-overs."""
    weeks = draw.random() < 0.4
    minute = draw.choice([0, 120, 150, 180, 540, draw.randrange(1440)])
    start = begin + timedelta(days=draw.randrange(4), minutes=minute)
    count = draw.choice([1, 1, 2, 3])
    layer = RotationLayer(
        participants=tuple((name,) for name in draw.sample(PEOPLE, draw.randrange(1, 5))),
        unit=TurnUnit.WEEKS if weeks else TurnUnit.DAYS,
        count=count,
        hand_over=minute,
        weekday=start.isoweekday() if weeks else 0,
        start=round((start - datetime(1970, 1, 1)).total_seconds()),  # noqa: DTZ001  wall time
    )
    return layer, f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:FREQ={'WEEKLY' if weeks else 'DAILY'};INTERVAL={count}"


def expected(layers: list[tuple[RotationLayer, str]], zone: str, overrides: list[RotationOverride], at: int) -> list[str]:
    """Who is on call, by the hand-overs up to an instant."""
    people: list[str] = []
    for layer, rule in layers:
        trigger = Trigger(spec=Recurrence(rule), time_zone=zone, dst=DstPolicy(gap=Gap.SHIFT, overlap=Overlap.FIRST))
        past = sum(1 for _ in compiled(trigger.encode(), 0, seed="r").rule.between(0, at + 1))
        if past:
            people = list(layer.participants[(past - 1) % len(layer.participants)])
    for override in overrides:
        if not max(override.start, override.created) <= at < min(override.end, override.deleted or override.end):
            continue
        if override.kind is OverrideKind.REPLACE:
            people = list(override.recipients)
        elif override.kind is OverrideKind.ADD:
            people += [one for one in override.recipients if one not in people]
        else:
            people = [one for one in people if one not in override.recipients]
    return people


def differences(seeds: range) -> tuple[int, int]:
    """How many due times of steps were looked at, and at how many somebody else was on call."""
    looked = wrong = 0
    for seed in seeds:
        draw = random.Random(f"rotation {seed}")
        begin, zone = draw.choice(BEGINNINGS), draw.choice(ZONES)
        first = to_micros(begin.replace(tzinfo=UTC))
        layers = [a_layer(draw, begin) for _ in range(draw.choice([1, 2]))]
        overrides = [an_override(draw, first, name) for name in ("a", "b")[: draw.randrange(3)]]
        plan = RotationPlan(time_zone=zone, layers=tuple(layer for layer, _ in layers))
        history = RotationHistory(
            rotation="r", revisions=(RotationRevision(revision=1, since=0, until=None, plan=plan),), overrides=tuple(overrides)
        )
        for _ in range(6):
            at = first + draw.randrange(21 * 24) * HOUR + draw.choice([0, 0, draw.randrange(HOUR)])
            found = duty_at(history, at)
            looked += 1
            wrong += list(found.recipients if found else ()) != expected(layers, zone, overrides, at)
    return looked, wrong


def an_override(draw: random.Random, first: int, name: str) -> RotationOverride:
    """Somebody else for some hours; some are made when they have begun, and some are taken back."""
    start = first + draw.randrange(20 * 24) * HOUR
    end = start + draw.randrange(1, 90) * HOUR
    return RotationOverride(
        id=name,
        kind=draw.choice(list(OverrideKind)),
        recipients=tuple(draw.sample(PEOPLE, draw.choice([1, 2]))),
        start=start,
        end=end,
        created=draw.choice([0, start + 24 * HOUR]),
        deleted=draw.choice([None, None, start + 30 * HOUR]),
    )


def test_whoever_is_on_call_is_whom_the_hand_overs_give() -> None:
    """Across changes of the clocks, layers over each other, and overrides."""
    looked, wrong = differences(range(150))
    assert (looked, wrong) == (900, 0)


def _weeks_too_early() -> None:
    """Turns change an hour before they should."""
    before: Callable[..., int] = vars(rotation_schedules)["_first_hand_over"]
    replaced(rotation_schedules, "_first_hand_over", lambda layer: before(layer) - 3600)


def _never_taken_back() -> None:
    """An override that was taken back still holds."""
    replaced(RotationOverride, "ends", property(lambda self: self.end))


def _before_it_was_made() -> None:
    """An override holds before somebody made it."""
    replaced(RotationOverride, "begins", property(lambda self: self.start))


@pytest.mark.parametrize("change", [_weeks_too_early, _never_taken_back, _before_it_was_made])
def test_the_walk_notices_a_broken_rotation(change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the broken variants puts somebody else on call."""
    for owner, name in ((rotation_schedules, "_first_hand_over"), (RotationOverride, "ends"), (RotationOverride, "begins")):
        monkeypatch.setattr(owner, name, vars(owner)[name])  # puts back what the variant replaces
    change()
    looked, wrong = differences(range(150))
    assert looked == 900
    assert wrong > 0
