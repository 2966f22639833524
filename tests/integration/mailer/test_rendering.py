"""Rendering in processes: what may cost much costs its tenant, and nobody else."""

import asyncio
import os
import pickle
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailer_svc.domain import Content, TemplatePart, TemplateUse
from mailer_svc.language.errors import RenderTooExpensive, TemplateInvalid, VariableMissing
from mailer_svc.language.requests import Parse, Parsed, Render
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.rendering.pool import RendererBusy
from tests.integration.mailer.support import DeliverStream, Rig, message
from tocsin.api.mailer.v1 import delivery_service_pb2, template_service_pb2
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

TEXT = Parse(("s", "{{ a|upper }}", ""), stored=False)
HEAVY = "{% for c in a %}{% if b|title|upper|title|upper == 'x' %}{% endif %}{% endfor %}done"
SLOW = {"a": "z" * 10, "b": "x y" * 20_000}  # a few megabytes to touch: within the budget, but not on the loop


class Runaway:
    """Is no program: unpickling it never ends."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sum, (range(10**15),)


class Glutton:
    """Takes a terabyte."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (1 << 40,)


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    """One process at most."""
    made = RenderPool(limits=RenderLimits(processes=1, cpu_seconds=1, megabytes=256, waiting=4))
    await made.start()
    yield made
    await made.stop()


def evil(body: object) -> Render:
    """A request that no template makes."""
    return Render(pickle.dumps(body), {}, "")


async def stopped(pool: RenderPool, tenant: str = "t1") -> "tuple[int, asyncio.Task[object]]":
    """A process that is in the middle of a request, and stays there; and whoever waits for the answer."""
    await pool.run(tenant, TEXT)
    (number,) = pool.processes
    os.kill(number, signal.SIGSTOP)
    waiting = asyncio.create_task(pool.run(tenant, TEXT))
    await asyncio.sleep(0)
    return number, waiting


async def test_a_process_that_is_killed_amid_a_rendering_is_replaced_and_the_rendering_done_again(pool: RenderPool) -> None:
    """Whoever waits for it notices nothing."""
    number, waiting = await stopped(pool)
    os.kill(number, signal.SIGKILL)
    assert isinstance(await waiting, Parsed)
    assert number not in pool.processes
    assert len(pool.processes) == 1


async def test_what_kills_every_process_is_given_up(pool: RenderPool) -> None:
    """After two processes it fails for good; the next request finds a process."""
    number, waiting = await stopped(pool)
    os.kill(number, signal.SIGKILL)

    async def next_one() -> bool:
        others = [process for process in pool.processes if process != number]
        for process in others:
            os.kill(process, signal.SIGKILL)
        return waiting.done()

    await eventually(next_one)
    assert waiting.exception() is None or isinstance(waiting.exception(), RenderTooExpensive)
    assert isinstance(await pool.run("t1", TEXT), Parsed)


@pytest.mark.parametrize(("body", "words"), [(Runaway(), "more than 1 s"), (Glutton(), "memory")])
async def test_time_and_memory_are_bounded_by_the_system(pool: RenderPool, body: object, words: str) -> None:
    """A process that does not end by itself is ended, and one cannot take the machine's memory."""
    with pytest.raises(RenderTooExpensive, match=words):
        await pool.run("t1", evil(body))
    assert isinstance(await pool.run("t1", TEXT), Parsed)


