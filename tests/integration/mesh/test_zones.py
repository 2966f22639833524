"""Zones with real servers: calls and streams stay at home, and leave when nobody is there."""

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.config import ConfigError
from tocsin.mesh.client import Mesh
from tocsin.testing.waiting import eventually

CALLS = 40


async def at_home(stub: EchoStub, near: Echo, far: Echo) -> None:
    """Returns when connections stand for calls and for streams, and both stay at home."""

    async def settled() -> bool:
        before = far.calls
        for _ in range(CALLS):
            await stub.Greet(Note())
            assert [note.number async for note in stub.Watch(Note(number=1))] == [0]
        return near.calls > 0 and far.calls == before

    await eventually(settled, seconds=60, what="calls that stay in their zone")


async def test_calls_and_streams_stay_in_their_zone_until_nobody_is_there(rig: Rig) -> None:
    """One replica each in zones a and b; the one in a goes, and no call fails."""
    near, far = Echo(), Echo()
    servers = [await rig.serve(near), await rig.serve(far)]
    rig.targets["echo_svc"] = f"ipv4:{servers[0].address};zone=a,{servers[1].address};zone=b"
    stub = rig.stub(zone="a")
    await at_home(stub, near, far)
    before = far.calls
    await servers[0].stop()
    for _ in range(CALLS):
        await stub.Greet(Note())
    assert far.calls >= before + CALLS


async def test_a_list_of_names_reaches_every_replica_by_mutual_tls(rig: Rig) -> None:
    """Names that are resolved, one of which nobody has; without a zone of its own a process prefers none."""
    near, far = Echo(), Echo()
    ports = [(await rig.serve(each)).address.rpartition(":")[2] for each in (near, far)]
    rig.targets["echo_svc"] = f"nobody.invalid:1;zone=c,localhost:{ports[0]};zone=a,localhost:{ports[1]};zone=b"
    await at_home(rig.stub(zone="a"), near, far)
    everywhere, before = rig.stub(), (near.calls, far.calls)

    async def both_called() -> bool:
        await everywhere.Greet(Note())
        return near.calls > before[0] and far.calls > before[1]

    await eventually(both_called, seconds=60, what="a call at each")


@pytest.mark.parametrize("zone", ["a b", "-", "z\u00fcrich", "a" * 64])
async def test_a_zone_that_is_no_name_stops_the_start(rig: Rig, zone: str) -> None:
    """It is told with the setting."""
    mesh: Mesh = rig.mesh(zone=zone)
    with pytest.raises(ConfigError, match=r"TOCSIN_SCHEDULER_ZONE: .* is no name of a zone"):
        await mesh.start()
