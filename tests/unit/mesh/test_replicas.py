"""Which replica gets an attempt, and when an attempt waits for one."""

import asyncio
from collections.abc import Sequence

from grpc import ChannelConnectivity

from tocsin.mesh.client.replicas import Replicas
from tocsin.testing.waiting import eventually


class Connection:
    """A connection whose state the test sets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.awaited = 0
        self._state = ChannelConnectivity.READY
        self._changed = asyncio.Event()

    def become(self, state: ChannelConnectivity) -> None:
        self._state = state
        self._changed.set()

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        del try_to_connect
        return self._state

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        while self._state is last_observed_state:
            self._changed.clear()
            await self._changed.wait()

    async def channel_ready(self) -> None:
        self.awaited += 1
        while self._state is not ChannelConnectivity.READY:
            await self.wait_for_state_change(self._state)


class Service:
    """Two replicas of one service."""

    def __init__(self) -> None:
        self.connections = {name: Connection(name) for name in ("a:1", "b:1")}
        self._replicas = Replicas(
            endpoints=self._endpoints, channel=self.connections.__getitem__, fixed=tuple(self.connections), now=lambda: 0.0
        )

    async def _endpoints(self) -> Sequence[str]:
        return tuple(self.connections)

    async def pick(self) -> str | None:
        found = await self._replicas.pick(set(), connection=lambda each: each, admits=lambda _: True)
        return None if found is None else found.name

    def become(self, state: ChannelConnectivity) -> None:
        for connection in self.connections.values():
            connection.become(state)


async def test_an_attempt_waits_for_replicas_that_are_being_replaced() -> None:
    """One drains a moment before the connection to the other, which was restarted, stands again: the call goes to that one."""
    service = Service()
    assert await service.pick() in service.connections
    service.become(ChannelConnectivity.TRANSIENT_FAILURE)
    picking = asyncio.create_task(service.pick())
    await eventually(lambda: all(connection.awaited for connection in service.connections.values()))
    service.connections["a:1"].become(ChannelConnectivity.READY)
    assert await picking == "a:1"


async def test_an_attempt_does_not_wait_for_replicas_that_are_away() -> None:
    """None served a moment ago: whoever calls hears so at once."""
    service = Service()
    service.become(ChannelConnectivity.TRANSIENT_FAILURE)
    assert await service.pick() is None
    assert not any(connection.awaited for connection in service.connections.values())
