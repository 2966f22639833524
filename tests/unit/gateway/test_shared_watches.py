"""One watch of a service for all who ask the same: nobody misses a change, hears it twice, pays for the slow, or sees another tenant's."""

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest
from google.protobuf.message import DecodeError

from gateway import shared_watches
from gateway.shared_watches import WatchOverrun
from tests.unit.gateway.watching import EXPORT, KEPT, WATCH, World
from tocsin.errors import DeadlineExceeded, InvalidInput, PermissionDenied, Unauthenticated, Unavailable
from tocsin.testing.waiting import eventually


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[World]:
    """Nobody follows yet."""
    monkeypatch.setattr(shared_watches, "_PATIENCE_SECONDS", 0.05)
    made = World()
    yield made
    await asyncio.gather(*(each.leave() for each in made.all))
    await eventually(lambda: not made.service.open, what="every watch of the service has ended")
    assert made.watches.open == 0


async def test_two_hundred_follow_one_watch(world: World) -> None:
    """One call to the service; everybody hears everything once; the call ends with the last of them and not before."""
    everybody = [world.follow() for _ in range(200)]
    await world.settle()
    for _ in range(5):
        world.service.change()
        await world.settle()
    await eventually(lambda: all(each.numbers == [1, 2, 3, 4, 5] for each in everybody))
    assert len(world.service.opened) == 1
    for each in everybody[1:]:
        await each.leave()
    world.service.change()
    await eventually(lambda: everybody[0].numbers[-1] == 6)
    assert len(everybody[1].numbers) == 5


async def test_who_comes_later_hears_what_comes_later(world: World) -> None:
    """Without a token, nothing of what was told before."""
    first = world.follow()
    await world.settle()
    world.service.change(3)
    await world.settle()
    second = world.follow()
    await world.settle()
    world.service.change(2)
    await eventually(lambda: (first.numbers, second.numbers) == ([1, 2, 3, 4, 5], [4, 5]))
    assert len(world.service.opened) == 1


@pytest.mark.parametrize(("token", "calls"), [("2", 1), ("1", 1), ("5", 1)], ids=["in-the-middle", "behind-the-first", "at-the-end"])
async def test_a_token_that_is_still_kept_costs_no_call(world: World, token: str, calls: int) -> None:
    """Whoever comes with it hears what followed it."""
    world.follow()
    await world.settle()
    world.service.change(5)
    await world.settle()
    again = world.follow(token)
    world.service.change(2)
    await eventually(lambda: again.numbers == list(range(int(token) + 1, 8)))
    assert len(world.service.opened) == calls


async def test_a_token_that_is_not_kept_is_caught_up_with_and_joins(world: World) -> None:
    """It is read by a watch of its own from there, until that tells what the other one has told; ten who come with it cost one call."""
    world.service.change(50)
    world.follow()
    await world.settle()
    world.service.change(KEPT * 2)
    await eventually(lambda: world.all[0].numbers[-1:] == [50 + KEPT * 2])
    late = [world.follow("7") for _ in range(10)]
    await eventually(lambda: all(each.numbers == list(range(8, 51 + KEPT * 2)) for each in late))
    assert len(world.service.opened) == 2
    world.service.change()
    await eventually(lambda: all(each.numbers[-1] == 51 + KEPT * 2 for each in world.all))
    assert len(world.service.open) == world.watches.open == 1
    assert all(each.numbers == list(range(8, 52 + KEPT * 2)) for each in late)


async def test_history_is_not_told_to_who_asks_for_now(world: World) -> None:
    """A watch that is reading what has been is not joined by who wants what comes."""
    world.service.change(1000)
    world.follow("1").pause.clear()
    await world.settle()
    now = world.follow()
    await world.settle()
    world.service.change()
    await eventually(lambda: now.numbers == [1001])
    assert len(world.service.opened) == 2


async def test_tenants_and_requests_are_apart(world: World) -> None:
    """Another tenant, or another filter, is another watch; a filter is only merged with its equal."""
    a, b = world.follow(tenant="a"), world.follow(tenant="b")
    filtered, other, same = (world.follow(tenant="a", alarm=f"alarms/{name}") for name in "xyx")
    await world.settle()
    world.service.change(tenant="a", alarm="alarms/x")
    world.service.change(tenant="b", alarm="alarms/x")
    world.service.change(tenant="a", alarm="alarms/y")
    await eventually(lambda: (a.numbers, b.numbers, filtered.numbers, other.numbers, same.numbers) == ([1, 2], [1], [1], [2], [1]))
    assert sorted((each.tenant, each.alarm) for each in world.service.opened) == [
        ("a", ""),
        ("a", "alarms/x"),
        ("a", "alarms/y"),
        ("b", ""),
    ]


