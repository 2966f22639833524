"""Streams end with their credential: a watch may last for an hour, its token for minutes, and its API key until somebody revokes it."""

import asyncio
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, cast

from gateway.credentials import SESSIONS, Authenticator, TokenSessionEnded
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.tokens import Principal, ScopeMissing

_SECONDS: Final = 1.0
_AT_ONCE: Final = 50
"""Credentials that are asked about at a time."""


@dataclass(slots=True, eq=False)
class _HeldStream:
    """A stream under way: its task, the scope that it needs, the error that ends it, and what was cancelling the task before."""

    task: "asyncio.Task[object]"
    scope: str
    cancelling: int
    error: TocsinError | None = None


@dataclass(slots=True, eq=False)
class _Credential:
    """A credential that streams hold, and when it is to be asked about, in seconds of the monotonic clock."""

    authorization: bytes
    due: float
    session: str
    subject: str
    streams: set[_HeldStream] = field(default_factory=set[_HeldStream])


class CredentialWatch:
    """Looks every second for credentials of streams that have ended; a component. A stream costs it nothing while it runs."""

    def __init__(self, *, authenticator: Authenticator, clock: Clock) -> None:
        """Watches nothing yet.

        Args:
            authenticator: says for how long a credential is good.
            clock: source of time.
        """
        self._authenticator = authenticator
        self._clock = clock
        self._held: dict[bytes, _Credential] = {}
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._background.running:
            self._background.periodic("stream-credentials", _SECONDS, self.check, at_once=False)

    async def stop(self) -> None:
        """Ends the looking; the streams go on."""
        await self._background.stop()

    @contextmanager
    def hold(self, authorization: bytes, principal: Principal, *, scope: str = "") -> Generator[None]:
        """Bounds a stream of the current task by its credential.

        Args:
            authorization: the header's value.
            principal: whom it speaks for.
            scope: what the credential has to carry as long as the stream lasts; empty: nothing.

        Raises:
            TokenExpired: the token ended meanwhile.
            KeyRefused: the API key was revoked meanwhile.
            ScopeMissing: the API key has lost the scope, with a role for one.
            TocsinError: the credential has not been good for long, for another reason.
        """
        task = cast("asyncio.Task[object]", asyncio.current_task())
        credential = self._held.get(authorization)
        if credential is None:
            due = self._clock.monotonic() + self._authenticator.good_for(authorization, principal)
            credential = self._held[authorization] = _Credential(authorization, due, principal.session, principal.subject)
        stream = _HeldStream(task, scope, task.cancelling())
        credential.streams.add(stream)
        try:
            yield
        except asyncio.CancelledError:
            # As asyncio.timeout does: whoever else cancelled the task means it.
            if stream.error is not None and task.uncancel() <= stream.cancelling:
                raise stream.error from None
            raise
        finally:
            credential.streams.discard(stream)
            if not credential.streams and self._held.get(authorization) is credential:
                del self._held[authorization]

    def end(self, ended: Collection[str]) -> None:
        """Ends the streams of "sessions/…" that have ended, and of nobody else; about "apiKeys/…" auth_svc is asked within a second."""
        for credential in self._held.values():
            if credential.session and f"{SESSIONS}{credential.session}" in ended:
                _end(credential.streams, TokenSessionEnded())
            elif credential.subject in ended:
                credential.due = self._clock.monotonic()

    def look_at(self, changed: Collection[str]) -> None:
        """Asks about "sessions/…" and "apiKeys/…" within a second, and ends the streams for which they are not good any more."""
        for credential in self._held.values():
            if (f"{SESSIONS}{credential.session}" if credential.session else credential.subject) in changed:
                credential.due = self._clock.monotonic()

    async def check(self) -> None:
        """Ends the streams whose credentials have ended."""
        now = self._clock.monotonic()
        due = [credential for credential in self._held.values() if credential.due <= now]
        for start in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*map(self._ask, due[start : start + _AT_ONCE]))
            report_progress()

    async def _ask(self, credential: _Credential) -> None:
        try:
            principal = await self._authenticator.authenticate(credential.authorization)
        except TocsinError as error:
            _end(credential.streams, error)
        else:
            for stream in [each for each in credential.streams if each.scope and each.scope not in principal.scopes]:
                _end([stream], ScopeMissing.of(stream.scope))
            credential.due = self._clock.monotonic() + self._authenticator.good_for(credential.authorization, principal)


def _end(streams: Iterable[_HeldStream], error: TocsinError) -> None:
    for stream in streams:
        if stream.error is None:
            stream.error = error
            stream.task.cancel()
