"""What the gateway needs from the mesh."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from gateway.domain import Circuit, ServiceView
from tocsin.mesh.tokens import Principal

Unary: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""One RPC: request bytes to answer bytes. Raises the classes of `tocsin.errors`."""


class Stream(Protocol):
    """The answers of one call, as they come. Raises the classes of `tocsin.errors`."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The stream itself."""
        ...

    async def __anext__(self) -> bytes:
        """The next answer."""
        ...

    def cancel(self) -> bool:
        """Ends the call; does nothing when it is over."""
        ...


ServerStream: TypeAlias = Callable[[bytes], Stream]
"""One RPC whose answers stream."""


ClientStream: TypeAlias = Callable[[AsyncIterator[bytes]], Awaitable[bytes]]
"""One RPC whose requests stream; an error of the iterator is raised."""

BothStreams: TypeAlias = Callable[[AsyncIterator[bytes]], Stream]
"""One RPC that streams both ways; an error of the iterator is raised by the stream."""


class Backend(Protocol):
    """Forwards calls, as the user of the current request, within its deadline."""

    def unary(self, path: str) -> Unary:
        """The caller of the unary RPC ``path``, "/package.Service/Method"."""
        ...

    def server_stream(self, path: str) -> ServerStream:
        """The caller of the RPC ``path`` whose answers stream."""
        ...

    def client_stream(self, path: str) -> ClientStream:
        """The caller of the RPC ``path`` whose requests stream."""
        ...

    def both_streams(self, path: str) -> BothStreams:
        """The caller of the RPC ``path`` that streams both ways."""
        ...


class Spooler(Protocol):
    """Takes on calls of one RPC whose service is away.

    A caller is a principal, or, without a token, an address.
    """

    def waiting(self, principal: Principal | None, address: str) -> bool:
        """Whether calls of the caller wait already: a new one must not overtake them."""
        ...

    def mark(self, request: bytes) -> bytes:
        """The request with an identity and a time of its own, so that calling twice is the same as once."""
        ...

    async def keep(self, request: bytes, principal: Principal | None, address: str) -> bytes:
        """Keeps a marked request for later; the answer that its caller gets now.

        Raises:
            InvalidInput: its service would refuse it.
            Unavailable: too many wait, in all or of the caller's.
        """
        ...


class KeyExchange(Protocol):
    """Turns API keys into tokens."""

    async def exchange(self, secret: str) -> str:
        """The access token that stands for an API key.

        Raises:
            Unauthenticated: there is no such key.
            Unavailable: it cannot be known now.
        """
        ...


class StreamTokenExchange(Protocol):
    """Turns stream tokens into access tokens."""

    async def exchange(self, token: str, path: str) -> str:
        """The access token that the stream at ``path`` is served with.

        Raises:
            Unauthenticated: the token is not valid, has ended, or is for another path.
            Unavailable: it cannot be known now.
        """
        ...


class StatusSource(Protocol):
    """Asks services how they are."""

    async def view(self, service: str) -> ServiceView:
        """What every replica of ``service`` says; one that does not answer is listed as unavailable. Never raises a TocsinError."""
        ...

    def circuits(self) -> Sequence[Circuit]:
        """The gateway's own circuit breakers."""
        ...
