"""Redis Streams (https://redis.io/docs/latest/develop/data-types/streams/)."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, TypeAlias

import redis.asyncio as redis_client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor_svc.brokers.messages import CONFIRM_SECONDS, BrokerAway, BrokerMessage, MessageRefused, SourceMessage
from processor_svc.brokers.spec import REDIS, BrokerAddress, BrokerSpec, SourceSpec, place_of
from processor_svc.brokers.tls import tls_arguments
from tocsin.database import GroupCommit
from tocsin.errors import Unavailable

_BODY, _ID, _TYPE = b"body", b"id", b"content-type"
_BLOCK_MILLISECONDS: Final = 1_000
_FORGOTTEN_MILLISECONDS: Final = 86_400_000
_MOST_DEAD: Final = 10_000
_ROUNDS: Final = 3
"""So often is something new looked for before what others left behind."""
_PIPELINE: Final = 200
_LOST: Final = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OSError)
_PASSING: Final = (
    "OOM ",
    "READONLY ",
    "LOADING ",
    "MASTERDOWN ",
    "CLUSTERDOWN ",
    "TRYAGAIN ",
    "NOREPLICAS ",
    "MISCONF ",
    "NOAUTH ",
    "WRONGPASS ",
)
"""How answers begin that say something of the server, and nothing of the message."""
_Entry: TypeAlias = tuple[bytes, Mapping[bytes, bytes] | None]
_ENTRY_ID: Final = re.compile(r"([0-9]{1,19})-[0-9]{1,20}")


def _client(address: BrokerAddress, *, source: bool, seconds: float) -> Any:
    """One connection, which fails at once instead of trying again."""
    return redis_client.Redis(
        host=address.host,
        port=address.port,
        db=int(place_of(address, source=source) or 0),
        username=address.username or None,
        password=address.password or None,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        max_connections=2,
        retry=Retry(NoBackoff(), 0),
        **tls_arguments(address),  # pyright: ignore[reportArgumentType]  the names that it has, and nothing else
    )


def _away(error: Exception) -> BrokerAway:
    return BrokerAway(f"Redis: {error}"[:500])


class RedisPublisher:
    """Adds entries to streams: what comes at the same time goes in one pipeline."""

    kind: ClassVar[str] = REDIS

    def __init__(self, spec: BrokerSpec) -> None:
        self._most = spec.max_entries
        self._client = _client(spec.address, source=False, seconds=CONFIRM_SECONDS)
        self._calls = GroupCommit[BrokerMessage, str](flush=self._add, max_batch=_PIPELINE)

    async def open(self) -> None:
        """Asks for an answer."""
        await self._calls.start()
        try:
            await self._client.execute_command("PING")
        except (RedisError, OSError) as error:
            raise _away(error) from None

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Adds an entry; its id."""
        try:
            return {"id": await self._calls.submit(message)}
        except Unavailable as error:
            raise BrokerAway(error.message) from None

    async def close(self) -> None:
        """Closes the connection."""
        await self._calls.stop()
        await self._client.aclose()

    async def _add(self, batch: Sequence[BrokerMessage]) -> Sequence[str | Exception]:
        pipeline = self._client.pipeline(transaction=False)
        for message in batch:
            pipeline.xadd(message.to, _fields(message), maxlen=self._most, approximate=True)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            return [_away(error)] * len(batch)
        return [_answer(answer) for answer in answers]


def _fields(message: BrokerMessage) -> dict[bytes | str, bytes | str]:
    return {_ID: message.id, _TYPE: message.content_type, **message.headers, _BODY: message.body}


def _answer(answer: Any) -> str | Exception:
    if not isinstance(answer, Exception):
        return bytes(answer).decode()
    if isinstance(answer, _LOST) or f"{answer} ".startswith(_PASSING):
        return _away(answer)
    return MessageRefused("REFUSED_BY_BROKER", f"Redis: {answer}"[:500], retryable=True)