async def test_tenants_take_turns_and_one_has_a_bounded_number_waiting(pool: RenderPool) -> None:
    """The neighbour's only request comes before the second of whoever has many; what is too much is refused at once, as retryable."""
    number, first = await stopped(pool)
    order: list[str] = []

    async def asked(tenant: str) -> None:
        await pool.run(tenant, TEXT)
        order.append(tenant)

    asking = [asyncio.create_task(asked("t1")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RendererBusy):
        await pool.run("t1", TEXT)
    asking.append(asyncio.create_task(asked("t2")))
    await asyncio.sleep(0)
    assert pool.waiting == 5
    os.kill(number, signal.SIGCONT)
    await asyncio.gather(first, *asking)
    assert order == ["t1", "t2", "t1", "t1", "t1"]


async def test_of_two_processes_a_tenant_has_one() -> None:
    """While the one tenant's is stuck, the other's works."""
    pool = RenderPool(limits=RenderLimits(processes=2, cpu_seconds=1, megabytes=256))
    number, first = await stopped(pool)
    more = asyncio.create_task(pool.run("t1", TEXT))
    assert isinstance(await pool.run("t2", TEXT), Parsed)
    assert not more.done()
    os.kill(number, signal.SIGCONT)
    await asyncio.gather(first, more)
    await pool.stop()


async def test_what_waits_is_given_back_when_the_pool_stops(pool: RenderPool) -> None:
    """And so is what runs; no process is left."""
    number, first = await stopped(pool)
    second = asyncio.create_task(pool.run("t1", TEXT))
    await asyncio.sleep(0)
    await pool.stop()
    for task in (first, second):
        with pytest.raises(RendererBusy):
            await task
    assert not Path(f"/proc/{number}").exists()
    assert pool.processes == []


async def test_a_caller_that_leaves_costs_no_rendering(pool: RenderPool) -> None:
    """What nobody waits for any more is passed over."""
    number, first = await stopped(pool)
    left = asyncio.create_task(pool.run("t1", evil(Runaway())))
    await asyncio.sleep(0)
    left.cancel()
    os.kill(number, signal.SIGCONT)
    await first
    assert isinstance(await pool.run("t1", TEXT), Parsed)
    assert pool.processes == [number]


def part(uid: str, text: str) -> TemplatePart:
    """A template that says one text."""
    return TemplatePart(uid=uid, content=Content("s", text))


async def test_equal_renderings_are_one(pool: RenderPool) -> None:
    """A message to many people is rendered once, on the loop or in the pool; a version is parsed once."""
    renderer = TemplateRenderer(pool=pool)
    use = TemplateUse("c", SLOW)
    both = [renderer.render("t1", part("u1", HEAVY), TemplateUse("c", dict(SLOW))) for _ in range(20)]
    assert {content.text for content in await asyncio.gather(*both)} == {"done"}
    assert renderer.render_fast(part("u1", HEAVY), use) is None
    assert (await renderer.render("t1", part("u2", "{{ a }}"), TemplateUse("c", {"a": "x"}))).text == "x"
    fast = renderer.render_fast(part("u2", "{{ a }}"), TemplateUse("c", {"a": "y", "surplus": "z"}))
    assert fast is not None
    assert fast is renderer.render_fast(part("u2", "{{ a }}"), TemplateUse("c", {"a": "y", "surplus": "z"}))
    with pytest.raises(VariableMissing, match="missing: a"):
        renderer.render_fast(part("u2", "{{ a }}"), TemplateUse("c", {}))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{% for c in a %}{% if b" + "|title" * 40 + " == 'x' %}{% endif %}{% endfor %}", RenderTooExpensive),
        ("{% for c in a %}" * 5 + "{% endfor %}" * 5, RenderTooExpensive),
        ("{{ a" + "|e" * 250 + " }}", TemplateInvalid),
        ("{{ a() }}", TemplateInvalid),
    ],
)
async def test_a_template_of_before_the_bounds_fails_by_itself(pool: RenderPool, text: str, error: type[Exception]) -> None:
    """It is rendered as long as that costs no more than a message may, and nothing else happens when it does."""
    with pytest.raises(error):
        await TemplateRenderer(pool=pool).render("t1", part("u1", text), TemplateUse("c", {"a": "z" * 9000, "b": "x y" * 20_000}))


async def greedy(rig: Rig, name: str = "templates/greedy") -> delivery_service_pb2.TemplateContent:
    """A template that is accepted, and values with which it takes more than it may."""
    await rig.template(name, text=HEAVY)
    return delivery_service_pb2.TemplateContent(template=name, variables={"name": "Ann", "a": "z" * 9000, "b": "x y" * 20_000})


async def test_a_message_that_is_too_expensive_is_refused_for_good_and_its_neighbours_are_sent(rig: Rig) -> None:
    """In one batch and on one stream: the others are acknowledged first, and are in the inbox while it is still rendered."""
    use = await greedy(rig)
    stream = DeliverStream(rig)
    await stream.send(message(1, template=use), message(2, tenant="t2"), message(3))
    first = await stream.acks(2)
    assert [(ack.key, ack.reason) for ack in first] == [(2, ""), (3, "")]
    assert len(await rig.messages("t2")) == 1
    (last,) = await stream.acks(1)
    assert (last.key, last.reason, last.retryable) == (1, "RENDER_TOO_EXPENSIVE", False)
    await stream.finish()


