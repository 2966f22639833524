"""Faults on demand: which calls they hit, and how."""

import asyncio
import random

import pytest

from tocsin.errors import DataLoss, NotFound, Unavailable
from tocsin.mesh.faults import Fault, Faults, FaultsDisabled

PATH = "/tocsin.api.scheduler.v1.AlarmService/GetAlarm"


def test_faults_must_be_allowed() -> None:
    """A process in production takes none."""
    faults = Faults(enabled=False)
    with pytest.raises(FaultsDisabled):
        faults.set(Fault(method="", percent=100))
    assert not faults


@pytest.mark.parametrize(
    ("method", "hit"),
    [
        ("", True),
        (PATH, True),
        ("/tocsin.api.scheduler.v1.AlarmService/", True),
        ("/tocsin.api.scheduler.v1.AlarmService/Get", False),
        ("/tocsin.api.mailer.v1.DeliveryService/", False),
    ],
)
async def test_a_fault_hits_its_method_its_service_or_all(method: str, hit: bool) -> None:
    """A prefix counts only as a whole service."""
    faults = Faults(enabled=True)
    faults.set(Fault(method=method, percent=100, abort=NotFound))
    if hit:
        with pytest.raises(NotFound):
            await faults.inject(PATH)
    else:
        await faults.inject(PATH)
    assert faults.injected == int(hit)


async def test_the_most_special_fault_counts() -> None:
    """One for the method goes before one for its service, and that before one for all."""
    faults = Faults(enabled=True)
    for method, error in (("", Unavailable), ("/tocsin.api.scheduler.v1.AlarmService/", NotFound), (PATH, DataLoss)):
        faults.set(Fault(method=method, percent=100, abort=error))
        with pytest.raises(error):
            await faults.inject(PATH)
    assert faults.clear(PATH) == [PATH]
    with pytest.raises(NotFound):
        await faults.inject(PATH)
    assert faults.clear() == ["", "/tocsin.api.scheduler.v1.AlarmService/"]
    await faults.inject(PATH)


@pytest.mark.parametrize(("draw", "hit"), [(0.0, True), (0.299, True), (0.3, False), (0.999, False)])
async def test_a_share_of_the_calls_is_hit(draw: float, hit: bool) -> None:
    """So many in a hundred."""
    faults = Faults(enabled=True, draw=lambda: draw)
    faults.set(Fault(method=PATH, percent=30, abort=NotFound))
    if hit:
        with pytest.raises(NotFound):
            await faults.inject(PATH)
    else:
        await faults.inject(PATH)


@pytest.mark.parametrize("percent", [1, 10, 50, 99])
async def test_the_share_is_kept_over_many_calls(percent: float) -> None:
    """Of 4,000 calls so many end with the error, within four standard deviations."""
    faults, calls, hit = Faults(enabled=True, draw=random.Random(7).random), 4_000, 0
    faults.set(Fault(method=PATH, percent=percent, abort=NotFound))
    for _ in range(calls):
        try:
            await faults.inject(PATH)
        except NotFound:
            hit += 1
    expected = calls * percent / 100
    assert abs(hit - expected) <= 4 * (expected * (1 - percent / 100)) ** 0.5
    assert faults.injected == hit


@pytest.mark.parametrize("drop", [False, True])
async def test_a_share_waits_or_is_dropped_and_the_rest_passes_at_once(drop: bool) -> None:
    """Who is not hit waits for nobody; who is delayed goes on after the delay, who is dropped never does."""
    faults = Faults(enabled=True, draw=random.Random(7).random)
    faults.set(Fault(method=PATH, percent=25, delay=0.0 if drop else 0.05, drop=drop))
    tasks = [asyncio.create_task(faults.inject(PATH)) for _ in range(1000)]
    await asyncio.sleep(0)
    held = [task for task in tasks if not task.done()]
    assert len(held) == faults.injected
    assert 195 <= len(held) <= 305
    done, _ = await asyncio.wait(held, timeout=0.1 if drop else None)
    assert len(done) == (0 if drop else len(held))
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
