"""The spool: what is taken on is durable, stays in order, is bounded, and is forwarded once its service is back."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from gateway.spool import SetAsideCall, SpoolUse, metadata
from gateway.spool.results import TRIES, ForwardResult
from tests.integration.gateway.spools import EVENT, Far, SpoolRig, rule
from tocsin.api.mesh.v1 import spool_admin_service_pb2 as admin
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.database import current, downgrade, migrate, schema_differences
from tocsin.errors import DeadlineExceeded, Internal, InvalidInput, NotFound, ResourceExhausted, TocsinError, Unimplemented
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


@pytest.fixture
def far() -> Far:
    """A service that is away."""
    return Far()


@pytest.fixture
async def rig(tmp_path: Path, far: Far) -> AsyncGenerator[SpoolRig]:
    """A running spool."""
    rig = SpoolRig(tmp_path / "spool.db", far)
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture
async def still(tmp_path: Path, far: Far, clock: FakeClock) -> AsyncGenerator[SpoolRig]:
    """A running spool whose clock the test moves."""
    rig = SpoolRig(tmp_path / "spool.db", far, clock=clock)
    await rig.start()
    yield rig
    await rig.stop()


async def passes(rig: SpoolRig, condition: Callable[[], bool], seconds: float = 0.2) -> None:
    """Moves the clock on until something is true."""

    async def holds() -> bool:
        assert isinstance(rig.clock, FakeClock)
        await rig.clock.advance(seconds)
        return condition()

    await eventually(holds)


async def asides(rig: SpoolRig) -> list[SetAsideCall]:
    """What is set aside."""
    return await rig.spool.page(after=0, most=100, tenant="")


# -- forwarding ------------------------------------------------------------------------------------------------------------------


async def test_what_waits_is_forwarded_in_order_for_its_tenant(rig: SpoolRig, far: Far) -> None:
    """A hundred calls of two tenants arrive as they came, tenant by tenant, and nothing is left."""
    expected = [("acme" if number % 2 else "other", f"t{number}") for number in range(100)]
    for tenant, topic in expected:
        await rig.put(topic, tenant)
    assert (rig.spool.depth, far.seen) == (100, [])
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    for tenant in ("acme", "other"):
        assert [item for item in far.seen if item[0] == tenant] == [item for item in expected if item[0] == tenant]
    assert len(far.seen) == 100


async def test_what_waits_survives_a_restart(tmp_path: Path, far: Far) -> None:
    """A new start forwards what an earlier one has taken on, and knows how much it is."""
    first = SpoolRig(tmp_path / "spool.db", far)
    await first.start()
    await asyncio.gather(*(first.put(f"t{number}") for number in range(20)))
    before = first.spool.state
    await first.stop()
    second = SpoolRig(tmp_path / "spool.db", far)
    await second.start()
    assert second.spool.state.waiting == before.waiting == SpoolUse(20, before.waiting.bytes)
    assert second.spool.state.first == before.first
    far.away = False
    await eventually(lambda: second.spool.depth == 0)
    await second.stop()
    assert sorted(far.topics) == sorted(f"t{number}" for number in range(20))


async def test_while_the_service_is_away_nothing_is_to_blame(still: SpoolRig, far: Far) -> None:
    """However long it takes, no call is set aside; all go when it is back."""
    for number in range(10):
        await still.put(f"t{number}", f"tenant{number % 3}")
    await passes(still, lambda: still.clock.micros() - (still.spool.state.first or 0) > 3600 * 1_000_000, seconds=30)
    assert (still.spool.depth, still.spool.state.set_aside) == (10, SpoolUse())
    far.away = False
    await passes(still, lambda: still.spool.depth == 0)
    assert len(far.seen) == 10


@pytest.mark.parametrize(
    "error",
    [InvalidInput(), NotFound(), ResourceExhausted(), Unimplemented(), TocsinError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_call_that_is_refused_is_set_aside_at_once(rig: SpoolRig, far: Far, error: TocsinError) -> None:
    """It would be refused for ever; it is kept with the reason, and those behind it go on."""
    far.errors = {"bad": error}
    for topic in ("good", "bad", "better"):
        await rig.put(topic)
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert far.tried == ["good", "bad", "better"]
    (aside,) = await asides(rig)
    assert (aside.reason, aside.tries, aside.call.tenant) == (error.error_reason, 1, "acme")
    assert rig.spool.state.set_aside == SpoolUse(1, len(aside.call.request))


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (Internal(), TRIES[ForwardResult.FAILED]),
        (ValueError("?"), TRIES[ForwardResult.FAILED]),
        (DeadlineExceeded(), TRIES[ForwardResult.SLOW]),
    ],
    ids=["internal", "unexpected", "slow"],
)
async def test_a_call_that_fails_again_and_again_is_set_aside(still: SpoolRig, far: Far, error: Exception, tries: int) -> None:
    """After some tries; meanwhile other tenants' calls go, and after it its own tenant's, in order."""
    far.errors = {"bad": error}
    for topic in ("bad", "next", "last"):
        await still.put(topic)
    for number in range(5):
        await still.put(f"o{number}", "other")
    far.away = False
    await passes(still, lambda: len(far.seen) == 5)
    assert far.topics == [f"o{number}" for number in range(5)]
    await passes(still, lambda: still.spool.depth == 0, seconds=5)
    assert far.tried.count("bad") == tries
    assert far.topics[5:] == ["next", "last"]
    assert [(aside.call.tenant, aside.tries) for aside in await asides(still)] == [("acme", tries)]


async def test_a_limit_of_the_service_blames_no_call(still: SpoolRig, far: Far) -> None:
    """RESOURCE_EXHAUSTED with a time to come back is load: the queue waits, however long."""
    far.errors = {"slow": ResourceExhausted(retry_after=1.0)}
    await still.put("slow")
    await still.put("other", "other")
    far.away = False
    await passes(still, lambda: far.tried.count("slow") > 2 * TRIES[ForwardResult.FAILED], seconds=20)
    assert (far.topics, still.spool.state.set_aside) == (["other"], SpoolUse())
    far.errors.clear()
    await passes(still, lambda: still.spool.depth == 0)


async def test_a_method_that_is_gone_holds_up_nothing(rig: SpoolRig, far: Far) -> None:
    """After a roll-back the contract lacks it: the call is set aside, also one whose name is none, and the loop lives."""
    await rig.put("old", path="/tocsin.api.scheduler.v1.TriggerService/PublishPicture")
    await rig.put("odd", path="nonsense")
    await rig.put("good")
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert far.topics == ["good"]
    assert [aside.reason for aside in await asides(rig)] == ["METHOD_UNKNOWN", "METHOD_UNKNOWN"]


async def test_a_call_that_never_ends_keeps_its_own_tenant_waiting(rig: SpoolRig, far: Far) -> None:
    """Forty tenants; one call gives no answer for now: all the others' calls go."""
    far.gate = asyncio.Event()
    await rig.put("stuck", "acme")
    far.away = False
    await eventually(lambda: far.tried == ["stuck"])
    gate, far.gate = far.gate, None
    for number in range(40):
        await rig.put(f"t{number}", f"tenant{number}")
    await rig.put("behind", "acme")
    await eventually(lambda: len(far.seen) == 40)
    await eventually(lambda: rig.spool.depth == 2)
    gate.set()
    await eventually(lambda: rig.spool.depth == 0)
    assert far.topics[-2:] == ["stuck", "behind"]


