"""mailer_svc as a process of its own, with a processor's way to it, for measurements."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from bench.services import mesh_of, service
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.api.mailer.v1 import delivery_service_pb2_grpc as rpc
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.process import free_port

TENANT: Final = "bench"
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class MailerProcess:
    """A mailer: what a processor calls, and its process id."""

    stub: Any
    pid: int

    async def deliver(self, batches: AsyncIterator[pb.DeliverRequest]) -> int:
        """Hands messages in; how many were taken."""
        return sum([sum(not ack.reason for ack in response.acks) async for response in self.stub.Deliver(batches)])


@asynccontextmanager
async def mailer(folder: Path, *, url: str, settings: Mapping[str, str]) -> AsyncGenerator[MailerProcess]:
    """Runs the mailer until the context ends.

    Args:
        folder: its state.
        url: its database.
        settings: of its own, without prefix.
    """
    ensure_pki(folder=folder / "pki", services=["mailer_svc", "processor_svc"], trust_domain="tocsin.local", clock=SystemClock())
    port = free_port()
    own = {"DATABASE_URL": url, "PORT": str(port), **settings}
    async with service("mailer", folder=folder, settings=own) as pid:
        mesh = mesh_of("processor_svc", folder=folder, mailer_target=f"127.0.0.1:{port}")
        try:
            yield MailerProcess(rpc.DeliveryServiceStub(cast("Any", mesh.channel("mailer_svc"))), pid)
        finally:
            await mesh.stop()


async def batches(messages: list[pb.OutgoingMessage]) -> AsyncIterator[pb.DeliverRequest]:
    """The messages in requests of a processor's size."""
    for first in range(0, len(messages), BATCH):
        yield pb.DeliverRequest(messages=messages[first : first + BATCH])


def message(key: int, **fields: Any) -> pb.OutgoingMessage:
    """A short message; ``fields`` replace its own."""
    content = pb.InlineContent(subject="Stand-up", text="In five minutes.\n")
    values: dict[str, Any] = {"tenant": TENANT, "firing": f"f{key}", "lane": 2}
    return pb.OutgoingMessage(key=key, inline=content, **values | fields)
