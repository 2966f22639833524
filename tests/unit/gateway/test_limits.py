"""Rate limits of one process: what the settings say, what is counted, and what a flood may cost."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.config import GatewaySettings
from gateway.limits import DoorLimits, ignore
from gateway.metrics import LimitMetrics
from tests.unit.gateway.limits import local_limiter
from tocsin.client_network import client_network
from tocsin.mesh.limits import MOST_KEYS, LimitRule, RateLimited
from tocsin.mesh.policy import policies
from tocsin.testing.clock import FakeClock

POLICIES = policies()
CREATE = POLICIES["/tocsin.api.scheduler.v1.AlarmService/CreateAlarm"]
SIGN_IN = POLICIES["/tocsin.api.auth.v1.AuthService/IssueToken"]
PING = POLICIES["/tocsin.api.scheduler.v1.TriggerService/Ping"]


def settings(**values: Any) -> GatewaySettings:
    """Settings of a gateway."""
    return GatewaySettings(**values)


def door(clock: FakeClock, **rules: tuple[int, int]) -> tuple[DoorLimits, CollectorRegistry]:
    """A door whose limits are the same for tenants and addresses."""
    made = {name: LimitRule.of(name, calls, seconds) for name, (calls, seconds) in rules.items()}
    registry, limiter = CollectorRegistry(), local_limiter(clock)
    return DoorLimits(
        limiter=limiter, tenants=made, addresses=made, metrics=LimitMetrics(registry, alone=lambda: limiter.is_alone)
    ), registry


@pytest.mark.parametrize(
    ("text", "name", "calls", "seconds"),
    [
        ("", "read", 99960, 10),
        ("read=5/s", "read", 5, 1),
        (" read = 7 / 10 s , write=1/h", "read", 7, 10),
        ("read=20/10m", "read", 20, 600),
        ("read=1/s,read=2/s", "read", 2, 1),
        ("read=100/s", "read", 100, 1),
        ("read=1000/s", "read", 992, 1),
    ],
)
def test_limits_are_read(text: str, name: str, calls: int, seconds: int) -> None:
    """A limit that is named replaces the default; a large one loses less than a lease."""
    rule = settings(rate_limits=text).tenant_limits[name]
    assert (rule.calls, rule.seconds) == (calls, seconds)
    assert rule.policy == f'"{name}";q={calls};w={seconds}'.encode()


@pytest.mark.parametrize(
    "text",
    [
        "read",
        "read=",
        "read=0/s",
        "read=5",
        "read=5/0s",
        "read=5/d",
        "read=5/86401s",
        "reed=5/s",
        "credentials=5/s",
        "read=-1/s",
        "read=5/s;",
        "read=99999999999/s",
        "read=1/s/s",
        "write=unlimited/s",
        "read=\u0663/s",
    ],
)
def test_limits_that_are_none_stop_the_start(text: str) -> None:
    """A typing mistake is no limit of something else."""
    with pytest.raises(ValueError, match=r"limit|calls"):
        settings(rate_limits=text)


def test_unlimited_is_no_limit() -> None:
    """The one class, and no other."""
    assert settings(rate_limits="read=unlimited").tenant_limits.keys() == settings().tenant_limits.keys() - {"read"}


def test_every_class_of_the_contract_has_a_limit() -> None:
    """A class that the defaults forget would be without."""
    classes = {policy.rate_class for policy in POLICIES.values() if not policy.internal and not policy.public}
    assert classes <= settings().tenant_limits.keys()


@pytest.mark.parametrize("calls", [1, 5, 59, 119, 120, 1000, 99_999])
async def test_no_more_than_the_limit_in_any_window(calls: int, clock: FakeClock) -> None:
    """One process is exact: as many as advertised, none more, and the full number again when the window has passed."""
    rule, limiter = LimitRule.of("read", calls, 10), local_limiter(clock)
    assert calls * 0.98 < rule.calls <= calls
    for _ in range(2):
        for _ in range(rule.calls):
            await limiter.take(rule, "acme")
        with pytest.raises(RateLimited) as caught:
            await limiter.take(rule, "acme")
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 10
        await clock.advance(caught.value.retry_after)


async def test_the_window_moves(clock: FakeClock) -> None:
    """What was used late in one window is missing in the next."""
    rule, limiter = LimitRule.of("read", 10, 10), local_limiter(clock)
    await limiter.take(rule, "acme")
    await clock.advance(9)
    for _ in range(9):
        await limiter.take(rule, "acme")
    await clock.advance(1)
    await limiter.take(rule, "acme")
    with pytest.raises(RateLimited) as caught:
        await limiter.take(rule, "acme")
    assert caught.value.retry_after == pytest.approx(9)
    assert caught.value.standing == b'"read";r=0;t=9'


async def test_an_answer_says_what_is_left(clock: FakeClock) -> None:
    """In the form of draft-ietf-httpapi-ratelimit-headers-10."""
    made, _ = door(clock, write=(600, 60))
    told: dict[bytes, bytes] = {}
    await made.count(CREATE, None, address="192.0.2.1", tell=told.__setitem__)  # nobody: counted by address
    assert told == {b"ratelimit": b'"write";r=599;t=60', b"ratelimit-policy": b'"write";q=600;w=60'}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:DB8:0:0::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "nonsense", True),
    ],
)
def test_what_one_client_is(first: str, second: str, same: bool) -> None:
    """A client that walks through its /64, or writes its address otherwise, stays one."""
    assert (client_network(first) == client_network(second)) is same


async def test_a_public_method_counts_by_address_whatever_the_token(clock: FakeClock) -> None:
    """An account of one's own opens no second way to guess the passwords of others; a class without a limit falls under "public"."""
    made, registry = door(clock, auth=(3, 60), public=(5, 60))
    for host in (1, 2, 3):
        await made.count(SIGN_IN, None, address=f"2001:db8::{host}", tell=ignore)
    with pytest.raises(RateLimited):
        await made.count(SIGN_IN, None, address="2001:db8::4", tell=ignore)
    for _ in range(5):
        await made.count(PING, None, address="2001:db8::1", tell=ignore)
    with pytest.raises(RateLimited):
        await made.count(PING, None, address="2001:db8::1", tell=ignore)
    assert registry.get_sample_value("tocsin_gateway_rate_limited_total", {"limit": "auth", "of": "address"}) == 1
    assert registry.get_sample_value("tocsin_gateway_rate_limits_local") == 0


async def test_a_flood_of_addresses_costs_bounded_memory(clock: FakeClock) -> None:
    """Those that were silent for longest are forgotten; one that goes on is not."""
    rule, limiter = LimitRule.of("auth", 2, 60), local_limiter(clock)
    for number in range(3 * MOST_KEYS):
        await limiter.take(rule, str(number))
        if number in (0, MOST_KEYS // 2):
            await limiter.take(rule, "steady")
        elif number % (MOST_KEYS // 2) == 0:
            with pytest.raises(RateLimited):
                await limiter.take(rule, "steady")
    assert limiter.size <= 2 * MOST_KEYS
