"""What the gateway needs from the mesh."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

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

    async def exchange(self, secret: str, address: str) -> str:
        """The access token that stands for an API key.

        Raises:
            Unauthenticated: there is no such key.
            Unavailable: it cannot be known now.
        """
        ...


class IssuedTokens(Protocol):
    """What auth_svc answers to a sign-in (its TokenResponse)."""

    @property
    def refresh_token(self) -> str:
        """Stands for the session until it is turned into one of a browser."""
        ...

    @property
    def device_token(self) -> str:
        """By which the browser is known at its next sign-in; empty if it has one."""
        ...


class BegunPasskey(Protocol):
    """What a browser asks a passkey by (auth_svc's BeginPasskeyResponse)."""

    @property
    def challenge(self) -> str:
        """What goes along with the answer."""
        ...

    @property
    def options(self) -> str:
        """PublicKeyCredentialRequestOptionsJSON (WebAuthn, 5.5)."""
        ...


class OpenedSession(NamedTuple):
    """A session of a browser: the secret of its cookie, and when it ends at the latest."""

    secret: str
    ends: datetime


class SessionExchange(Protocol):
    """Turns the secrets of browsers' sessions into tokens."""

    async def exchange_session(self, secret: str, held: str) -> str:
        """The access token that stands for a secret.

        Args:
            secret: of the cookie.
            held: the token of an earlier answer, which is given back while it is good; or empty.

        Raises:
            Unauthenticated: the session has ended, or there is none.
            Unavailable: it cannot be known now.
        """
        ...


class SessionKeeper(Protocol):
    """Signs people in, and has the sessions of browsers. Raises the classes of `tocsin.errors`."""

    async def sign_in(self, fields: Mapping[str, object]) -> IssuedTokens:
        """Signs in by the fields of IssueTokenRequest, as JSON names them.

        Raises:
            InvalidInput: a field is unknown, or its value is not of its type.
            Unauthenticated: what was shown is wrong, or not enough.
        """
        ...

    async def begin_passkey(self, challenge: str, device: str) -> BegunPasskey:
        """What a browser asks a passkey by.

        Args:
            challenge: of a sign-in whose password was right; empty for a sign-in by a passkey alone.
            device: the device token of the browser; or empty.
        """
        ...

    async def sign_in_by_link(self, token: str) -> IssuedTokens:
        """Signs in by a one-time link."""
        ...

    async def open_session(self, refresh_token: str) -> OpenedSession:
        """Turns the session of a refresh token into one of a browser."""
        ...

    async def close_session(self, secret: str) -> str:
        """Ends the session of a secret, if there is one; where the browser signs out at the issuer whose word began it, or empty."""
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


class BegunOidc(NamedTuple):
    """Where a browser goes to sign in, and the secret that it keeps meanwhile."""

    url: str
    binding: str


class OidcReturn(NamedTuple):
    """What a browser brought back from an issuer; ``issuer`` is None if it did not say who it is. ``binding`` is the browser's secret."""

    state: str
    code: str
    issuer: str | None
    error: str
    binding: str


class CompletedOidc(NamedTuple):
    """Somebody is signed in by an issuer, and wants to go to a path of this gateway."""

    tokens: IssuedTokens
    return_to: str


class SignInProviders(Protocol):
    """Signs people in by the word of others. Raises the classes of `tocsin.errors`."""

    async def listed(self) -> Sequence[tuple[str, str]]:
        """The id and the name of each provider that the sign-in page shows."""
        ...

    async def begin(self, provider: str, *, return_to: str, origin: str, binding: str) -> BegunOidc:
        """Begins a sign-in.

        Args:
            provider: its id.
            return_to: path to go to then.
            origin: of this gateway on the browser's own machine; empty: as the installation knows its URL.
            binding: secret that the browser has of an earlier one; empty: none.
        """
        ...

    async def complete(self, back: OidcReturn, *, device: str) -> CompletedOidc:
        """Ends a sign-in."""
        ...

    async def log_out(self, provider: str, token: str) -> Sequence[str]:
        """Ends the sessions that a logout token names, which came to the address of ``provider``; their ids."""
        ...
