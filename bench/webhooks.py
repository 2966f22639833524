"""Webhooks through the whole of mailer_svc into a local HTTP server, which keeps count and nothing else."""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench.mailer import batches, mailer, message
from bench.services import seconds_of
from tocsin.testing.waiting import eventually

SETTINGS: Final = {
    "WEBHOOK_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "EGRESS_ALLOW": "127.0.0.0/8",
}
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_ID: Final = b"\r\nwebhook-id: "
_LENGTH: Final = b"\r\ncontent-length: "


class WebhookReceiver:
    """A server on 127.0.0.1 that takes every webhook, and notes when it did by its path.

    ``taken`` counts webhooks by id; ``at`` is when the first came to a path that was asked for, in seconds of the loop's clock.
    """

    def __init__(self) -> None:
        self.taken = Counter[bytes]()
        self.at: dict[str, float] = {}
        self.watched = ""
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "WebhookReceiver":
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()


class _Connection(asyncio.Protocol):
    """Reads requests as far as it has to: path, id and length."""

    def __init__(self, owner: WebhookReceiver) -> None:
        self._owner = owner
        self._bytes = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while (end := self._bytes.find(b"\r\n\r\n")) >= 0:
            head = self._bytes[:end]
            whole = end + 4 + int(_value(head, _LENGTH))
            if len(self._bytes) < whole:
                return
            self._bytes = self._bytes[whole:]
            self._take(head)
            self._transport.write(_ANSWER)

    def _take(self, head: bytes) -> None:
        self._owner.taken[_value(head, _ID)] += 1
        path = head.split(b" ", 2)[1].decode()
        if self._owner.watched and path.startswith(self._owner.watched):
            self._owner.at.setdefault(path, asyncio.get_running_loop().time())


def _value(head: bytes, name: bytes) -> bytes:
    return head.partition(name)[2].partition(b"\r\n")[0]


async def measure(*, webhooks: int, url: str, concurrency: int = 64) -> dict[str, Any]:
    """Hands ``webhooks`` messages in and waits until the server has taken every one.

    Args:
        webhooks: how many.
        url: the mailer's database.
        concurrency: under way at once, at most.

    Returns:
        Rates a second of acceptance and of arrival, the mailer's processor time, and whether any was lost or doubled.
    """
    async with WebhookReceiver() as receiver:
        messages = [message(key, to=f"{receiver.url}/u{key}", channel="webhook") for key in range(webhooks)]
        settings = SETTINGS | {"PROVIDER_CONCURRENCY": f"webhook={concurrency}"}
        with tempfile.TemporaryDirectory() as folder:
            async with mailer(Path(folder), url=url, settings=settings) as process:
                started, busy = time.perf_counter(), seconds_of(process.pid)
                acknowledged = await process.deliver(batches(messages))
                accepted = time.perf_counter() - started
                await eventually(lambda: len(receiver.taken) >= webhooks, seconds=600, what="the arrival of all webhooks")
                arrived = time.perf_counter() - started
                await asyncio.sleep(0.5)
                used = seconds_of(process.pid) - busy
    return {
        "accepted per second": round(acknowledged / accepted),
        "per second": round(webhooks / arrived),
        "mailer cpu us each": round(used * 1e6 / webhooks),
        "lost": webhooks - len(receiver.taken),
        "doubled": receiver.taken.total() - len(receiver.taken),
    }
