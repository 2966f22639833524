"""What delivering costs: mail beside the barest client and beside aiosmtplib, templates, webhooks, and one notification to many people."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any, Final

from aiosmtplib import SMTP

from bench import smtp_drain
from tocsin.testing.smtp import SmtpSink

CONNECTIONS: Final = smtp_drain.CONNECTIONS
_TEXT: Final = "In five minutes.\n"


async def measure(*, mails: int, url: str) -> dict[str, Any]:
    """Mail through the whole mailer into a local sink, and through two clients that store nothing.

    Args:
        mails: how many by each.
        url: the mailer's database.

    Returns:
        Rates a second of each, and the mailer's as a ratio to either client's in the same run.
    """
    tocsin = await smtp_drain.measure(mails=mails, url=url)
    raw = await _rate(_raw_client, mails)
    library = await _rate(_library_client, mails // 5)
    return {
        "tocsin: mails a second": tocsin["mails_per_second"],
        "tocsin: lost": tocsin["lost"],
        "tocsin: doubled": tocsin["doubled"],
        "raw pipelined client: mails a second": raw,
        "aiosmtplib send_message: mails a second": library,
        "ratio to the raw client": round(tocsin["mails_per_second"] / raw, 3),
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


async def _raw_client(port: int, keys: range) -> None:
    """Bytes that are ready, with the commands of each mail in one piece (RFC 2920)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO bench\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    for key in keys:
        writer.write(b"MAIL FROM:<bench@example.com>\r\nRCPT TO:<u%d@example.com>\r\nDATA\r\n" % key)
        for _ in range(3):
            await reader.readline()
        head = b"From: bench@example.com\r\nTo: u%d@example.com\r\nSubject: Stand-up\r\nMessage-ID: <%d@bench>\r\n\r\n" % (key, key)
        writer.write(head + _TEXT.replace("\n", "\r\n").encode() + b".\r\n")
        await reader.readline()
    writer.write(b"QUIT\r\n")
    await reader.readline()
    writer.close()


async def _library_client(port: int, keys: range) -> None:
    """As an application does it: a message object for each mail, and one call to send it."""
    async with SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for key in keys:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "bench@example.com", f"u{key}@example.com", "Stand-up"
            mail["Message-ID"] = f"<{key}@bench>"
            mail.set_content(_TEXT)
            await client.send_message(mail)