async def test_who_is_slow_costs_only_itself(world: World) -> None:
    """The others hear everything while it stands still; it goes on by its token afterwards, and misses nothing."""
    quick, slow = [world.follow() for _ in range(3)], world.follow()
    await world.settle()
    slow.pause.clear()
    world.service.change(KEPT * 3)
    await eventually(lambda: all(len(each.numbers) == KEPT * 3 for each in quick))
    assert slow.numbers == [1]
    slow.pause.set()
    await eventually(lambda: len(slow.numbers) >= KEPT * 3)
    assert all(each.numbers == list(range(1, KEPT * 3 + 1)) for each in (*quick, slow))


async def test_who_is_slow_is_waited_for_once(world: World) -> None:
    """The second time the others do not wait at all."""
    quick, slow = world.follow(), world.follow()
    await world.settle()
    slow.pause.clear()
    world.service.change(KEPT + 10)
    await eventually(lambda: len(quick.numbers) == KEPT + 10)
    slow.pause.set()
    await eventually(lambda: len(slow.numbers) == KEPT + 10)
    world.service.change()
    await eventually(lambda: world.watches.open == 1 and len(slow.numbers) == KEPT + 11)
    slow.pause.clear()
    world.service.change(KEPT * 2)
    await eventually(lambda: len(quick.numbers) == 3 * KEPT + 11)
    slow.pause.set()
    await eventually(lambda: len(slow.numbers) >= 3 * KEPT + 11)
    assert slow.numbers == quick.numbers


async def test_a_reader_alone_holds_the_service_back(world: World) -> None:
    """Nothing is read ahead beyond what a watch keeps, in messages and in bytes."""
    alone = world.follow()
    await world.settle()
    alone.pause.clear()
    world.service.change(KEPT * 10)
    await world.settle()
    await eventually(lambda: world.service.read >= KEPT)
    await world.settle()
    assert world.service.read <= KEPT + 2
    alone.pause.set()
    await eventually(lambda: alone.numbers == list(range(1, KEPT * 10 + 1)))
    assert len(world.service.opened) == 1


async def test_large_messages_are_kept_by_their_bytes(world: World) -> None:
    """Few of them are read ahead."""
    world.service.weight = 60_000
    alone = world.follow()
    await world.settle()
    alone.pause.clear()
    world.service.change(100)
    await eventually(lambda: world.service.read >= 4)
    await world.settle()
    assert world.service.read < 8
    alone.pause.set()
    await eventually(lambda: len(alone.numbers) == 100)


async def test_the_end_of_a_watch_is_everybodys(world: World) -> None:
    """A service that goes away ends the watches of all who follow, behind what it has told; who comes with a token then hears on."""
    everybody = [world.follow() for _ in range(20)]
    await world.settle()
    world.service.change(2)
    await world.settle()
    world.service.fail(Unavailable())
    await eventually(lambda: all(isinstance(each.error, Unavailable) for each in everybody))
    assert all(each.numbers == [1, 2] for each in everybody)
    assert world.watches.open == 0
    world.service.error = None
    world.service.change()
    again = [world.follow("2") for _ in range(20)]
    await eventually(lambda: all(each.numbers == [3] for each in again))
    assert len(world.service.opened) == 2


async def test_a_tenant_that_is_suspended_is_told_nothing_more(world: World) -> None:
    """The service refuses the tenant: nobody goes on, with whichever credential, and the others of the platform do."""
    everybody = [world.follow(who=f"user{number}") for number in range(5)]
    other = world.follow(tenant="t2")
    await world.settle()
    world.service.errors = {f"user{number}": PermissionDenied() for number in range(5)}
    world.service.change()
    world.service.change(tenant="t2")
    await eventually(lambda: all(isinstance(each.error, PermissionDenied) for each in everybody))
    assert (other.error, [each.numbers for each in everybody]) == (None, [[]] * 5)
    await eventually(lambda: other.numbers == [1])


async def test_a_credential_that_a_service_refuses_is_its_owners(world: World) -> None:
    """Whoever opened the watch is refused; who joined meanwhile goes on with a credential of its own."""
    world.service.errors["stolen"] = Unauthenticated()
    thief, others = world.follow(who="stolen"), [world.follow(who="good") for _ in range(3)]
    await eventually(lambda: isinstance(thief.error, Unauthenticated))
    await world.settle()
    world.service.change()
    await eventually(lambda: all(each.numbers == [1] for each in others))
    assert [each.credential for each in world.service.opened] == ["stolen", "good"]


async def test_the_opener_may_leave(world: World) -> None:
    """The watch is everybody's."""
    opener, other = world.follow(), world.follow()
    await world.settle()
    await opener.leave()
    world.service.change()
    await eventually(lambda: other.numbers == [1])
    assert len(world.service.opened) == 1


