"""Guessing is slowed down; nobody is locked out, and nobody who has been here before is kept out by others."""

from collections import Counter

import pytest

from auth_svc.domain import TooManyAttempts
from auth_svc.throttle import Guesser, LoginThrottle, RequestBudget, ThrottleRule
from tocsin.client_network import client_network
from tocsin.testing.clock import FakeClock

RULE = ThrottleRule(free=3, longest=8.0, window=100.0, capacity=4)
WIDE = ThrottleRule(free=1000, longest=8.0, window=100.0, capacity=4)
HERE = Guesser(place="198.51.100.7")
ELSEWHERE = Guesser(place="203.0.113.9")
DEVICE = Guesser(place=HERE.place, device="d", known=True)


def _throttle(clock: FakeClock, *, pair: ThrottleRule = RULE, client: ThrottleRule = WIDE, account: ThrottleRule = WIDE) -> LoginThrottle:
    return LoginThrottle(clock=clock, pair=pair, client=client, account=account)


def _wait(throttle: LoginThrottle, account: str = "ann", guesser: Guesser = HERE) -> float:
    with pytest.raises(TooManyAttempts) as refused:
        throttle.attempt(account, guesser)
    assert refused.value.retry_after is not None
    return refused.value.retry_after


def _fail(throttle: LoginThrottle, times: int = RULE.free, account: str = "ann", guesser: Guesser = HERE) -> None:
    for _ in range(times):
        throttle.attempt(account, guesser)


async def test_waits_double_up_to_the_longest(clock: FakeClock) -> None:
    """After the free failures: 1, 2, 4, 8, 8 seconds; an attempt after the wait is let through."""
    throttle = _throttle(clock)
    _fail(throttle)
    waits: list[float] = []
    for _ in range(5):
        waits.append(_wait(throttle))
        await clock.advance(waits[-1])
        throttle.attempt("ann", HERE)
    assert waits == [1, 2, 4, 8, 8]


async def test_refused_attempts_do_not_prolong_the_wait(clock: FakeClock) -> None:
    """Who hammers an account cannot push the next chance of others at the same address away."""
    throttle = _throttle(clock)
    _fail(throttle)
    await clock.advance(0.5)
    assert [_wait(throttle) for _ in range(100)] == [0.5] * 100


def test_attempts_at_the_same_time_count(clock: FakeClock) -> None:
    """A hundred at once are not a hundred free ones: each counts before its password is compared."""
    throttle = _throttle(clock)
    _fail(throttle)
    _wait(throttle)


def test_success_forgets(clock: FakeClock) -> None:
    """Whoever knows the password starts afresh."""
    throttle = _throttle(clock)
    for _ in range(10):
        throttle.attempt("ann", HERE)
        throttle.succeeded("ann", HERE)
    assert throttle.sizes == (0, 0, 0)


def test_excused_attempt_does_not_count(clock: FakeClock) -> None:
    """An attempt that failed for another reason than the password leaves no trace."""
    throttle = _throttle(clock)
    for _ in range(10):
        throttle.attempt("ann", HERE)
        throttle.excused("ann", HERE)
    assert throttle.sizes == (0, 0, 0)
    throttle.excused("never seen", HERE)


async def test_time_forgets(clock: FakeClock) -> None:
    """After the window without an attempt the account is free again."""
    throttle = _throttle(clock)
    _fail(throttle)
    await clock.advance(RULE.window)
    _fail(throttle)


@pytest.mark.parametrize(("account", "guesser"), [("bob", HERE), ("ann", ELSEWHERE), ("ann", DEVICE)], ids=["account", "place", "device"])
def test_what_is_not_the_same_pair_is_apart(clock: FakeClock, account: str, guesser: Guesser) -> None:
    """Another account, another place, and at the same place a device that is known."""
    throttle = _throttle(clock)
    _fail(throttle)
    _wait(throttle)
    throttle.attempt(account, guesser)


def test_a_client_is_slowed_down_over_all_accounts(clock: FakeClock) -> None:
    """One password tried on many accounts; a device that is known at the same place, and other places, are not."""
    throttle = _throttle(clock, client=RULE)
    for number in range(RULE.free):
        throttle.attempt(f"user-{number}", HERE)
    assert _wait(throttle, "user-9") == 1.0
    throttle.attempt("user-9", DEVICE)
    throttle.attempt("user-9", ELSEWHERE)


