"""The streams of answers that a door has open, all of which end when it stops."""

import asyncio
from collections.abc import AsyncGenerator

from gateway.ports import Stream
from tocsin.errors import Unavailable


class GatewayStopping(Unavailable):
    """This gateway is stopping; reconnect to another one."""


class OpenStreams:
    """Knows every stream of one door."""

    def __init__(self) -> None:
        self._open: set[Stream] = set()
        self.ended = False
        """Whether the door is stopping."""

    def end(self) -> None:
        """Ends every stream, so that its client goes elsewhere; no new one begins."""
        self.ended = True
        for stream in tuple(self._open):
            stream.cancel()

    def resume(self) -> None:
        """Takes streams again after `end`."""
        self.ended = False

    async def through(self, stream: Stream) -> AsyncGenerator[bytes]:
        """The answers of ``stream``, which is cancelled when nobody reads on.

        Raises:
            GatewayStopping: the door stops.
        """
        if self.ended:
            stream.cancel()
            raise GatewayStopping(retry_after=1)
        self._open.add(stream)
        try:
            async for message in stream:
                yield message
        except asyncio.CancelledError:
            if self.ended:
                raise GatewayStopping(retry_after=1) from None
            raise
        finally:
            self._open.discard(stream)
            stream.cancel()
