"""Watches that many follow and a service serves once: who asks the same of a method whose policy says ``shared`` follows one watch of it.

A watch keeps what it told last, and everybody who follows it has a place there: a follower costs no call and no queue. Whoever comes with
a resume token joins behind it where a watch still has it; else a watch of its own begins there, for all who come with that token. It ends
as soon as it tells what another watch has told, too, where its followers go on. Whoever reads so slowly that a watch has dropped what comes
next goes on by its token likewise. So nobody misses or hears twice what a watch of its own would have told, and nobody waits for long for
who is slow.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.ports import ServerStream, Stream
from gateway.transcoding.contract import Contract, Rpc
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import DeadlineExceeded, Internal, PermissionDenied, TocsinError, Unauthenticated, Unavailable
from tocsin.mesh.context import Call, current, enter
from tocsin.mesh.policy import RESUME_FIELD, MethodPolicy

KEPT_MESSAGES: Final = 256
"""What a watch keeps of what it told."""
_BYTES: Final = 256 * 1024
_AT_ONCE: Final = 50
"""Followers that are told before other calls have their turn."""
_PATIENCE_SECONDS: Final = 1.0
"""How long a watch waits once for who is slow, as long as others are not."""
_YOUNG: Final = 0.5
"""The share of its time in which a watch is joined: who follows it has the rest."""

_Key: TypeAlias = tuple[str, str, bytes]
"""Method, tenant, and the request without its token."""


class WatchOverrun(Unavailable):
    """The reader of this watch was too slow from its begin on; begin again."""


class _Told(NamedTuple):
    wire: bytes
    token: str


class SharedWatches:
    """The shared watches of one gateway."""

    def __init__(
        self, *, contract: Contract, call: Callable[[str], ServerStream], clock: Clock, timeout: Callable[[MethodPolicy], float]
    ) -> None:
        """Watches nothing yet.

        Args:
            contract: says which methods are shared.
            call: gives the caller of a watch of a service, by its path.
            clock: source of time.
            timeout: seconds that a watch may take by the policies that hold now.
        """
        self._timeout = timeout
        self._methods = {rpc.path: rpc for rpc in contract.rpcs() if rpc.policy.shared}
        self._call = call
        self._background = Background(clock)
        self._watches: dict[_Key, list[_SharedWatch]] = {}

    @property
    def open(self) -> int:
        """How many watches of services there are."""
        return sum(map(len, self._watches.values()))

    def caller(self, path: str) -> ServerStream | None:
        """What follows the watches of a method; None of one that is not shared."""
        rpc = self._methods.get(path)
        if rpc is None:
            return None
        method, alone = _Method(rpc, self._timeout), self._call(path)

        def follow(raw: bytes) -> Stream:
            call = current()
            asked = method.asked(raw)
            if asked is None or call is None or call.principal is None:
                return alone(raw)
            request, token = asked
            key = path, call.principal.tenant, request
            return _Follower(self, method, key=key, call=call, token=token)

        return follow

    def join(self, follower: "_Follower") -> None:
        """Gives a follower a place behind its token, or at the end of what is told."""
        watches = self._watches.setdefault(follower.key, [])
        for watch in reversed(watches):
            place = watch.place_after(follower.token) if follower.token else watch.end if watch.is_current else None
            if place is not None and follower.method.is_young(watch):
                follower.follow(watch, place)
                return
        watch = _SharedWatch(token=follower.token, begun=asyncio.get_running_loop().time(), opener=follower)
        watches.append(watch)
        follower.follow(watch, 0)
        watch.task = self._background.once("watch", partial(self._read, watch, follower.method, follower.key, follower.call))

    def leave(self, follower: "_Follower", watch: "_SharedWatch") -> None:
        """A follower is gone; a watch that nobody follows ends."""
        watch.followers.discard(follower)
        watch.moved_on.set()
        if not watch.followers and watch.task is not None and not watch.is_over:
            self._forget(follower.key, watch)
            watch.task.cancel()

    def _forget(self, key: _Key, watch: "_SharedWatch") -> None:
        watches = self._watches.get(key, [])
        if watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[key]

    async def _read(self, watch: "_SharedWatch", method: "_Method", key: _Key, call: Call) -> None:
        """Tells what a service tells, until it ends, or until another watch tells the same."""
        stream: Stream | None = None
        error: TocsinError | None = Unavailable()
        try:
            # The watch is for all who follow it: it has its whole time, whatever the first of them asked for.
            enter(Call(principal=call.principal, authorization=call.authorization, forwarded=call.forwarded))
            stream = self._call(key[0])(method.request(key[2], watch.token))
            async for wire in stream:
                told = _Told(wire, method.token(wire))
                if self._meets(watch, method, key, told.token):
                    return
                await watch.tell(told)
            error = None
        except TocsinError as found:
            error = found
        except Exception:
            error = Internal()
            raise
        finally:
            self._forget(key, watch)
            watch.end_with(error)
            if stream is not None:
                stream.cancel()

    def _meets(self, watch: "_SharedWatch", method: "_Method", key: _Key, token: str) -> bool:
        """Whether another watch has told this too, and everybody goes on there."""
        if not token or any(follower.place < watch.end for follower in watch.followers):
            return False
        for other in self._watches.get(key, ()):
            place = other.places.get(token)
            if other is not watch and place is not None and method.is_young(other):
                other.is_current = other.is_current or watch.is_current
                for follower in tuple(watch.followers):
                    watch.followers.discard(follower)
                    follower.follow(other, place)
                    follower.wake()
                return True
        return False


class _Method:
    """What is to be known of a method."""

    def __init__(self, rpc: Rpc, timeout: Callable[[MethodPolicy], float]) -> None:
        self.timeout = partial(timeout, rpc.policy)
        self._request: Any = message_factory.GetMessageClass(rpc.descriptor.input_type)
        self._response: Any = message_factory.GetMessageClass(rpc.descriptor.output_type)

    def asked(self, raw: bytes) -> tuple[bytes, str] | None:
        """A request without its token, equal bytes for equal ones, and the token; None of what is no request."""
        try:
            request = self._request.FromString(raw)
        except DecodeError:
            return None
        token = str(getattr(request, RESUME_FIELD))
        request.ClearField(RESUME_FIELD)
        return request.SerializeToString(deterministic=True), token

    def request(self, asked: bytes, token: str) -> bytes:
        """A request with a token."""
        request = self._request.FromString(asked)
        setattr(request, RESUME_FIELD, token)
        wire: bytes = request.SerializeToString()
        return wire

    def token(self, wire: bytes) -> str:
        """The token of an answer; empty of what is none, which whoever shows it will say."""
        try:
            return str(getattr(self._response.FromString(wire), RESUME_FIELD))
        except DecodeError:
            return ""

    def is_young(self, watch: "_SharedWatch") -> bool:
        """Whether a watch has enough of its time left to be joined."""
        return asyncio.get_running_loop().time() - watch.begun < self.timeout() * _YOUNG


class _SharedWatch:
    """One watch of a service: what it told last, and who follows it.

    Attributes:
        token: that it began behind; empty: it began when it was asked for.
        begun: when, in seconds of the event loop's clock.
        opener: the follower whose credential it was opened with.
        is_current: whether it tells what happens now, and not what has happened since a token.
        places: where what it still has stands, by token.
        is_over: it tells no more.
        error: why; None: it came to its end.
        moved_on: set when a follower takes something, or comes, or goes.
    """

    def __init__(self, *, token: str, begun: float, opener: "_Follower") -> None:
        self.token = token
        self.begun = begun
        self.opener = opener
        self.is_current = not token
        self.places: dict[str, int] = {}
        self.followers: set[_Follower] = set()
        self.task: asyncio.Task[None] | None = None
        self.is_over = False
        self.error: TocsinError | None = None
        self.moved_on = asyncio.Event()
        self._told: deque[_Told] = deque()
        self._first = 0
        self._size = 0

    @property
    def end(self) -> int:
        """The place of what it tells next."""
        return self._first + len(self._told)

    @property
    def latest(self) -> str:
        """The token of what it told last."""
        return self._told[-1].token if self._told else self.token

    def place_after(self, token: str) -> int | None:
        """The place behind a token; None where this watch no longer has it, or has not yet."""
        if (place := self.places.get(token)) is not None:
            return place + 1
        return 0 if token == self.token and not self._first else None

    def at(self, place: int) -> _Told | None:
        """What it told at a place before its end; None if it has dropped that."""
        return self._told[place - self._first] if place >= self._first else None

    async def tell(self, told: _Told) -> None:
        """Tells everybody, a few at a time, so that other calls go on meanwhile."""
        while self._told and (len(self._told) >= KEPT_MESSAGES or self._size + len(told.wire) > _BYTES):
            await self._wait_for_slow()
            self._drop()
        if told.token:
            self.places[told.token] = self.end
        self._told.append(told)
        self._size += len(told.wire)
        for number, follower in enumerate(tuple(self.followers), 1):
            follower.wake()
            if not number % _AT_ONCE:
                await asyncio.sleep(0)

    def end_with(self, error: TocsinError | None) -> None:
        """Ends it for whoever follows it still, behind all that was told."""
        self.is_over, self.error = True, error
        for follower in self.followers:
            follower.wake()

    async def _wait_for_slow(self) -> None:
        """Waits for followers that have not taken what is dropped next: for a moment, and as long as nobody has taken it."""
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while slow := [follower for follower in self.followers if follower.place <= self._first]:
            left = until - asyncio.get_running_loop().time()
            if len(slow) < len(self.followers) and (left <= 0 or all(follower.is_slow for follower in slow)):
                for follower in slow:
                    follower.is_slow = True
                return
            self.moved_on.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left, 0.1)):
                    await self.moved_on.wait()

    def _drop(self) -> None:
        dropped = self._told.popleft()
        if self.places.get(dropped.token) == self._first:
            del self.places[dropped.token]
        self._first += 1
        self._size -= len(dropped.wire)


class _Follower:
    """Who follows a watch; a `Stream`. It begins with the first read."""

    __slots__ = (
        "_again", "_error", "_is_over", "_shared", "_timer", "_waiting", "_watch",
        "call", "is_slow", "key", "method", "place", "token",
    )  # fmt: skip

    def __init__(self, shared: SharedWatches, method: _Method, *, key: _Key, call: Call, token: str) -> None:
        self.method = method
        self.key = key
        self.call = call
        self.token = token
        """Of what was taken last."""
        self.place = 0
        """Of what is taken next."""
        self.is_slow = False
        """Whether a watch has waited for it once; none does so again."""
        self._shared = shared
        self._watch: _SharedWatch | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: TocsinError | None = None
        self._again = True
        self._is_over = False

    def follow(self, watch: _SharedWatch, place: int) -> None:
        """Goes on with a watch, at a place."""
        self._watch, self.place = watch, place
        self.token = self.token or watch.latest
        watch.followers.add(self)
        watch.moved_on.set()

    def wake(self) -> None:
        """Looks whether there is something to take."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            if self._watch is None and not self._is_over:
                now = loop.time()
                end = now + self.method.timeout()
                self._timer = loop.call_at(end if self.call.deadline is None else min(end, self.call.deadline), self._expire)
                self._shared.join(self)
            while (told := self._take()) is None:
                self._waiting = loop.create_future()
                await self._waiting
        except BaseException:
            self.cancel()
            raise
        return told

    def cancel(self) -> bool:
        """Ends it; a read under way raises CancelledError."""
        if self._is_over:
            return False
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        if self._watch is not None:
            self._shared.leave(self, self._watch)
        return True

    def _expire(self) -> None:
        self._error = DeadlineExceeded()
        self.wake()

    def _take(self) -> bytes | None:
        """What is to be told next; None if that has not come yet."""
        while True:
            watch = self._watch
            if self._is_over or watch is None:
                raise asyncio.CancelledError
            if self._error is not None:
                raise self._error
            if self.place < watch.end:
                told = watch.at(self.place)
                if told is not None:
                    self.place += 1
                    self.token = told.token
                    watch.moved_on.set()
                    return told.wire
                if not self.token:
                    raise WatchOverrun(retry_after=1)
            elif not watch.is_over:
                return None
            elif watch.error is None:
                raise StopAsyncIteration
            elif not self._goes_on_after(watch, watch.error):
                raise watch.error.with_traceback(None)  # many raise it
            self._shared.leave(self, watch)
            self._shared.join(self)

    def _goes_on_after(self, watch: _SharedWatch, error: TocsinError) -> bool:
        """Whether the end of a watch is not its own: the watch was older than this, or opened with a credential that is another's."""
        if isinstance(error, DeadlineExceeded):
            return bool(self.token) and not self.method.is_young(watch)
        if not isinstance(error, Unauthenticated | PermissionDenied) or watch.opener is self or not self._again:
            return False
        self._again = False
        return bool(self.token) or not watch.end
