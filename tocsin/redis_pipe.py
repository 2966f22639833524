"""Commands to Redis that cost half of what the library's own calls cost, for a path on which that is seen."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.database import GroupCommit
from tocsin.redis import Redis
from tocsin.telemetry import get_logger

if TYPE_CHECKING:
    import redis.asyncio as redis_client

_log = get_logger(__name__)

_GATHER_SECONDS: Final = 0.01

RedisCommand: TypeAlias = tuple[str | bytes | int, ...]


class RedisPipe:
    """Sends the commands of many callers on one connection, those together that come together; a component.

    What nobody waits for goes with the next command that somebody does, in a hundredth of a second at the latest.
    """

    def __init__(self, redis: Redis, *, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._batches = GroupCommit[Sequence[RedisCommand], Any](flush=self._flush)
        self._told: list[RedisCommand] = []
        self._later = Background(clock)
        self._connection: Any = None

    async def start(self) -> None:
        """Takes commands from now on."""
        await self._batches.start()

    async def stop(self) -> None:
        """Sends what waits, and takes no more; may be called twice."""
        await self._later.stop()
        if self._told:
            await self._send()
        await self._batches.stop()
        await self._redis.attempt(self._close, lambda: None)

    async def ask(self, *command: str | bytes | int) -> Any:
        """The answer to a command; None when Redis is away, or refuses it."""
        return await self._send(command) if self._redis.available else None

    def tell(self, *command: str | bytes | int) -> None:
        """The same for who does not wait."""
        if self._redis.available:
            if not self._told:
                self._later.once("redis commands", self._send_soon)
            self._told.append(command)

    async def _send_soon(self) -> None:
        await self._clock.sleep(_GATHER_SECONDS)
        if self._told:
            await self._send()

    async def _send(self, *asked: RedisCommand) -> Any:
        told, self._told = self._told, []
        return await self._batches.submit((*told, *asked))

    async def _flush(self, batch: Sequence[Sequence[RedisCommand]]) -> Sequence[Any]:
        """Sends batches of commands; the answer to the last one of each."""
        found = await self._redis.attempt(partial(self._exchange, batch), lambda: None)
        return [None] * len(batch) if found is None else found

    async def _exchange(self, batch: Sequence[Sequence[RedisCommand]], client: "redis_client.Redis") -> Sequence[Any]:
        if self._connection is None:
            self._connection = await client.connection_pool.get_connection()
        connection, answered = self._connection, False
        try:
            commands = [command for part in batch for command in part]
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            answers = [[await self._answer() for _ in part][-1] for part in batch]
            answered = True
        finally:
            if not answered:  # nobody knows which answer is the next
                await self._close(client)
        return answers

    async def _answer(self) -> Any:
        from redis.exceptions import ResponseError  # see `Redis.connect`

        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            _log.warning("redis refused a command", error=str(error))
            return None

    async def _close(self, client: "redis_client.Redis") -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await client.connection_pool.release(connection)
