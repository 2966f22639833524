"""What a handler may know about the call that it serves, and what its own calls inherit.

One contextvar holds it all. A task inherits the context of its maker: work that outlives the request runs inside `detached`.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from tocsin.errors import Unauthenticated
from tocsin.mesh.tokens import Principal

TENANT: Final = "x-tocsin-tenant"
"""Header of a call that a service makes for a tenant; it counts only from a delegate of the method, by its certificate."""


def _nobody() -> None:
    return None


class Call:
    """One call that is being served.

    Attributes:
        principal: whom the verified token speaks for.
        authorization: the header that the call's own calls carry.
        find_peer: names the service that called, by its certificate; asked only when somebody wants to know, for reading it costs.
        tenant: for whom the call's own calls are made when there is no token: see `acting_for`.
        deadline: when the caller stops waiting, in seconds of the event loop's clock. It is not the injected clock: the wire enforces
            deadlines in real time.
    """

    __slots__ = ("authorization", "deadline", "find_peer", "principal", "tenant")

    def __init__(
        self,
        *,
        principal: Principal | None = None,
        authorization: str | None = None,
        find_peer: Callable[[], str | None] = _nobody,
        deadline: float | None = None,
    ) -> None:
        self.principal = principal
        self.authorization = authorization
        self.find_peer = find_peer
        self.deadline = deadline
        self.tenant = ""


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


@contextmanager
def acting_as(token: str | Principal) -> Generator[None]:
    """Calls inside of this block carry ``token``; the deadline stays. With a Principal, ``principal`` answers with it as well."""
    outer = _current.get()
    who = token if isinstance(token, Principal) else None
    text = token.token if isinstance(token, Principal) else token
    inner = Call(principal=who, authorization=f"Bearer {text}")
    if outer is not None:
        inner.deadline, inner.find_peer = outer.deadline, outer.find_peer
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