async def test_what_is_set_aside_is_bounded(tmp_path: Path, far: Far) -> None:
    """A quarter of what may wait; beyond it the oldest is dropped."""
    rig = SpoolRig(tmp_path / "spool.db", far, bounds=rule(all=SpoolUse(40, 1 << 20)))
    await rig.start()
    far.away = False
    for number in range(15):
        far.errors[f"t{number}"] = InvalidInput()
        await rig.put(f"t{number}")
        await eventually(lambda: rig.spool.depth == 0)
    assert rig.spool.state.set_aside.calls == 10
    topics = [pb.PublishEventRequest.FromString(aside.call.request).event.topic for aside in await asides(rig)]
    assert topics == [f"t{number}" for number in range(5, 15)]
    await rig.stop()


# -- two gateways ----------------------------------------------------------------------------------------------------------------


async def test_two_gateways_have_two_files(tmp_path: Path, far: Far) -> None:
    """The second takes the next one, and each forwards its own once; a third finds the place of one that has ended."""
    first, second, third = (SpoolRig(tmp_path / "spool.db", far) for _ in range(3))
    await first.start()
    await second.start()
    assert [rig.file.place for rig in (first, second)] == [1, 2]
    for number in range(60):
        await (first, second)[number % 2].put(f"t{number}", f"tenant{number % 5}")
    far.away = False
    await eventually(lambda: first.spool.depth == second.spool.depth == 0)
    assert sorted(far.topics) == sorted(f"t{number}" for number in range(60))
    await first.stop()
    await third.start()
    assert third.file.place == 1
    await third.stop()
    await second.stop()


