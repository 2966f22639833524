"""The brokers that actions name: one connection to each, opened when it is needed, behind a circuit breaker."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from processor_svc.brokers.kinds import publisher_of
from processor_svc.brokers.messages import CONFIRM_SECONDS, BrokerAway, BrokerMessage, MessageRefused, Publisher
from processor_svc.brokers.spec import BrokerSpec
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.mesh.breaker import Breaker, failing_on

_SILENT: Final = "it did not answer in time"
_CLASSIFY: Final = failing_on(BrokerAway)


class _BrokerConnection:
    """The connection to one broker; one that failed is closed, and the next message opens another."""

    def __init__(self, *, spec: BrokerSpec, background: Background, make: Callable[[BrokerSpec], Publisher]) -> None:
        self._spec = spec
        self._background = background
        self._make = make
        self._opening: asyncio.Task[Publisher] | None = None

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Sends it; raises what `Publisher.send` does."""
        opening = self._opening
        if opening is None:
            # Outside of any call: the tasks that a library begins live as long as the connection.
            opening = self._opening = self._background.once("broker", self._open)
        try:
            publisher = await asyncio.shield(opening)
            async with asyncio.timeout(CONFIRM_SECONDS + 1):
                return await publisher.send(message)
        except MessageRefused:
            raise
        except TimeoutError:
            self._drop(opening)
            raise BrokerAway(_SILENT) from None
        except Exception:
            self._drop(opening)
            raise

    async def _open(self) -> Publisher:
        publisher = self._make(self._spec)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await publisher.open()
        except OSError as error:  # TimeoutError is one, and a file of certificates that is not there
            await publisher.close()
            raise BrokerAway(error.strerror or _SILENT) from None
        except BaseException:
            await publisher.close()
            raise
        return publisher

    def _drop(self, opening: "asyncio.Task[Publisher]") -> None:
        """Closes the connection once, whoever finds first that it is of no use."""
        if self._opening is opening:
            self._opening = None
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                self._background.once("broker closing", opening.result().close)

    async def close(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None:
            await opening.result().close()


class Brokers:
    """All of them; a component."""

    def __init__(
        self,
        specs: Mapping[str, BrokerSpec],
        *,
        clock: Clock,
        breaker: Callable[[str], Breaker],
        make: Callable[[BrokerSpec], Publisher] = publisher_of,
    ) -> None:
        """Connects to nothing yet.

        Args:
            specs: by name.
            clock: paces what lives longer than a call.
            breaker: gives that of a broker, by its name.
            make: gives the connection to one.
        """
        self.specs = specs
        self._background = Background(clock)
        self._breakers = {name: breaker(name) for name in specs}
        self._connections = {name: _BrokerConnection(spec=spec, background=self._background, make=make) for name, spec in specs.items()}

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Closes the connections."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))
        await self._background.stop(grace_seconds=1.0)

    async def send(self, broker: str, message: BrokerMessage) -> Mapping[str, Any]:
        """Sends a message to a broker; where it is, once that is confirmed.

        Raises:
            BrokerAway: no confirmation came; it may be sent again.
            CircuitOpen: the broker was away so often that it is left alone for a while.
            MessageRefused: the broker does not take it.
        """
        async with self._breakers[broker].guard(_CLASSIFY, timeout=2 * CONFIRM_SECONDS + 1):
            return await self._connections[broker].send(message)
