"""What delivering costs: mail beside the barest client and beside aiosmtplib, templates, webhooks, and one notification to many people."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any, Final

from aiosmtplib import SMTP

from bench import mail_floor, people, smtp_drain, webhooks
from bench.mail_floor import TEXT, RawMailClient
from mailer_svc.domain import Content, TemplatePart, TemplateUse
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from tocsin.testing.smtp import SmtpSink

CONNECTIONS: Final = smtp_drain.CONNECTIONS


MAILS: Final = 10_000
WEBHOOKS: Final = 15_000
PEOPLE: Final = 100_000
GATED: Final = 10_000

_PAGE: Final = (
    "<html><head><title>{{ title }}</title></head><body style='font-family: sans-serif'><h1>Hello {{ name }}</h1>"
    + "<p>What you ordered is on its way, and you need not do anything until it is there.</p>" * 20
    + "<p>Order {{ order }} for {{ company }}, {{ street }}, {{ city }}: {{ total }}</p><a href='{{ link }}'>Look at it</a></body></html>"
)
_RENDERINGS: Final = 2_000


async def in_process() -> dict[str, Any]:
    """What needs no database: filling in a page of HTML, other values for each message, on the loop as the mailer does it.

    Returns:
        Microseconds of processor time for each; the least of five rounds.
    """
    pool = RenderPool(limits=RenderLimits(processes=1, cpu_seconds=1, megabytes=256))
    await pool.start()
    try:
        renderer = TemplateRenderer(pool=pool)
        part = TemplatePart(uid="p1", content=Content("Order {{ order }}", "Hello {{ name }}, order {{ order }} is on its way.", _PAGE))
        await renderer.render("bench", part, _use(0))
        rounds = [_rendering(renderer, part, first) for first in range(0, 5 * _RENDERINGS, _RENDERINGS)]
    finally:
        await pool.stop()
    return {"template": {"characters of HTML": len(_PAGE), "us a page of HTML": round(min(rounds), 1)}}


def _rendering(renderer: TemplateRenderer, part: TemplatePart, first: int) -> float:
    uses = [_use(number) for number in range(first, first + _RENDERINGS)]
    started = time.process_time()
    for use in uses:
        assert renderer.render_fast(part, use) is not None
    return (time.process_time() - started) * 1e6 / _RENDERINGS


def _use(number: int) -> TemplateUse:
    names = ("title", "name", "order", "company", "street", "city", "total", "link")
    return TemplateUse("page", {name: f"{name} <{number}>" for name in names})


async def measure(url: str, *, share: int = 1) -> dict[str, Any]:
    """Everything that needs a database.

    Args:
        url: a database that is empty at first; what one measure leaves there is finished before the next.
        share: measures with the ``share``-th part of the messages and people.
    """
    return {
        "mail": await mail(mails=MAILS // share, url=url),
        "webhooks": await webhooks.measure(webhooks=WEBHOOKS // share, url=url),
        "one to many": await people.notify_many(people=PEOPLE // share, url=url),
        "gates": await people.gates(messages=GATED // share, url=url),
    }


async def mail(*, mails: int, url: str) -> dict[str, Any]:
    """Mail through the whole mailer into a local sink, and through two clients that store nothing.

    Args:
        mails: how many by each.
        url: the mailer's database.

    Returns:
        Rates a second of each, and the mailer's as ratios to theirs in the same run; and to a client that stores all that the mailer does.
    """
    tocsin = await smtp_drain.measure(mails=mails, url=url)
    raw = await _rate(_raw_client, mails)
    floor = await _floor(mails, url)
    library = await _rate(_library_client, mails // 5)
    return {
        "per second": tocsin["mails_per_second"],
        "lost": tocsin["lost"],
        "doubled": tocsin["doubled"],
        "raw pipelined client: per second": raw,
        "raw pipelined client that stores: per second": floor,
        "aiosmtplib send_message: per second": library,
        "ratio to the raw client": round(tocsin["mails_per_second"] / raw, 3),
        "ratio to the raw client that stores": round(tocsin["mails_per_second"] / floor, 3),
        "ratio to aiosmtplib": round(tocsin["mails_per_second"] / library, 2),
    }


async def _rate(client: Callable[[int, range], Awaitable[None]], mails: int) -> int:
    """Mails a second that a client brings into a sink of its own over as many connections as the mailer has."""
    sink = SmtpSink()
    await sink.start()
    try:
        started = time.perf_counter()
        await asyncio.gather(*(client(sink.port, range(first, mails, CONNECTIONS)) for first in range(CONNECTIONS)))
        await sink.received(mails, seconds=600)
        return round(mails / (time.perf_counter() - started))
    finally:
        await sink.stop()


async def _floor(mails: int, url: str) -> int:
    """Mails a second of the raw client when it stores what the mailer stores: no mailer of one process is faster than that."""
    sink = SmtpSink()
    await sink.start()
    try:
        clients = [await RawMailClient.open(sink.port) for _ in range(CONNECTIONS)]
        return round(mails / await mail_floor.measure(mails=mails, url=url, clients=clients))
    finally:
        await sink.stop()


async def _raw_client(port: int, keys: range) -> None:
    client = await RawMailClient.open(port)
    for key in keys:
        await client.send(key)
    await client.close()


async def _library_client(port: int, keys: range) -> None:
    """As an application does it: a message object for each mail, and one call to send it."""
    async with SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for key in keys:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "bench@example.com", f"u{key}@example.com", "Stand-up"
            mail["Message-ID"] = f"<{key}@bench>"
            mail.set_content(TEXT)
            await client.send_message(mail)