async def test_what_a_gateway_leaves_is_taken_over(tmp_path: Path, far: Far) -> None:
    """By one that lives: what waits and what is set aside; a file that is in use is left alone, and one that is empty is removed."""
    gone, other, takeover = (SpoolRig(tmp_path / "spool.db", far) for _ in range(3))
    for rig in (other, gone, takeover):
        await rig.start()
    for number in range(300):
        await gone.put(f"t{number:03}")
    await other.put("other")
    far.errors = {"t000": InvalidInput()}
    await gone.stop()
    await takeover.takeover.look()
    assert (takeover.spool.depth, other.spool.depth) == (300, 1)
    assert not (tmp_path / "spool-2.db").exists()
    assert (tmp_path / "spool.db").exists()
    far.away = False
    await eventually(lambda: takeover.spool.depth == other.spool.depth == 0)
    assert [topic for topic in far.topics if topic != "other"] == [f"t{number:03}" for number in range(1, 300)]
    assert takeover.spool.state.set_aside.calls == 1
    await takeover.stop()
    far.errors.clear()
    await other.takeover.look()
    await eventually(lambda: far.topics[-1] == "t000")
    await other.stop()


# -- for operators ---------------------------------------------------------------------------------------------------------------


async def test_operators_see_retry_and_drop(rig: SpoolRig, far: Far) -> None:
    """Listed in pages, shown with the request, retried at its old place, dropped; each once."""
    far.errors = {f"t{number}": InvalidInput("no") for number in range(5)}
    far.away = False
    for number in range(5):
        await rig.put(f"t{number}", f"tenant{number % 2}")
    await eventually(lambda: rig.spool.state.set_aside.calls == 5)
    page = await rig.admin.ListSpooledCalls(admin.ListSpooledCallsRequest(page_size=3))
    rest = await rig.admin.ListSpooledCalls(admin.ListSpooledCallsRequest(page_size=3, page_token=page.next_page_token))
    assert (len(page.spooled_calls), len(rest.spooled_calls), rest.next_page_token, rest.set_aside, rest.spool) == (3, 2, "", 5, 1)
    assert len((await rig.admin.ListSpooledCalls(admin.ListSpooledCallsRequest(tenant="tenant1"))).spooled_calls) == 2
    name = page.spooled_calls[0].name
    shown = await rig.admin.GetSpooledCall(admin.GetSpooledCallRequest(name=name))
    assert (shown.method, shown.reason, shown.message, shown.tries) == (EVENT, "INVALID_INPUT", "no", 1)
    assert '"topic": "' in shown.request_json
    assert len(shown.request) == shown.request_bytes
    far.errors.clear()
    await rig.admin.RetrySpooledCall(admin.RetrySpooledCallRequest(name=name))
    await eventually(lambda: rig.spool.depth == 0 and len(far.seen) == 1)
    await rig.admin.DropSpooledCall(admin.DropSpooledCallRequest(name=page.spooled_calls[1].name))
    assert rig.spool.state.set_aside.calls == 3
    for gone in (name, page.spooled_calls[1].name, "spooledCalls/9-1"):
        with pytest.raises(NotFound):
            await rig.admin.RetrySpooledCall(admin.RetrySpooledCallRequest(name=gone))


async def test_the_schema_is_the_one_in_the_code_and_goes_down(tmp_path: Path) -> None:
    """Nothing is missing, nothing is left over, and the revision can be taken back."""
    url = f"sqlite:///{tmp_path}/spool.db"
    await migrate(url=url, schema="gateway", package="gateway")
    assert await schema_differences(url=url, schema="gateway", metadata=metadata) == []
    await downgrade(url=url, schema="gateway", package="gateway", revision="base")
    assert await current(url=url, schema="gateway") is None


async def test_the_age_of_the_oldest_is_told(still: SpoolRig, far: Far) -> None:
    """It grows while nothing goes, and ends with the last call."""
    assert still.spool.state.age == 0
    await still.put("first")
    assert isinstance(still.clock, FakeClock)
    await still.clock.advance(90)
    await still.put("second")
    assert still.spool.state.age >= 90
    far.away = False
    await passes(still, lambda: still.spool.depth == 0)
    assert still.spool.state.age == 0
