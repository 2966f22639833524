"""Open connections that wait for their next message."""

import asyncio

from mailer_svc.channels.smtp.connect import SmtpConnector
from mailer_svc.channels.smtp.replies import SmtpFailure
from mailer_svc.channels.smtp.session import SmtpSession
from tocsin.background import Background
from tocsin.clock import Clock


class SmtpPool:
    """Keeps idle sessions; the one used last is used next, so that the others can grow old and be closed."""

    def __init__(self, *, connector: SmtpConnector, clock: Clock, connections: int, idle_seconds: float, messages: int) -> None:
        """Connects to nothing yet.

        Args:
            connector: opens sessions.
            clock: tells how long a session was idle.
            connections: at most; fewer for a while where the server says that there are too many.
            idle_seconds: a session that was idle for so long is closed: servers would close it soon.
            messages: a session that carried so many messages is closed: servers limit them, and balancers like fresh connections.
        """
        self._connector = connector
        self._clock = clock
        self._connections = self._most = connections
        self._opening = 0
        self._waiting = 0
        self._changed = asyncio.Condition()
        self._idle_seconds = idle_seconds
        self._messages = messages
        self._idle: list[SmtpSession] = []
        self._busy: set[SmtpSession] = set()
        self._reaper = Background(clock)

    @property
    def size(self) -> int:
        """Open connections."""
        return len(self._idle) + len(self._busy)

    async def start(self) -> None:
        """Begins to close idle sessions."""
        await self._connector.prepare()
        if not self._reaper.running:
            self._reaper.periodic("smtp-pool", self._idle_seconds / 2, self._reap, at_once=False, vital=False)

    async def stop(self) -> None:
        """Says goodbye on idle sessions and drops busy ones."""
        await self._reaper.stop()
        for session in self._busy:
            session.abort()
        while self._idle:
            await self._idle.pop().quit()
        await self._connector.close()

    async def acquire(self, *, fresh: bool = False) -> SmtpSession:
        """A session of one's own; a new one if ``fresh`` or none is idle. Waits while there are as many as may be.

        Raises:
            SmtpFailure: no connection could be opened.
        """
        while True:
            session = None if fresh and self._has_room() else self._pop()
            if session is None and not self._has_room():
                await self._room()
                continue
            session = session or await self._open()
            if session is not None:
                self._busy.add(session)
                return session

    async def _room(self) -> None:
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._idle or self._has_room())
        finally:
            self._waiting -= 1

    async def _open(self) -> SmtpSession | None:
        """A new session; None if the server takes no more connections than there are, so that one of them has to do."""
        self._opening += 1
        try:
            return await self._connector.connect()
        except SmtpFailure as failure:
            others = self.size + self._opening - 1
            if not (failure.too_many_connections and others):
                raise
            self._most = others
            return None
        finally:
            self._opening -= 1
            await self._tell()

    def _has_room(self) -> bool:
        return self.size + self._opening < self._most

    async def _tell(self) -> None:
        if not self._waiting:
            return
        async with self._changed:
            self._changed.notify()

    def _pop(self) -> SmtpSession | None:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.abort()
        return None

    async def release(self, session: SmtpSession) -> None:
        """Gives a session back."""
        self._busy.discard(session)
        if not session.usable:
            session.abort()
        elif session.sent >= self._messages:
            await session.quit()
        else:
            session.idle_since = self._clock.monotonic()
            self._idle.append(session)
        await self._tell()

    async def _reap(self) -> None:
        if self._most < self._connections:
            self._most += 1
            await self._tell()
        limit = self._clock.monotonic() - self._idle_seconds
        old = [session for session in self._idle if session.idle_since <= limit or not session.usable]
        self._idle = [session for session in self._idle if session not in old]
        for session in old:
            await session.quit()
