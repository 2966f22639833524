"""Shedding at the server and throttling at the client: who is refused, and when."""

import random

import pytest

from tocsin.errors import Unavailable
from tocsin.mesh.client.throttle import Throttle, Throttled
from tocsin.mesh.policy import Criticality
from tocsin.mesh.shedding import Overloaded, Shedder


class Machine:
    """A clock and a lag that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lag = 0.0

    def shedder(self) -> Shedder:
        """A shedder of this machine that refuses from a lag of 0.1 s on."""
        return Shedder(lag=lambda: self.lag, threshold=0.1, now=lambda: self.now, least=8)


@pytest.fixture
def machine() -> Machine:
    """A machine at rest."""
    return Machine()


def work(machine: Machine, shedder: Shedder, *, rate: int, seconds: float) -> None:
    """Five seconds of calls that pass, each taking so long."""
    for _ in range(5 * rate):
        begun = shedder.admit(Criticality.NORMAL)
        machine.now += seconds
        shedder.done(begun, passed=True)
        machine.now += 1 / rate - seconds


def fill(shedder: Shedder, criticality: Criticality) -> int:
    """Takes calls on until one is refused; how many there are in hand then."""
    while True:
        try:
            shedder.admit(criticality)
        except Overloaded:
            return shedder.in_hand
        if shedder.in_hand > 10_000:
            return -1


def test_a_server_that_keeps_up_refuses_nothing(machine: Machine) -> None:
    """However much is in hand: only a lagging event loop is too much."""
    shedder = machine.shedder()
    work(machine, shedder, rate=100, seconds=0.005)
    assert fill(shedder, Criticality.SHEDDABLE) == -1


def test_the_limit_is_what_the_server_has_shown(machine: Machine) -> None:
    """1,000 a second at 20 ms each are 20 in hand (Little's law), give or take the edge of a bucket."""
    shedder = machine.shedder()
    for _ in range(500):
        begun = [shedder.admit(Criticality.NORMAL) for _ in range(10)]
        machine.now += 0.02
        for each in begun:
            shedder.done(each, passed=True)
        machine.now -= 0.01
    assert 18 <= shedder.limit() <= 22


@pytest.mark.parametrize(("criticality", "share"), [(Criticality.SHEDDABLE, 0.5), (Criticality.NORMAL, 1.0), (Criticality.CRITICAL, 2.0)])
def test_what_matters_less_is_refused_first(machine: Machine, criticality: Criticality, share: float) -> None:
    """Each criticality may fill its share of the limit."""
    shedder = machine.shedder()
    work(machine, shedder, rate=100, seconds=0.005)
    machine.lag = 0.2
    assert fill(shedder, criticality) == pytest.approx(shedder.limit() * share, abs=1)
    assert shedder.refused == 1


def test_what_was_refused_or_failed_does_not_raise_the_limit(machine: Machine) -> None:
    """A flood of quick failures is no proof of strength."""
    shedder = machine.shedder()
    work(machine, shedder, rate=100, seconds=0.005)
    before = shedder.limit()
    for _ in range(5000):
        shedder.done(shedder.admit(Criticality.NORMAL), passed=False)
    assert shedder.limit() == before


def test_the_window_forgets(machine: Machine) -> None:
    """What the server could do ten seconds ago says nothing, and without any knowledge nothing is refused."""
    shedder = machine.shedder()
    work(machine, shedder, rate=100, seconds=0.005)
    machine.now += 10
    machine.lag = 1.0
    assert fill(shedder, Criticality.SHEDDABLE) == -1


def sent(throttle: Throttle, *, rounds: int, calls: int, capacity: int) -> int:
    """Rounds of calls, of which the far end takes so many a round; how many left the client in all."""
    total = 0
    for _ in range(rounds):
        taken = 0
        for _ in range(calls):
            try:
                throttle.admit()
            except Throttled:
                continue
            total += 1
            taken += 1
            throttle.ended(None if taken <= capacity else Overloaded())
    return total


def test_nothing_is_throttled_while_everything_is_accepted() -> None:
    """The chance is zero."""
    throttle = Throttle(now=lambda: 0.0)
    assert sent(throttle, rounds=10, calls=100, capacity=100) == 1000
    assert throttle.chance() == 0


def test_a_client_that_is_mostly_refused_sends_twice_what_is_accepted() -> None:
    """With room for ten of a hundred, about twenty leave: the far end is spared, and still notices when it can take more."""
    throttle = Throttle(now=lambda: 5.0, draw=random.Random(7).random)
    sent(throttle, rounds=50, calls=100, capacity=10)
    assert 17 <= sent(throttle, rounds=100, calls=100, capacity=10) / 100 <= 23


def test_other_failures_do_not_throttle() -> None:
    """Those are the breaker's."""
    throttle = Throttle(now=lambda: 0.0)
    for _ in range(100):
        throttle.admit()
        throttle.ended(Unavailable())
    assert throttle.chance() == 0


def test_a_throttle_lets_everything_pass_again_after_its_window() -> None:
    """Half a minute without a refusal, and it is as new."""
    now = [0.0]
    throttle = Throttle(now=lambda: now[0], draw=random.Random(3).random)
    sent(throttle, rounds=10, calls=100, capacity=0)
    assert throttle.chance() > 0.9
    now[0] += 61
    assert sent(throttle, rounds=1, calls=100, capacity=100) == 100


def test_an_outage_followed_by_one_refusal_throttles_nothing() -> None:
    """500 calls that were rejected by an open circuit or lost never reached the far end: only its own refusals count."""
    now = [0.0]
    throttle = Throttle(now=lambda: now[0], draw=random.Random(3).random)
    for _ in range(500):
        now[0] += 0.008
        throttle.admit()  # then an open circuit refuses it, or the connection is lost: `ended` is not called
    throttle.admit()
    throttle.ended(Overloaded())
    refused = 0
    for _ in range(500):
        try:
            throttle.admit()
        except Throttled:
            refused += 1
        else:
            throttle.ended(None)
    assert refused == 0