async def test_a_time_is_its_own(world: World) -> None:
    """Whoever wants to wait for a moment only waits so long; the watch that it opened has its whole time."""
    short, long = world.follow(seconds=0.05), world.follow()
    await eventually(lambda: isinstance(short.error, DeadlineExceeded))
    world.service.change()
    await eventually(lambda: long.numbers == [1])
    assert (world.service.opened[0].deadline, len(world.service.opened)) == (None, 1)


async def test_an_old_watch_is_not_joined_and_its_end_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows it goes on behind its token when its time is over; who never heard anything has none, and begins again."""
    heard = world.follow()
    await world.settle()
    world.service.change()
    await eventually(lambda: heard.numbers == [1])
    quiet = world.follow(alarm="alarms/z")
    await world.settle()
    with monkeypatch.context() as aged:
        aged.setattr(shared_watches, "_YOUNG", 0.0)
        newcomer = world.follow()
        await eventually(lambda: len(world.service.opened) == 3)
        for opened in world.service.opened[:2]:
            opened.error = DeadlineExceeded()
        world.service.tell()
        await eventually(lambda: isinstance(quiet.error, DeadlineExceeded))
        await world.settle()
    world.service.change()
    await eventually(lambda: (heard.numbers, newcomer.numbers) == ([1, 2], [2]))


async def test_a_deadline_that_comes_at_once_is_an_error(world: World) -> None:
    """It is not asked for over and over."""
    world.service.error = DeadlineExceeded()
    refused = world.follow("3")
    await eventually(lambda: isinstance(refused.error, DeadlineExceeded))
    assert len(world.service.opened) == 1


async def test_a_request_that_is_refused_is_everybodys(world: World) -> None:
    """The same request is as wrong for all."""
    world.service.error = InvalidInput.at("alarm", "must match a pattern")
    everybody = [world.follow(alarm="x") for _ in range(10)]
    await eventually(lambda: all(isinstance(each.error, InvalidInput) for each in everybody))
    assert len(world.service.opened) == 1


async def test_who_is_overrun_before_its_first_change_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no token to go on from, and silence about it would be a lie."""
    monkeypatch.setattr(shared_watches, "KEPT_MESSAGES", 1)
    monkeypatch.setattr(shared_watches, "_PATIENCE_SECONDS", 0.0)
    quick, stuck = world.follow(), world.follow()
    await world.settle()
    follower = type(stuck.stream)
    wake = follower.wake  # type: ignore[attr-defined] - of whoever else follows
    monkeypatch.setattr(follower, "wake", lambda self: None if self is stuck.stream else wake(self))
    world.service.change(3)
    await eventually(lambda: quick.numbers == [1, 2, 3])
    monkeypatch.setattr(follower, "wake", wake)
    world.service.change()
    await eventually(lambda: isinstance(stuck.error, WatchOverrun))
    assert stuck.numbers == []


async def test_what_is_not_shared_is_called_alone(world: World) -> None:
    """A method whose policy does not say so, and what is no request, which the service is to refuse."""
    assert world.watches.caller(EXPORT) is None
    world.follow()
    caller = world.watches.caller(WATCH)
    assert caller is not None
    with pytest.raises(DecodeError):
        caller(b"\xff")


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_comes_and_goes_whenever_hears_a_row_without_a_gap(world: World, seed: int) -> None:
    """Readers of any speed, at services' watches of any lag, that leave and come back with their tokens: each hears consecutive numbers."""
    random_ = random.Random(seed)
    world.service.lag = lambda _: random_.randrange(6)
    monkeys = [world.follow() for _ in range(10)]
    await world.settle()
    for _ in range(120):
        world.service.change(random_.choice([0, 1, 1, 2, 7, KEPT // 2]))
        for _ in range(random_.randrange(5)):
            await asyncio.sleep(0)
        place = random_.randrange(len(monkeys))
        match random_.randrange(4):
            case 0:
                monkeys[place].pause.clear()
            case 1:
                monkeys[place].pause.set()
            case 2:
                left = monkeys[place]
                await left.leave()
                monkeys[place] = world.follow(str(left.numbers[-1]) if left.numbers else "")
                monkeys[place].numbers.extend(left.numbers)
            case _:
                monkeys.append(
                    world.follow(str(random_.randrange(1, len(world.service.ledgers["t1"]) + 1)))
                    if _ % 20 == 0 and world.service.ledgers.get("t1")
                    else world.follow()
                )
    for each in monkeys:
        each.pause.set()
    last = len(world.service.ledgers["t1"]) + 1
    world.service.change()
    await eventually(lambda: all(each.numbers[-1:] == [last] for each in monkeys if each.error is None))
    for each in monkeys:
        assert each.error is None
        assert each.numbers == list(range(each.numbers[0], last + 1))