async def test_a_stream_is_read_on_while_many_messages_are_rendered(rig: Rig) -> None:
    """However many batches of expensive messages are under way; those that are too many at once are refused as retryable."""
    use = await greedy(rig)
    stream = DeliverStream(rig)
    for number in range(60):
        varied = delivery_service_pb2.TemplateContent(template=use.template, variables={**use.variables, "name": f"Ann{number}"})
        await stream.send(message(number, template=varied))
    await stream.send(message(1000, tenant="t2"))
    order = [ack.key for ack in await stream.acks(61)]
    assert order.index(1000) < 60
    assert len(await rig.messages("t2")) == 1
    await stream.finish()


async def test_a_slow_message_arrives_although_processes_are_killed(rig: Rig) -> None:
    """SIGKILL of a rendering process is not the message's fault; meanwhile a neighbour's mail is sent."""
    await rig.template("templates/slow", text=HEAVY)
    use = delivery_service_pb2.TemplateContent(template="templates/slow", variables={"name": "Ann", **SLOW})
    (number,) = children("mailer_svc.language.worker")
    os.kill(number, signal.SIGSTOP)
    stream = DeliverStream(rig)
    await stream.send(message(1, template=use), message(2, tenant="t2"))
    assert [ack.key for ack in await stream.acks(1)] == [2]
    os.kill(number, signal.SIGKILL)
    (ack,) = await stream.acks(1)
    assert (ack.key, ack.reason) == (1, "")
    assert [mail.text for mail in await rig.messages()] == ["done"]
    await stream.finish()


async def test_rendering_processes_know_no_secret_and_end_with_the_mailer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment nor a descriptor of the mailer's."""
    monkeypatch.setenv("TOCSIN_MAILER_SMTP_PASSWORD", "hunter2")
    await rig.template()
    (number,) = children("mailer_svc.language.worker")
    process = Path(f"/proc/{number}")
    assert b"hunter2" not in (process / "environ").read_bytes()
    links = [str(link.readlink()) for link in (process / "fd").iterdir()]
    assert sum(link.startswith("socket:") for link in links) == 1
    assert not [link for link in links if ".db" in link or "sqlite" in link]
    await rig.stop()
    assert not process.exists()


def children(module: str) -> list[int]:
    """Processes of ours that run ``module``, whichever thread began them."""
    numbers = [int(number) for listed in Path("/proc/self/task").glob("*/children") for number in listed.read_text().split()]
    return [number for number in numbers if module in Path(f"/proc/{number}/cmdline").read_text()]


REFUSED = [
    ("{{ a" + "|e" * 250 + " }}", "250 filters of at most 16"),
    ("{% for c in a %}{% if b" + "|title" * 20 + " == 'x' %}x{% endif %}{% endfor %}", "20 filters of at most 16"),
    ("{% for a in x %}{% for b in x %}{% for c in x %}{{ y|title }}{% endfor %}{% endfor %}{% endfor %}", "of at most 10000000 steps"),
    ("{{ " + "9" * 10_000 + " }}", "cannot be read"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
async def test_a_template_that_needs_too_much_is_refused_when_it_is_saved(rig: Rig, text: str, words: str) -> None:
    """With the measure, at create and at update."""
    await rig.template("templates/good")
    with pytest.raises(InvalidInput, match=words):
        await rig.template("templates/bad", text=text)
    bad = template_service_pb2.Template(name="templates/good", subject="s", text=text)
    with rig.user(), pytest.raises(InvalidInput, match=words):
        await rig.templates.UpdateTemplate(template_service_pb2.UpdateTemplateRequest(template=bad))


async def test_a_preview_that_takes_too_much_is_the_callers_fault(rig: Rig) -> None:
    """INVALID_ARGUMENT with the reason: nothing that a circuit counts."""
    use = await greedy(rig)
    request = template_service_pb2.RenderTemplateRequest(name=use.template, variables=use.variables)
    with rig.user(), pytest.raises(InvalidInput) as caught:
        await rig.templates.RenderTemplate(request)
    assert caught.value.error_reason == "RENDER_TOO_EXPENSIVE"
