"""What a handler is given for a call that came on a carrier: what grpc.aio gives for one that came by itself.

The peer and its certificate are those of the connection, which gRPC is asked for once a carrier and not once a call.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import grpc

from tocsin.mesh.carried import Pairs

_NUMBERS: Final[dict[object, int]] = {key: code.value[0] for code in grpc.StatusCode for key in (code, code.value[0])}
_UNKNOWN: Final = grpc.StatusCode.UNKNOWN.value[0]


class Header(NamedTuple):
    """A key with its value."""

    key: str
    value: str | bytes


class CarrierPeer(NamedTuple):
    """Who is at the other end of a carrier.

    Attributes:
        address: as gRPC writes it.
        auth_context: what its certificate says.
        identities: of the peer.
        identity_key: which property they are.
        headers: of the stream that are those of each call too.
    """

    address: str
    auth_context: Mapping[str, Iterable[bytes]]
    identities: Sequence[bytes] | None
    identity_key: str | None
    headers: tuple[Header, ...]


class CarriedContext:
    """The context of one call."""

    __slots__ = (
        *("_aborted", "_callbacks", "_code", "_deadline", "_details", "_done", "_loop", "_metadata", "_peer", "_trailing"),
        *("initial", "number"),
    )

    def __init__(
        self, *, number: int, peer: CarrierPeer, metadata: tuple[Header, ...], deadline: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        """For a call that begins.

        Args:
            number: of the call, on its carrier.
            peer: who calls.
            metadata: of the call.
            deadline: when its caller stops waiting, on the clock of ``loop``.
            loop: the event loop.
        """
        self.number = number
        self.initial: Pairs | None = None
        """What was sent before the answer; None as long as nothing was."""
        self._peer = peer
        self._metadata = metadata
        self._deadline = deadline
        self._loop = loop
        self._code: Any = None
        self._details = ""
        self._trailing: Any = ()
        self._aborted: grpc.aio.AbortError | None = None
        self._callbacks: list[Callable[[Any], object]] | None = None
        self._done = False

    @property
    def status(self) -> int:
        """The number of the code that the call ends with."""
        return 0 if self._code is None else _NUMBERS.get(self._code, _UNKNOWN)

    @property
    def aborted(self) -> bool:
        """Whether the handler has aborted the call."""
        return self._aborted is not None

    def ended(self) -> None:
        """The call is over: tells those who listen."""
        self._done = True
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - the call has ended, whatever its listeners do
                self._loop.call_exception_handler({"message": "a callback of a call failed", "exception": error})

    async def read(self) -> NoReturn:
        """Calls that ride have no streams.

        Raises:
            grpc.aio.UsageError: always.
        """
        raise grpc.aio.UsageError("This call has one request.")

    async def write(self, message: object) -> NoReturn:
        """Likewise."""
        del message
        raise grpc.aio.UsageError("This call has one answer.")

    async def send_initial_metadata(self, initial_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Sends metadata along with the answer, before it.

        Raises:
            grpc.aio.UsageError: it has been sent.
        """
        self._raise_for_end()
        if self.initial is not None:
            raise grpc.aio.UsageError("Send initial metadata failed: already sent")
        self.initial = tuple((key, value) for key, value in initial_metadata)

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """Ends the call with a status.

        Raises:
            grpc.aio.AbortError: always, for the handler to end by.
            grpc.aio.UsageError: it has been called before.
        """
        if self._aborted is not None:
            raise grpc.aio.UsageError("Abort already called!")
        self._aborted = error = grpc.aio.AbortError("Locally aborted.")
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        self._details = details or self._details
        self._code, self._done = code, True
        raise error

    async def abort_with_status(self, status: Any) -> NoReturn:
        """Likewise, with a status that has all of it."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Sets what is sent with the status."""
        self._trailing = tuple((key, value) for key, value in trailing_metadata)

    def trailing_metadata(self) -> Pairs:
        """What is sent with the status."""
        return self._trailing

    def invocation_metadata(self) -> tuple[Header, ...]:
        """What the caller sent along."""
        return self._metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        """Sets the code of a call that is not aborted."""
        self._code = code

    def code(self) -> Any:
        """As it was set; None while it was not."""
        return self._code

    def set_details(self, details: str) -> None:
        """Sets the words of the status."""
        self._details = details

    def details(self) -> str:
        """The words of the status."""
        return self._details

    def set_compression(self, compression: grpc.Compression) -> None:
        """Ignored: what is small is not compressed."""

    def disable_next_message_compression(self) -> None:
        """Likewise."""

    def peer(self) -> str:
        """Where the caller is, as gRPC writes it."""
        return self._peer.address

    def peer_identities(self) -> Sequence[bytes] | None:
        """Who the caller is, by its certificate."""
        return self._peer.identities

    def peer_identity_key(self) -> str | None:
        """Which property of the certificate says so."""
        return self._peer.identity_key

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What its certificate says."""
        return self._peer.auth_context

    def time_remaining(self) -> float:
        """Seconds until the caller stops waiting."""
        return max(0.0, self._deadline - self._loop.time())

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Calls ``callback`` with this context when the call is over."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def done(self) -> bool:
        """Whether it is over."""
        return self._done

    def cancelled(self) -> bool:
        """Whether its code says that it was cancelled."""
        return self._code is grpc.StatusCode.CANCELLED

    def _raise_for_end(self) -> None:
        if self._aborted is not None:
            raise self._aborted
        if self._done:
            raise grpc.aio.UsageError("RPC already finished.")


# Registered, not inherited: making an object of a class that was derived from abstract ones costs more.
grpc.aio.ServicerContext.register(CarriedContext)
