"""Shares, who takes part, and what a replica owns at a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_svc.ports import Replica
from scheduler_svc.shards import Membership, Ownership, fair_share
from tocsin.testing.clock import FakeClock

LEASE = 10.0


@given(st.integers(1, 400))
def test_shares_are_fair_and_complete(replicas: int) -> None:
    """They sum up to all shards, nobody has two more than another, and whoever came first never has less."""
    shares = [fair_share(place, replicas) for place in range(replicas)]
    assert sum(shares) == 256
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def replica(owner: str, *, until: int = 100, live: bool = True, gone: bool = False) -> Replica:
    """What the store says of a replica."""
    return Replica(owner=owner, address="", started=0, lease_until=until, live=live, gone=gone)


@pytest.fixture
def roll() -> Membership:
    """What replica "b" sees."""
    return Membership(owner="b", lease_seconds=LEASE)


def test_alone_it_has_everything(roll: Membership) -> None:
    """Also before its own row is there."""
    assert (list(roll.live), roll.share) == (["b"], 256)
    roll.see([], now=0)
    assert (list(roll.live), roll.share) == (["b"], 256)


def test_a_share_goes_by_the_place_among_the_living(roll: Membership) -> None:
    """Whose lease is over does not count."""
    roll.see([replica("a"), replica("b"), replica("c")], now=0)
    assert (list(roll.live), roll.share) == (["a", "b", "c"], 85)
    roll.see([replica("a", live=False), replica("b"), replica("c")], now=1)
    assert (list(roll.live), roll.share, roll.dead) == (["b", "c"], 128, {})


def test_a_free_lock_is_believed_after_a_second(roll: Membership) -> None:
    """A lock that is taken again meanwhile, as after a restart of the database, begins anew."""
    others = [replica("a", until=7, gone=True)]
    roll.see(others, now=0)
    roll.see(others, now=0.9)
    assert (list(roll.live), roll.dead) == (["a", "b"], {})
    roll.see([replica("a", until=7)], now=0.95)
    roll.see(others, now=1.5)
    assert roll.dead == {}
    roll.see(others, now=2.5)
    assert (list(roll.live), roll.dead) == (["b"], {"a": 7})


def test_its_own_lock_is_no_news(roll: Membership) -> None:
    """It lives, whatever the store says of it."""
    for now in range(5):
        roll.see([replica("b", gone=True, live=False)], now=now)
    assert (list(roll.live), roll.dead) == (["b"], {})


def test_a_lease_that_does_not_move_ends_by_the_own_clock(roll: Membership) -> None:
    """Even if the database's clock was set back, and says that it goes on for years."""
    far = 10**15
    for now in range(13):
        roll.see([replica("a", until=far)], now=now)
        assert roll.dead == {}
    roll.see([replica("a", until=far)], now=13)
    assert (list(roll.live), roll.dead) == (["b"], {"a": far})


def test_a_lease_that_moves_goes_on(roll: Membership) -> None:
    """Forward or back."""
    for now in range(60):
        roll.see([replica("a", until=(now // 4) * (-1) ** now)], now=now)
        assert roll.dead == {}


@pytest.mark.parametrize("gone", [False, True])
def test_nobody_is_blamed_for_what_was_not_seen(roll: Membership, *, gone: bool) -> None:
    """After a time without looking, frozen or without the database, everybody gets a new chance."""
    roll.see([replica("a", gone=gone)], now=0)
    roll.see([replica("a", gone=gone)], now=100)
    assert roll.dead == {}


async def test_ownership_ends_with_the_lease(clock: FakeClock) -> None:
    """By monotonic time alone; what was claimed is still known."""
    ownership = Ownership(owner="me", clock=clock)
    assert (ownership.held, ownership.claimed, ownership.expired) == ({}, {}, False)
    ownership.renewed({1: 5, 2: 6}, until=clock.monotonic() + 9)
    await clock.advance(8.9)
    assert (ownership.held, ownership.expired) == ({1: 5, 2: 6}, False)
    await clock.advance(0.1)
    assert (ownership.held, ownership.claimed, ownership.expired) == ({}, {1: 5, 2: 6}, True)


async def test_what_is_leaving_is_claimed_and_not_held(clock: FakeClock) -> None:
    """Until it was given back."""
    ownership = Ownership(owner="me", clock=clock)
    ownership.renewed({1: 5, 2: 6, 3: 7}, until=9, leaving={3})
    assert (ownership.held, ownership.claimed) == ({1: 5, 2: 6}, {1: 5, 2: 6, 3: 7})
    ownership.part_with({2, 3})
    assert ownership.held == {1: 5}
    ownership.gave_back({2, 3})
    assert (ownership.held, ownership.claimed) == ({1: 5}, {1: 5})