def test_its_own_success_frees_no_client(clock: FakeClock) -> None:
    """Who has an account cannot wash away what was tried on others' with it."""
    throttle = _throttle(clock, client=RULE)
    for number in range(RULE.free):
        throttle.attempt(f"user-{number}", HERE)
        if number < RULE.free - 1:
            throttle.attempt("mine", HERE)
            throttle.succeeded("mine", HERE)
    assert _wait(throttle, "user-9") == 1.0


def test_an_account_is_guarded_against_many_places_but_not_against_its_owner(clock: FakeClock) -> None:
    """From a thousand addresses: strangers wait, whoever has signed in before does not, by device or by place."""
    throttle = _throttle(clock, account=RULE)
    for number in range(RULE.free):
        throttle.attempt("ann", Guesser(place=f"10.0.0.{number}"))
    assert _wait(throttle, "ann", Guesser(place="10.9.9.9")) == 1.0
    throttle.attempt("ann", DEVICE)
    throttle.attempt("ann", Guesser(place=HERE.place, known=True))


@pytest.mark.parametrize(
    "owner",
    [Guesser(place="192.0.2.1"), Guesser(place=HERE.place, device="d", known=True), Guesser(place="192.0.2.1", known=True)],
    ids=["elsewhere", "same address, known device", "known place"],
)
async def test_an_attack_on_an_account_does_not_keep_its_owner_out(clock: FakeClock, owner: Guesser) -> None:
    """30 wrong passwords a second for 262 seconds from one address: each of the owner's nine sign-ins is let through.

    Of the attacker's 7,860 attempts no more are than one address may make.
    """
    throttle = LoginThrottle(clock=clock, pair=ThrottleRule(), client=ThrottleRule(free=30), account=ThrottleRule(free=50))
    seen: Counter[str] = Counter()
    for step in range(262 * 30):
        if step % (29 * 30) == 0:
            throttle.attempt("ann", owner)
            throttle.succeeded("ann", owner)
            seen["owner"] += 1
        try:
            throttle.attempt("ann", HERE)
            seen["guesses"] += 1
        except TooManyAttempts:
            seen["refused"] += 1
        await clock.advance(1 / 30)
    assert seen["owner"] == 10
    assert seen["guesses"] <= 5 + 6 + 262 // 30, seen


def test_memory_is_bounded(clock: FakeClock) -> None:
    """A stream of invented names and places does not grow the memory; the oldest are forgotten first."""
    throttle = _throttle(clock)
    for number in range(1000):
        throttle.attempt(f"nobody-{number}", Guesser(place=f"10.0.{number}"))
    assert throttle.sizes == (RULE.capacity, RULE.capacity, RULE.capacity)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("", ""),
        ("unix", ""),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_place_is_an_ipv4_address_or_a_64(address: str, place: str) -> None:
    """Whoever has one IPv6 address has 2**64 of them."""
    assert client_network(address) == place


async def test_a_budget_is_of_a_client_and_a_window(clock: FakeClock) -> None:
    """So many in any hour, then the time until the oldest is an hour old; others are apart, and memory is bounded."""
    budget = RequestBudget(clock=clock, most=2, window=100.0, capacity=3)
    assert budget.take("a") == 0
    await clock.advance(40)
    assert (budget.take("a"), budget.take("a"), budget.take("b")) == (0, 60, 0)
    await clock.advance(60)
    assert (budget.take("a"), budget.take("a")) == (0, 40)
    for number in range(10):
        budget.take(str(number))
    assert budget.take("a") == 0


async def test_a_guess_counts_unless_it_is_right_or_was_not_judged(clock: FakeClock) -> None:
    """One that is wrong counts; one whose judging failed does not; a right one lets its client start anew; one that waits tells why."""
    throttle, told = _throttle(clock), list[str]()

    def guess(*, right: bool = False, broken: bool = False) -> None:
        with throttle.guess("ann", HERE, delayed=told.append) as made:
            if broken:
                raise OSError("the disk is full")
            made.right = right

    for _ in range(RULE.free - 1):
        guess()
    for _ in range(10):
        with pytest.raises(OSError, match="full"):
            guess(broken=True)
    guess(right=True)
    assert not any(throttle.sizes[:1])
    for _ in range(RULE.free):
        guess()
    with pytest.raises(TooManyAttempts):
        guess(right=True)
    assert told == ["pair"]