class RedisSource:
    """Reads a stream as one consumer of a group. What a consumer that died had not done comes to another one later."""

    def __init__(self, spec: SourceSpec, *, consumer: str) -> None:
        """``consumer`` is the name of this process in the group."""
        self._spec = spec
        self._consumer = consumer
        self._client = _client(spec.address, source=True, seconds=CONFIRM_SECONDS)
        self._own = True
        self._quiet = 0

    async def open(self) -> None:
        """Makes the group, and the stream if need be: from its first entry on."""
        with _answering():
            try:
                await self._client.xgroup_create(self._spec.queue, self._spec.group, id="0", mkstream=True)
            except ResponseError as error:
                if not f"{error}".startswith("BUSYGROUP"):
                    raise
        self._own = True

    async def take(self, most: int) -> Sequence[SourceMessage]:
        """What this consumer was given and has not done, then what others left behind, then what is new."""
        with _answering():
            entries = await self._next(most)
            if gone := [entry for entry, fields in entries if not fields]:  # trimmed while it was pending: nothing is left of it
                await self._client.xack(self._spec.queue, self._spec.group, *gone)
        return [self._message(entry, fields) for entry, fields in entries if fields]

    async def _next(self, most: int) -> Sequence[_Entry]:
        if self._own:
            if entries := await self._read("0", most):
                return entries
            self._own = False
        if self._quiet <= 0:
            self._quiet = _ROUNDS
            if entries := await self._left_behind(most):
                self._quiet = 0
                return entries
            await self._forget_consumers()
        entries = await self._read(">", most)
        self._quiet -= 1
        return entries

    async def _read(self, since: str, most: int) -> Sequence[_Entry]:
        spec = self._spec
        answer = await self._client.xreadgroup(spec.group, self._consumer, {spec.queue: since}, count=most, block=_BLOCK_MILLISECONDS)
        return answer[0][1] if answer else []

    async def _left_behind(self, most: int) -> Sequence[_Entry]:
        spec, idle = self._spec, self._spec.claim_seconds * 1000
        answer = await self._client.xautoclaim(spec.queue, spec.group, self._consumer, min_idle_time=idle, start_id="0-0", count=most)
        return [(entry, fields) for entry, fields in answer[1] if entry is not None]

    async def _forget_consumers(self) -> None:
        """Consumers are named anew at each start; those that are long gone, and left nothing, go."""
        spec = self._spec
        for consumer in await self._client.xinfo_consumers(spec.queue, spec.group):
            if not consumer["pending"] and consumer["idle"] > _FORGOTTEN_MILLISECONDS:
                await self._client.xgroup_delconsumer(spec.queue, spec.group, consumer["name"])

    def _message(self, entry: bytes, fields: Mapping[bytes, bytes]) -> SourceMessage:
        name = entry.decode()
        identity = fields.get(self._spec.identity.encode(), b"").decode("utf-8", "replace") if self._spec.identity else ""
        at = _ENTRY_ID.fullmatch(name)
        return SourceMessage(
            id=identity or name,
            body=fields.get(_BODY, fields),
            happened=int(at[1]) / 1000 if at else None,
            mark=(entry, fields),
        )

    async def done(self, messages: Sequence[SourceMessage]) -> None:
        """Acknowledges them."""
        if messages:
            with _answering():
                await self._client.xack(self._spec.queue, self._spec.group, *(message.mark[0] for message in messages))

    async def bury(self, message: SourceMessage, reason: str) -> bool:
        """Adds the fields as they came, and why, to the stream with ".dead" behind its name."""
        entry, fields = message.mark
        dead = {**fields, b"tocsin-reason": reason, b"tocsin-entry": entry}
        with _answering():
            try:
                await self._client.xadd(self._spec.dead, dead, maxlen=_MOST_DEAD, approximate=True)
            except ResponseError as error:
                if f"{error} ".startswith(_PASSING):
                    raise
                return False
        return True

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()


@contextmanager
def _answering() -> Generator[None]:
    """Whatever goes wrong is a broker that is away, or that an operator has to mend; a group that is gone is made at the next start."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise _away(error) from None
