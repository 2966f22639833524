"""Faults on demand: which calls they hit, and how."""

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
