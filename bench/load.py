"""A lean HTTP/1.1 load generator: keep-alive connections that send prepared requests and count the answers.

A client library would spend more of the two cores on itself than the service under test does.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice


@dataclass(slots=True)
class Answers:
    """What came back: statuses, and the seconds that each answer took."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Good answers (2xx) per second."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300) / self.seconds

    def percentile(self, percent: int) -> float:
        """The latency in milliseconds that ``percent`` of the answers did not exceed."""
        return 1000 * statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def post(path: str, body: bytes, *, host: str, key: str) -> bytes:
    """A prepared POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(address: str, requests: Iterator[bytes], *, connections: int, total: int) -> Answers:
    """Sends ``total`` of ``requests`` over ``connections`` connections, each waiting for one answer before its next request."""
    host, _, port = address.rpartition(":")
    answers = Answers()
    shared = islice(requests, total)
    begun = time.perf_counter()
    await asyncio.gather(*(_connection(host, int(port), shared, answers) for _ in range(connections)))
    answers.seconds = time.perf_counter() - begun
    return answers


async def _connection(host: str, port: int, requests: Iterator[bytes], answers: Answers) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in requests:
        sent = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        if at < 0:
            msg = f"an answer without a length: {head!r}"
            raise ValueError(msg)
        await reader.readexactly(int(lowered[at + 15 : lowered.index(b"\r\n", at)]))
        answers.latencies.append(time.perf_counter() - sent)
        answers.statuses[int(head[9:12])] += 1
    writer.close()
