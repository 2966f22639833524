"""Streams to the replicas of a neighbour: when one that broke is opened again, and how all of them end."""

import asyncio
from collections.abc import Sequence

import pytest

from processor_svc.clients.mailer import reconnect_grace
from processor_svc.streams import ReplicaStreams
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock

STEP = 0.05


class Neighbour:
    """One replica that refuses every stream; whether its connection stands is in the test's hands."""

    def __init__(self) -> None:
        self.stands = True
        self.sessions: list[float] = []

    def fleet(self, clock: FakeClock) -> ReplicaStreams:
        async def endpoints() -> Sequence[str]:
            return ["a:1"]

        async def session(_endpoint: str) -> None:
            self.sessions.append(clock.monotonic())
            raise Unavailable("refused")

        return ReplicaStreams(name="neighbour", endpoints=endpoints, session=session, connected=lambda _: self.stands, clock=clock)


async def test_who_can_be_reached_again_is_not_kept_waiting(clock: FakeClock) -> None:
    """However long the waits have become: the next stream is opened as soon as the connection stands, and the waits are short again."""
    neighbour = Neighbour()
    fleet = neighbour.fleet(clock)
    neighbour.stands = False
    await fleet.start()
    while len(neighbour.sessions) < 8:
        await clock.advance(STEP)
    assert neighbour.sessions[-1] - neighbour.sessions[-2] >= 0.5
    neighbour.stands = True
    back = clock.monotonic()
    while len(neighbour.sessions) < 10:
        await clock.advance(STEP)
    assert neighbour.sessions[8] - back <= 2 * STEP
    assert neighbour.sessions[9] - neighbour.sessions[8] <= 2 * STEP
    await fleet.stop()


async def test_who_refuses_over_an_open_connection_is_asked_ever_more_rarely(clock: FakeClock) -> None:
    """There the connection says nothing about when it will work again."""
    neighbour = Neighbour()
    fleet = neighbour.fleet(clock)
    await fleet.start()
    while clock.monotonic() < 10.0 + (neighbour.sessions or [clock.monotonic()])[0]:
        await clock.advance(STEP)
    waits = [later - earlier for earlier, later in zip(neighbour.sessions, neighbour.sessions[1:], strict=False)]
    assert all(wait >= 0.5 for wait in waits[5:])
    assert 10 <= len(waits) <= 25
    await fleet.stop()


async def test_a_session_that_ends_as_it_was_asked_to_is_no_failure(clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """To stop does not wait out the grace for it, and nobody is told of a failure."""
    asked = asyncio.Event()

    async def endpoints() -> Sequence[str]:
        return ["a:1"]

    async def session(_endpoint: str) -> None:
        await asked.wait()
        raise Unavailable("ended")

    fleet = ReplicaStreams(name="neighbour", endpoints=endpoints, session=session, connected=bool, clock=clock)
    await fleet.start()
    await clock.advance(STEP)
    asked.set()
    async with asyncio.timeout(60):
        await fleet.stop(grace_seconds=3600)
    assert "background failed" not in capsys.readouterr().out


@pytest.mark.parametrize(("gone", "seconds"), [(0.0, 2.0), (1.25, 0.75), (1.75, 0.5), (60.0, 0.5)])
def test_a_mailer_that_has_just_gone_is_awaited_as_long_as_a_restart_takes(gone: float, seconds: float) -> None:
    """One that has been away for long is not: its jobs would keep others from their places."""
    assert reconnect_grace(gone) == seconds
