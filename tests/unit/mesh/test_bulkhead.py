"""How much of one process a tenant may take up."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.integration.mesh.support import METHODS, path
from tocsin.config import ServiceSettings
from tocsin.mesh.bulkhead import Bulkheads, TooManyCalls, TooManyStreams
from tocsin.mesh.policy import Criticality

WATCH = METHODS[path("Watch")]
WEIGH = METHODS[path("Weigh")]


class Settings(ServiceSettings):
    """Settings of a service of these tests."""

    service = "scheduler"


def bulkheads() -> Bulkheads:
    """Two streams a tenant and five in all, one computation a tenant."""
    return Bulkheads(Settings(tenant_streams=2, max_streams=5, tenant_compute_calls=1))


async def test_the_streams_of_a_tenant_are_bounded_and_those_of_all_tenants() -> None:
    """One too many is refused at once and told when to come back; a neighbour is not, until nobody has room; an end makes room."""
    found = bulkheads()
    async with AsyncExitStack() as open_streams:
        for tenant in ("a", "a", "b", "b"):
            await open_streams.enter_async_context(found.place(WATCH, tenant))
        with pytest.raises(TooManyCalls) as own:
            await open_streams.enter_async_context(found.place(WATCH, "a"))
        assert (own.value.retry_after, own.value.metadata) == (1.0, {"rate_class": "stream", "limit": "2"})
        await open_streams.enter_async_context(found.place(WATCH, "c"))
        with pytest.raises(TooManyStreams):
            await open_streams.enter_async_context(found.place(WATCH, "c"))
        operators = replace(WATCH, criticality=Criticality.CRITICAL)
        async with found.place(operators, "c"):
            assert found.streams == 6
    assert (found.streams, found.refused) == (0, 2)
    async with found.place(WATCH, "a"), found.place(WATCH, "a"):
        assert found.streams == 2


async def test_computations_of_a_tenant_take_turns_and_few_may_wait() -> None:
    """One after the other, in the order of arrival; beyond eight that wait the next one is refused; another tenant does not wait."""
    found, order, gate = bulkheads(), list[int](), asyncio.Event()

    async def compute(number: int) -> None:
        async with found.place(WEIGH, "a"):
            order.append(number)
            await gate.wait()

    calls = [asyncio.create_task(compute(number)) for number in range(9)]
    await asyncio.sleep(0)
    assert order == [0]
    with pytest.raises(TooManyCalls):
        await compute(9)
    async with found.place(WEIGH, "b"):
        assert order == [0]
    calls[1].cancel()
    await asyncio.gather(calls[1], return_exceptions=True)
    gate.set()
    await asyncio.gather(*(calls[:1] + calls[2:]))
    assert order == [0, *range(2, 9)]


async def test_a_place_that_comes_as_its_caller_leaves_goes_to_the_next() -> None:
    """Nothing is lost when the turn and the cancellation meet."""
    found, served = bulkheads(), list[str]()

    async def compute(name: str) -> None:
        async with found.place(WEIGH, "a"):
            served.append(name)

    first = found.place(WEIGH, "a")
    await first.__aenter__()
    leaving, staying = asyncio.create_task(compute("leaving")), asyncio.create_task(compute("staying"))
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    leaving.cancel()
    await asyncio.gather(leaving, staying, return_exceptions=True)
    assert served == ["staying"]
    async with found.place(WEIGH, "a"):
        served.append("free again")


async def test_a_caller_that_left_a_moment_ago_is_passed_over() -> None:
    """The cancellation comes first, and the place before the caller has noticed."""
    found, served = bulkheads(), list[str]()

    async def compute(name: str) -> None:
        async with found.place(WEIGH, "a"):
            served.append(name)

    first = found.place(WEIGH, "a")
    await first.__aenter__()
    leaving, staying = asyncio.create_task(compute("leaving")), asyncio.create_task(compute("staying"))
    await asyncio.sleep(0)
    leaving.cancel()
    await first.__aexit__(None, None, None)
    await asyncio.gather(leaving, staying, return_exceptions=True)
    assert served == ["staying"]
    async with found.place(WEIGH, "a"):
        served.append("free again")
    assert served == ["staying", "free again"]


async def test_calls_between_services_and_cheap_calls_need_no_place() -> None:
    """What carries the work of all tenants has no bulkhead."""
    found = bulkheads()
    assert not found.bounds(METHODS[path("Say")])
    assert not found.bounds(replace(WATCH, callers=frozenset({"processor_svc"})))
    assert found.bounds(WATCH)
    assert found.bounds(WEIGH)


def test_the_calls_of_a_caller_at_a_method_are_bounded() -> None:
    """One too many is refused at once; another caller, and another method, have places of their own; an end makes room."""
    found = bulkheads()
    with found.caller_place("/S/M", "a", 2), found.caller_place("/S/M", "a", 2):
        with pytest.raises(TooManyCalls) as refused, found.caller_place("/S/M", "a", 2):
            pass
        assert (refused.value.retry_after, refused.value.metadata) == (1.0, {"method": "/S/M", "limit": "2"})
        with found.caller_place("/S/M", "b", 2), found.caller_place("/S/N", "a", 2), found.caller_place("/S/M", "a", 3):
            pass
    assert found.refused == 1
    for _ in range(3):
        with found.caller_place("/S/M", "a", 1):
            pass
