"""The gRPC edge as a server: what listens, and what reflection shows of the contract."""

from collections.abc import Container, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool

from gateway.certificate import DoorCertificate
from gateway.edge import EdgeHandlers
from gateway.transcoding.contract import Contract
from tocsin.clock import Clock
from tocsin.config import ServiceSettings
from tocsin.mesh.policy import qualified
from tocsin.mesh.server import EdgeServer


class Edge:
    """The gRPC edge as a component of the service."""

    def __init__(
        self,
        *,
        contract: Contract,
        handlers: EdgeHandlers,
        settings: ServiceSettings,
        clock: Clock,
        certificate: DoorCertificate | None,
        options: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Makes the edge; nothing listens before `start`.

        Args:
            contract: what reflection shows the public part of.
            handlers: serve the RPCs.
            settings: where to listen, and bounds.
            clock: source of time for health.
            certificate: what is shown to clients; None: plain text.
            options: of gRPC's server, beside those of the settings.
        """
        self._handlers = handlers
        pools, services = public_pools(contract)
        self._server = EdgeServer(
            settings=settings,
            clock=clock,
            handlers=handlers.all,
            certificate=certificate.pem if certificate else None,
            reflected=services,
            pools=pools,
            options=options,
        )

    @property
    def port(self) -> int:
        """The port; real once started."""
        return self._server.port

    @property
    def address(self) -> str:
        """``host:port``; real once started."""
        return self._server.address

    async def start(self) -> None:
        """Listens.

        Raises:
            PortInUse: the port is taken.
        """
        self._handlers.resume()
        await self._server.start()

    async def replace(self, contract: Contract) -> None:
        """Serves what the handlers are now, and shows the public part of ``contract``; calls under way end as they began."""
        pools, services = public_pools(contract)
        await self._server.replace(handlers=self._handlers.all, reflected=services, pools=pools)

    async def wait(self) -> None:
        """Returns when the running server takes no more calls."""
        await self._server.wait()

    async def stop(self) -> None:
        """Reports NOT_SERVING, sends the streams elsewhere, and lets what is under way end."""
        self._server.drain()
        self._handlers.end_streams()
        await self._server.stop()


def public_pools(contract: Contract) -> tuple[list[descriptor_pool.DescriptorPool], list[str]]:
    """The contracts without internal RPCs, as reflection shows them, and the names of their services."""
    public = {(rpc.policy.service, rpc.policy.method) for rpc in contract.rpcs()}
    found = [_public_part(each.files, public) for each in (contract, *contract.mounted)]
    return [pool for pool, _ in found], [name for _, names in found for name in names]


def _public_part(
    files: descriptor_pb2.FileDescriptorSet, public: Container[tuple[str, str]]
) -> tuple[descriptor_pool.DescriptorPool, list[str]]:
    pool = descriptor_pool.DescriptorPool()
    services: list[str] = []
    for file in files.file:
        kept = descriptor_pb2.FileDescriptorProto()
        kept.CopyFrom(file)
        kept.ClearField("source_code_info")
        kept.ClearField("service")
        for service in file.service:
            name = qualified(file.package, service.name)
            methods = [method for method in service.method if (name, method.name) in public]
            if methods:
                services.append(name)
                kept.service.add(name=service.name, method=methods, options=service.options)
        pool.Add(kept)
    return pool, services
