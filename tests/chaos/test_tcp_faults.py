"""Bad networks between any two services: whatever one connection suffers, every mail arrives once."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.chaos.load import FULL, Load, Note
from tocsin.testing.proxy import FAIR, NetworkFault, Proxy
from tocsin.testing.stack import RunningStack, free_port_base

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

Pair = tuple[str, str]
# Offsets of the gRPC ports behind `--port-base`.
PORTS = {"auth": 11, "scheduler": 12, "processor": 13, "mailer": 14}
# Who calls whom. Nobody but the gateway calls processor_svc; auth_svc is asked for its keys by everybody.
PAIRS = [
    ("gateway", "auth"),
    ("gateway", "scheduler"),
    ("gateway", "processor"),
    ("gateway", "mailer"),
    ("scheduler", "auth"),
    ("processor", "auth"),
    ("processor", "scheduler"),
    ("processor", "mailer"),
    ("mailer", "auth"),
]
SHORT = [("gateway", "scheduler"), ("processor", "scheduler"), ("processor", "mailer")]
SECONDS = 2.0 if FULL else 0.25
RATE = 25


async def for_a_while(proxy: Proxy, fault: NetworkFault) -> None:
    """The fault holds, then it is fair again."""
    proxy.fault = fault
    await asyncio.sleep(SECONDS)
    proxy.fault = FAIR


async def again_and_again(act: Callable[[], int]) -> None:
    """Hurts what stands, four times."""
    for _ in range(4):
        act()
        await asyncio.sleep(SECONDS / 4)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of injury, and the count that shows that it happened."""

    name: str
    inject: Callable[[Proxy], Awaitable[None]]
    count: Callable[[Proxy], int]


FAULTS = [
    Fault("latency", lambda proxy: for_a_while(proxy, NetworkFault(latency=0.05, jitter=0.05)), lambda proxy: proxy.passed),
    Fault("blackhole", lambda proxy: for_a_while(proxy, NetworkFault(blackhole=True)), lambda proxy: proxy.held),
    Fault("reset", lambda proxy: again_and_again(proxy.reset), lambda proxy: proxy.hurt),
    Fault("half-close", lambda proxy: again_and_again(proxy.half_close), lambda proxy: proxy.hurt),
    Fault("slow bytes", lambda proxy: for_a_while(proxy, NetworkFault(rate=2000, piece=8)), lambda proxy: proxy.passed),
    Fault("bandwidth", lambda proxy: for_a_while(proxy, NetworkFault(rate=20_000)), lambda proxy: proxy.passed),
    Fault("cut", lambda proxy: for_a_while(proxy, NetworkFault(cut_after=6000)), lambda proxy: proxy.hurt),
]


class Network:
    """A stack whose services reach one another through proxies."""

    def __init__(self, stack: RunningStack, proxies: dict[Pair, Proxy]) -> None:
        self.stack = stack
        self.proxies = proxies


@asynccontextmanager
async def network(state: Path, pairs: list[Pair]) -> AsyncGenerator[Network]:
    """A running stack with a proxy for each of ``pairs``."""
    base = free_port_base()
    async with AsyncExitStack() as exits:
        proxies = {pair: await exits.enter_async_context(Proxy(target_port=base + PORTS[pair[1]])) for pair in pairs}
        env = {f"TOCSIN_{caller.upper()}_{called.upper()}_TARGET": proxy.address for (caller, called), proxy in proxies.items()}
        env["TOCSIN_JWKS_MAX_AGE_SECONDS"] = "1"  # so that everybody goes on asking for the keys
        stack = RunningStack(state=state, port_base=base, env=env)
        # The proxies live in this loop, which must not stand still while the stack starts.
        await asyncio.to_thread(stack.start)
        exits.push_async_callback(asyncio.to_thread, stack.stop)
        yield Network(stack, proxies)


async def look_at_tasks(client: httpx2.AsyncClient) -> None:
    """Until it is cancelled: nobody else calls processor_svc, nor makes it ask for keys. What comes of it depends on the fault."""
    while True:
        with contextlib.suppress(httpx2.HTTPError):
            await client.get("/v1/tasks", timeout=SECONDS)
        await asyncio.sleep(0.1)


async def break_in_turn(proxies: dict[Pair, Proxy], told: list[tuple[str, Pair]]) -> None:
    """Each fault between each pair, while something is due; notes those that hurt something."""
    await asyncio.sleep(0.5)
    for fault in FAULTS:
        for pair, proxy in proxies.items():
            before = fault.count(proxy)
            await fault.inject(proxy)
            told += [(fault.name, pair)] if fault.count(proxy) > before else []


async def test_bad_networks_lose_and_double_nothing(tmp_path: Path, record_property: Note) -> None:
    """Every fault between every pair under load: what was accepted arrives once, and all of it is accepted in the end."""
    pairs = PAIRS if FULL else SHORT
    told: list[tuple[str, Pair]] = []
    async with network(tmp_path / "state", pairs) as made, made.stack.client() as client:
        load = Load(client, ahead=(0.1, 1.0))
        await load.steady()
        seconds = len(pairs) * len(FAULTS) * SECONDS
        looking = asyncio.create_task(look_at_tasks(client))
        await asyncio.gather(break_in_turn(made.proxies, told), load.run(alarms=int(RATE * seconds), seconds=seconds))
        looking.cancel()
        account = await load.settle()
        restarts = {service: made.stack.restarts(service) for service in ("gateway", "scheduler_svc", "processor_svc", "mailer_svc")}
        logs = made.stack.logs()
    hurt = ", ".join(f"{caller} to {called} {sum(pair == (caller, called) for _, pair in told)}" for caller, called in pairs)
    record_property("account", f"{len(told)} faults ({hurt}), answers {dict(load.answers)}: {account}")
    assert {fault.name for fault in FAULTS} == {name for name, _ in told}, "a kind of fault hurt nobody"
    assert set(pairs) == {pair for _, pair in told}, "a pair was never hurt"
    assert set(restarts.values()) == {0}, "a bad network is no reason to restart"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
