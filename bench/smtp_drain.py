"""Mails through the whole of mailer_svc into a local SMTP sink: Deliver stream, durable accept, claim, mark, SMTP, durable outcome.

The mailer is a process of its own; this one plays the processor and the SMTP server.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.mailer import MailerProcess, batches, mailer, message
from bench.services import seconds_of
from tocsin.testing.smtp import SmtpSink

CONNECTIONS: Final = 64


async def measure(*, mails: int, url: str) -> dict[str, Any]:
    """Hands ``mails`` messages in and waits until the sink has taken every one.

    Args:
        mails: how many.
        url: the mailer's database.

    Returns:
        Rates a second of acceptance (durable, acknowledged) and of arrival, and whether any mail was lost or doubled.
    """
    sink = SmtpSink()
    await sink.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = {
                "SMTP_HOST": "127.0.0.1",
                "SMTP_PORT": str(sink.port),
                "SMTP_TLS": "none",
                "SMTP_CONNECTIONS": str(CONNECTIONS),
            }
            async with mailer(Path(folder), url=url, settings=settings) as process:
                return await _drain(process, sink, mails)
    finally:
        await sink.stop()


async def _drain(process: MailerProcess, sink: SmtpSink, mails: int) -> dict[str, Any]:
    messages = [message(key, to=f"u{key}@example.com") for key in range(mails)]
    started, busy = time.perf_counter(), seconds_of(process.pid)
    acknowledged = await process.deliver(batches(messages))
    accepted = time.perf_counter() - started
    await sink.received(mails, seconds=600)
    arrived = time.perf_counter() - started
    await asyncio.sleep(0.5)
    return {
        "mails": mails,
        "accepted_per_second": round(acknowledged / accepted),
        "mails_per_second": round(mails / arrived),
        "seconds": round(arrived, 2),
        "mailer_processor_ms_per_mail": round((seconds_of(process.pid) - busy) * 1000 / mails, 3),
        "lost": mails - len({item.message["Message-ID"] for item in sink.messages}),
        "doubled": sink.taken - mails,
    }
