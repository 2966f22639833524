"""The addresses of one service's replicas, and what its target says of them."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.errors import Unavailable
from tocsin.mesh.client.targets import TargetPart, canonical, dialled, fixed_endpoints, parts, resolved_name
from tocsin.mesh.labels import NO_LABELS, EndpointLabels

_NOBODY: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""A resolver's certain answer that a name has no address, unlike one that it could not ask."""


class NotResolved(Unavailable):
    """The address of the service cannot be resolved."""


class ServiceEndpoints:
    """Finds the endpoints of one target. Belongs to one event loop.

    Attributes:
        target: as it was given.
        dialled: what gRPC connects to for whichever endpoint.
        uri: of that, as metrics and spans name it.
        whole: whether `dialled` leads to every endpoint.
        fixed: the addresses, when they never change.
        labels: of each endpoint that is known.
        server_names: the names that their certificates must bear, where these are not those of the mesh.
    """

    def __init__(self, *, service: str, target: str) -> None:
        """Resolves nothing."""
        self._service = service
        self._parts: Sequence[TargetPart] = parts(target)
        self._found: list[Sequence[str]] = [() for _ in self._parts]
        self.target = target
        self.dialled = dialled(target)
        self.uri = canonical(self.dialled)
        self.fixed = fixed_endpoints(target)
        self.whole = len(self._parts) == 1 or self.dialled != self._parts[0].target
        self.labels: Mapping[str, EndpointLabels] = {}
        self.server_names: Mapping[str, str] = {}
        if self.fixed is not None:
            self._found = [fixed_endpoints(part.target) or () for part in self._parts]
            self._label()

    @property
    def zones(self) -> frozenset[str]:
        """What the target calls the zones of its endpoints."""
        return frozenset(part.labels.zone for part in self._parts) - {""}

    @property
    def versions(self) -> frozenset[str]:
        """What the target calls the versions of its endpoints."""
        return frozenset(part.labels.version for part in self._parts) - {""}

    def server_name(self, address: str) -> str:
        """The name that the certificate of an endpoint must bear, or that of whichever one; empty for its address."""
        return self.server_names.get(address) or resolved_name(self.dialled)

    async def resolve(self) -> list[str]:
        """The addresses, in order. Of a list, a name that cannot be resolved for the moment keeps the addresses that it had.

        Raises:
            NotResolved: no name has an address now.
        """
        if self.fixed is not None:
            return self.fixed
        answers = await asyncio.gather(*(_resolved(part.target) for part in self._parts), return_exceptions=True)
        failed: BaseException | None = None
        for number, answer in enumerate(answers):
            if not isinstance(answer, BaseException):
                self._found[number] = answer
            elif not isinstance(answer, OSError | ValueError):
                raise answer
            else:
                failed = answer
                if len(answers) == 1 or getattr(answer, "errno", None) in _NOBODY:
                    self._found[number] = ()
        found = {address for addresses in self._found for address in addresses}
        if not found and failed is not None:
            raise NotResolved(
                f"{self._service}: the target {self.target} cannot be resolved", metadata={"target": self._service}
            ) from failed
        self._label()
        return sorted(found)

    def _label(self) -> None:
        """An address that several parts name has the labels of all, the last one's first."""
        labels: dict[str, EndpointLabels] = {}
        names: dict[str, str] = {}
        for part, addresses in zip(self._parts, self._found, strict=True):
            name = resolved_name(part.target)
            for address in addresses:
                labels[address] = part.labels.over(labels.get(address, NO_LABELS))
                names[address] = name
        self.labels, self.server_names = labels, names


async def _resolved(target: str) -> list[str]:
    """The addresses of one target of gRPC.

    Raises:
        OSError, ValueError: it has none, or nobody can say now.
    """
    fixed = fixed_endpoints(target)
    if fixed is not None:
        return fixed
    host, _, port = target.removeprefix("dns:").rpartition("/")[2].rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return sorted(
        {f"[{address[0]}]:{address[1]}" if family is socket.AF_INET6 else f"{address[0]}:{address[1]}" for family, *_, address in found}
    )
