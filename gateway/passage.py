"""What passes between a caller at the door and a service outside of the mesh, beside the messages: chosen headers, both ways.

A contextvar holds it, for the call to the service is made deep inside of what serves the caller, and every protocol of the door makes it.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tocsin.mesh.context import current

Headers: TypeAlias = tuple[tuple[str, str | bytes], ...]

TENANT: Final = "x-tocsin-tenant"
SUBJECT: Final = "x-tocsin-subject"
SCOPES: Final = "x-tocsin-scopes"
"""Headers that name the caller to a service, whose token the gateway has verified. Nobody else can set them: no list may name them."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One call: what goes along, and who is told what comes back."""

    sent: Headers
    received: Callable[[Headers], None]


_passage: ContextVar[Passage | None] = ContextVar("gateway_passage", default=None)


def enter_passage(passage: Passage) -> None:
    """Calls of this task to services outside of the mesh carry what ``passage`` holds: every call is served by a task of its own."""
    _passage.set(passage)


def received(headers: Iterable[tuple[str, str | bytes]], allowed: frozenset[str]) -> None:
    """Tells whoever called what the service said beside its answer, as far as it is allowed."""
    passage = _passage.get()
    if passage is not None and allowed:
        passage.received(tuple((name, value) for name, value in headers if name in allowed and isinstance(value, str)))


def headers_of(identity: Literal["headers", "token", "none"], scopes: frozenset[str]) -> Callable[[], Headers]:
    """What gives the headers of a call to a service that is told of its caller in this way; of the scopes, ``scopes`` concern it."""

    def headers() -> Headers:
        passage, call = _passage.get(), current()
        sent = () if passage is None else passage.sent
        if call is None or call.principal is None or identity == "none":
            return sent
        if identity == "token":
            return sent if call.authorization is None else (*sent, ("authorization", call.authorization))
        who = call.principal
        return (*sent, (TENANT, who.tenant), (SUBJECT, who.subject), (SCOPES, " ".join(sorted(scopes & who.scopes))))

    return headers
