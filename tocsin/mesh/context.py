"""What a handler may know about the call that it serves, and what its own calls inherit.

One contextvar holds it all. A task inherits the context of its maker: work that outlives the request runs inside `detached`.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.errors import Unauthenticated
from tocsin.mesh.principal import Principal

TENANT: Final = "x-tocsin-tenant"
"""Header of a call that a service makes for a tenant; it counts only from a delegate of the method, by its certificate."""
CLIENT_ADDRESS: Final = "x-tocsin-client-address"
"""Header of a call that the door passes on: where it came from. It counts only from the door, by its certificate."""
USER_AGENT: Final = "x-tocsin-user-agent"
"""As `CLIENT_ADDRESS`: what the client calls itself."""
LONGEST_USER_AGENT: Final = 200
LONGEST_ADDRESS: Final = 64

_SHOWN: Final = bytes(byte if 0x20 <= byte < 0x7F else 0x3F for byte in range(256))


class CallOrigin(NamedTuple):
    """Where a call came from, outside of the mesh; texts are empty when it is not known.

    Attributes:
        address: IP address.
        user_agent: what the client calls itself, in printable ASCII.
    """

    address: str = ""
    user_agent: str = ""


UNKNOWN_ORIGIN: Final = CallOrigin()


@dataclass(slots=True, eq=False)
class CallNote:
    """What the audit log is told of a call besides its method and its principal; empty texts say nothing.

    Attributes:
        tenant: whose call it is, where no token says it.
        subject: who made it, where no token says it.
        session: id of the session.
        resource: name of the resource.
        request_id: identity of the request.
        detail: what else, in a word.
        count: messages that a stream brought.
    """

    tenant: str = ""
    subject: str = ""
    session: str = ""
    resource: str = ""
    request_id: str = ""
    detail: str = ""
    count: int = 0


@dataclass(slots=True, eq=False)
class StreamedBytes:
    """Bytes of the messages of a call's streams, as far as they have gone."""

    sent: int = 0
    received: int = 0


def user_agent(header: bytes) -> str:
    """What a client calls itself, in at most `LONGEST_USER_AGENT` characters that can be shown and sent on."""
    return header[:LONGEST_USER_AGENT].translate(_SHOWN).decode("ascii")


def _nobody() -> None:
    return None


def _unknown_origin() -> CallOrigin:
    return UNKNOWN_ORIGIN


class Call:
    """One call that is being served.

    Attributes:
        principal: whom the verified token speaks for.
        authorization: the header that the call's own calls carry.
        find_peer: names the service that called, by its certificate; asked only when somebody wants to know, for reading it costs.
        find_origin: tells where the call came from, outside of the mesh; asked only when somebody wants to know.
        forwarded: at the door: where the call came from, as its own calls say; None in a service.
        note: what the audit log is told; None for a call that leaves no entry.
        streamed: what its streams have carried so far; None for a call without streams.
        tenant: for whom the call's own calls are made when there is no token: see `acting_for`.
        deadline: when the caller stops waiting, in seconds of the event loop's clock. It is not the injected clock: the wire enforces
            deadlines in real time.
    """

    __slots__ = ("authorization", "deadline", "find_origin", "find_peer", "forwarded", "note", "principal", "streamed", "tenant")

    def __init__(
        self,
        *,
        principal: Principal | None = None,
        authorization: str | None = None,
        find_peer: Callable[[], str | None] = _nobody,
        find_origin: Callable[[], CallOrigin] = _unknown_origin,
        forwarded: CallOrigin | None = None,
        deadline: float | None = None,
    ) -> None:
        self.principal = principal
        self.authorization = authorization
        self.find_peer = find_peer
        self.find_origin = find_origin
        self.forwarded = forwarded
        self.deadline = deadline
        self.note: CallNote | None = None
        self.streamed: StreamedBytes | None = None
        self.tenant = ""

    @property
    def origin(self) -> CallOrigin:
        """Where the call came from, outside of the mesh."""
        return self.forwarded or self.find_origin()

    @property
    def client_address(self) -> str:
        """IP address of the client outside of the mesh; empty when it is not known, as in a call that a service makes by itself."""
        return self.origin.address

    @property
    def user_agent(self) -> str:
        """What that client calls itself, in printable ASCII of at most `LONGEST_USER_AGENT` characters; empty when it is not known."""
        return self.origin.user_agent


_current: ContextVar[Call | None] = ContextVar("tocsin_call", default=None)


def current() -> Call | None:
    """The call being served; None outside of one."""
    return _current.get()


def enter(call: Call) -> None:
    """Makes ``call`` the current one of this task, for good: every call is served by a task of its own."""
    _current.set(call)


def principal() -> Principal:
    """Whom the current call speaks for.

    Raises:
        Unauthenticated: no verified token came along.
    """
    call = _current.get()
    if call is None or call.principal is None:
        raise Unauthenticated
    return call.principal


def peer() -> str | None:
    """The service that called, as its certificate says; None outside of a call between services."""
    call = _current.get()
    return None if call is None else call.find_peer()


def remaining() -> float | None:
    """Seconds until the caller stops waiting, negative when that is past; None without a deadline."""
    call = _current.get()
    if call is None or call.deadline is None:
        return None
    return call.deadline - asyncio.get_running_loop().time()


def note() -> CallNote | None:
    """What the audit log will be told of the current call, for its handler to add to; None when nothing is."""
    call = _current.get()
    return None if call is None else call.note


@contextmanager
def acting_as(token: str | Principal) -> Generator[None]:
    """Calls inside of this block carry ``token``; the deadline stays. With a Principal, ``principal`` answers with it as well."""
    outer = _current.get()
    who = token if isinstance(token, Principal) else None
    text = token.token if isinstance(token, Principal) else token
    inner = Call(principal=who, authorization=f"Bearer {text}")
    if outer is not None:
        inner.deadline, inner.find_peer, inner.find_origin, inner.forwarded, inner.note, inner.streamed = (
            outer.deadline,
            outer.find_peer,
            outer.find_origin,
            outer.forwarded,
            outer.note,
            outer.streamed,
        )
    restore = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(restore)


@contextmanager
def acting_for(tenant: str) -> Generator[None]:
    """Calls inside of this block are made for ``tenant`` by the service itself, which is a delegate of their methods."""
    inner = Call()
    inner.tenant = tenant
    restore = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(restore)


@contextmanager
def detached() -> Generator[None]:
    """Calls inside of this block belong to the service itself: no user, and no deadline but the declared ones."""
    restore = _current.set(None)
    try:
        yield
    finally:
        _current.reset(restore)
