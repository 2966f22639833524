"""Who looks at calls sees those asked for, in order, and never slows the calls down."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tocsin.mesh.tap import EndedCall, Tap, TapFilter, TooManyTaps
from tocsin.testing.clock import FakeClock

CALL = EndedCall(
    ended=datetime(2026, 12, 1, 9, 0, tzinfo=UTC),
    method="/tocsin.api.scheduler.v1.AlarmService/CreateAlarm",
    caller="gateway",
    tenant="acme",
    code="NOT_FOUND",
    reason="ALARM_NOT_FOUND",
    seconds=0.01,
    request_bytes=10,
    response_bytes=0,
    trace="",
)


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (TapFilter(), True),
        (TapFilter(method=CALL.method), True),
        (TapFilter(method="CreateAlarm"), True),
        (TapFilter(method="AlarmService/CreateAlarm"), True),
        (TapFilter(method="Alarm"), False),
        (TapFilter(method="x" + CALL.method), False),
        (TapFilter(caller="gateway", tenant="acme", code="NOT_FOUND"), True),
        (TapFilter(caller="processor_svc"), False),
        (TapFilter(tenant="acm"), False),
        (TapFilter(code="OK"), False),
        (TapFilter(code="ERROR"), True),
        (TapFilter(target="billing"), False),
    ],
)
def test_what_is_taken(wanted: TapFilter, takes: bool) -> None:
    """Everything that is given must be so."""
    assert wanted.takes(CALL) is takes


def test_calls_of_one_service_outside_of_the_mesh() -> None:
    """Its name is compared as a whole."""
    called = replace(CALL, target="billing")
    assert [TapFilter(target=name).takes(called) for name in ("", "billing", "bill")] == [True, True, False]


def test_no_error_is_none() -> None:
    """A call that ended well is no ERROR."""
    assert not TapFilter(code="ERROR").takes(replace(CALL, code="OK"))


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many(clock: FakeClock) -> None:
    """2,500 calls while it reads nothing: the newest 2,000 are kept."""
    tap = Tap(clock)
    with tap.listening(TapFilter()) as listener:
        for number in range(2500):
            tap.put(replace(CALL, request_bytes=number))
        batches = listener.batches()
        first = await anext(batches)
        rest = [await anext(batches) for _ in range(9)]
        await batches.aclose()
    calls = [call.request_bytes for batch in (first, *rest) for call in batch.calls]
    assert calls == list(range(500, 2500))
    assert (first.dropped, sum(batch.dropped for batch in rest)) == (500, 0)


async def test_nobody_is_told_before_and_after(clock: FakeClock) -> None:
    """The question whether anybody listens is all that a call costs otherwise."""
    tap = Tap(clock)
    assert not tap.listened
    with tap.listening(TapFilter(code="OK")):
        assert tap.listened
    assert not tap.listened


async def test_listeners_are_bounded(clock: FakeClock) -> None:
    """Eight look; the ninth is refused, and the place of one that leaves is free."""
    tap = Tap(clock)
    held = [tap.listening(TapFilter()) for _ in range(8)]
    for each in held:
        each.__enter__()
    with pytest.raises(TooManyTaps), tap.listening(TapFilter()):
        pass
    held[0].__exit__(None, None, None)
    with tap.listening(TapFilter()):
        assert tap.listened
    for each in held[1:]:
        each.__exit__(None, None, None)
    assert not tap.listened
