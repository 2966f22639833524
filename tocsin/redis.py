"""The shared Redis, and the events that replicas tell one another through it.

Redis is never the only copy of anything: each operation has a local fallback, and everything here works without a server. One that is
away at the start, or goes away later, is tried again in the background.
"""

import asyncio
import contextlib
import secrets
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tocsin.background import Background, end
from tocsin.clock import Clock
from tocsin.config import RedisSettings
from tocsin.errors import Unavailable
from tocsin.telemetry import get_logger
from tocsin.telemetry.distribution import Distribution, Series
from tocsin.telemetry.metrics import CountsCollector

_log = get_logger(__name__)

if TYPE_CHECKING:
    import redis.asyncio as redis_client
    from prometheus_client import CollectorRegistry

Answer = TypeVar("Answer")

NAMESPACE = "tocsin:"
"""Begins the name of every key and channel, so that a Redis may be shared with other systems."""

_EVENTS = f"{NAMESPACE}events:"
_ORIGIN_BYTES = 8
_RETRY_SECONDS = 1.0
_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_HEARTBEAT_SECONDS = 5.0
_OUTBOX = 1_000
_BACKLOG = 256


def _failures() -> tuple[type[Exception], ...]:
    """What a Redis that is away raises; see `Redis.connect` for why the library is not imported above."""
    from redis.exceptions import RedisError

    return RedisError, OSError  # TimeoutError is an OSError


class RedisUnavailable(Unavailable):
    """Redis is unavailable."""


class Redis:
    """The connection to Redis, as far as there is one; a component of an `App`."""

    def __init__(self, *, url: str | None, clock: Clock, timeout: float = 1.0, registry: "CollectorRegistry | None" = None) -> None:
        """Connects to nothing yet.

        Args:
            url: ``redis://host:port/db``; None: local fallbacks only.
            clock: paces the attempts to reach a Redis that is away.
            timeout: seconds to wait for a connection or an answer.
            registry: takes its metrics, if anybody looks at them.
        """
        self._url = url
        self._clock = clock
        self._timeout = timeout
        self._client: redis_client.Redis | None = None
        self._watcher = Background(clock)
        self._available = False
        self._answered, self._failed, self._seconds = 0, 0, Series(_BUCKETS)
        if registry is not None:
            self._export(registry)

    @classmethod
    def of(cls, settings: RedisSettings, *, clock: Clock, registry: "CollectorRegistry | None" = None) -> "Redis":
        """The Redis that the settings name."""
        url = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
        return cls(url=url, clock=clock, timeout=settings.redis_timeout_seconds, registry=registry)

    def _export(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Gauge

        available = Gauge("tocsin_redis_available", "1 while Redis answers, 0 while it is away or there is none.", registry=registry)
        available.set_function(lambda: self._available)
        text = "Operations on Redis by their end: answered, or failed, for which there is a fallback."
        counts = {"answered": lambda: self._answered, "failed": lambda: self._failed}
        registry.register(CountsCollector("tocsin_redis_operations", text, "end", counts))
        durations = Distribution(
            "tocsin_redis_seconds", "Time of an operation on Redis that was answered.", registry=registry, bounds=_BUCKETS
        )
        self._seconds = durations.series()

    @property
    def configured(self) -> bool:
        """Whether there is a Redis at all."""
        return self._url is not None

    @property
    def timeout(self) -> float:
        """Seconds that an answer may take."""
        return self._timeout

    @property
    def available(self) -> bool:
        """Whether it answered the last time somebody asked."""
        return self._available

    async def start(self) -> None:
        """Asks Redis once, and keeps asking in the background; one that is away is no error."""
        if self._url is None or self._client is not None:
            return
        self._client = self.connect()
        await self._ask()
        self._watcher.periodic("redis", _RETRY_SECONDS, self._ask, at_once=False, vital=False)

    async def stop(self) -> None:
        """Closes the connections; may be called twice."""
        client, self._client = self._client, None
        self._available = False
        await self._watcher.stop()
        if client is not None:
            await client.aclose()

    def connect(self) -> "redis_client.Redis":
        """A new client that fails at once instead of trying again: who calls it has a fallback.

        Raises:
            RedisUnavailable: no Redis is configured.
        """
        if self._url is None:
            raise RedisUnavailable("No Redis is configured.")
        # The library takes a tenth of a second to import: only who has a Redis pays for it.
        import redis.asyncio as redis_client
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return redis_client.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  its keyword arguments are untyped
            self._url, socket_timeout=self._timeout, socket_connect_timeout=self._timeout, retry=Retry(NoBackoff(), 0)
        )

    async def check(self) -> None:
        """Asks Redis for an answer; returns at once when none is configured, because then nothing is missing.

        Raises:
            RedisUnavailable: it gave none in time.
        """
        if self.configured and not await self._ask():
            raise RedisUnavailable(retry_after=_RETRY_SECONDS)

    async def memory(self) -> int:
        """The bytes that Redis uses; 0 when there is none, or it is away."""

        async def ask(client: "redis_client.Redis") -> int:
            answer: Any = await client.info("memory")  # pyright: ignore[reportUnknownMemberType]  untyped
            return int(answer["used_memory"])

        return await self.attempt(ask, lambda: 0)

    async def attempt(self, operation: "Callable[[redis_client.Redis], Awaitable[Answer]]", fallback: Callable[[], Answer]) -> Answer:
        """The answer of ``operation``, or of ``fallback`` when Redis is away; while it is known to be away, nobody waits for it."""

        async def timed(client: "redis_client.Redis") -> Answer:
            async with asyncio.timeout(self._timeout):
                return await operation(client)

        return await self.attempt_untimed(timed, fallback)

    async def attempt_untimed(
        self, operation: "Callable[[redis_client.Redis], Awaitable[Answer]]", fallback: Callable[[], Answer]
    ) -> Answer:
        """The same of an operation that ends by itself within `timeout` seconds or so, with the errors of the library."""
        client = self._client
        if client is None or not self._available:
            return fallback()
        begun = self._clock.monotonic()
        try:
            answer = await operation(client)
        except _failures() as error:
            self._failed += 1
            self._note(error)
            return fallback()
        self._answered += 1
        self._seconds.add(self._clock.monotonic() - begun)
        return answer

    async def _ask(self) -> bool:
        client = self._client
        if client is None:
            return False
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                await client.execute_command("PING")  # pyright: ignore[reportUnknownMemberType]  untyped
        except _failures() as error:
            self._failed += 1
            self._note(error)
        else:
            self._answered += 1
            self._seconds.add(self._clock.monotonic() - begun)
            self._note(None)
        return self._available

    def _note(self, error: Exception | None) -> None:
        """Remembers whether Redis works, and logs a change."""
        if error is None and not self._available:
            _log.info("redis available")
        elif error is not None and self._available:
            _log.warning("redis unavailable", error=str(error))
        self._available = error is None


class _Subscription:
    """One subscriber's events that it has not read yet; when they are too many, the oldest go."""

    __slots__ = ("_arrived", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=_BACKLOG)
        self._arrived = asyncio.Event()

    def offer(self, payload: bytes) -> None:
        self._waiting.append(payload)
        self._arrived.set()

    def tick(self) -> None:
        if not self._waiting:
            self.offer(b"")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class EventBus:
    """Wake-ups and live events by topic, to this process at once and to other replicas through Redis; a component of an `App`.

    An event is a hint, not a message: one can be lost while Redis is away or when a subscriber is slow. A subscriber therefore reads
    its store by a cursor whenever it wakes.
    """

    def __init__(self, *, redis: Redis, clock: Clock) -> None:
        """Connects to nothing yet; local delivery works at once.

        Args:
            redis: how to reach the other replicas.
            clock: paces polling, and the attempts to reach a Redis that is away.
        """
        self._redis = redis
        self._clock = clock
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        self._topics: defaultdict[str, list[_Subscription]] = defaultdict(list)
        self._topics_changed = asyncio.Event()
        self._outbox: deque[tuple[str, bytes]] = deque(maxlen=_OUTBOX)
        self._outbox_filled = asyncio.Event()
        self._link = Background(clock)

    async def start(self) -> None:
        """Begins to exchange events with other replicas, now or as soon as Redis is there."""
        if self._redis.configured and not self._link.running:
            self._link.supervised("events", self._keep_linked, vital=False)

    async def stop(self) -> None:
        """Ends the exchange; local delivery goes on. May be called twice."""
        await self._link.stop()

    async def publish(self, topic: str, payload: bytes = b"") -> None:
        """Like `tell`, where something to await is wanted."""
        self.tell(topic, payload)

    def tell(self, topic: str, payload: bytes = b"") -> None:
        """Tells everybody who has subscribed to ``topic``. Never waits for Redis or a subscriber, and never fails."""
        self._deliver(topic, payload)
        if self._link.running:
            self._outbox.append((topic, payload))
            self._outbox_filled.set()

    def subscribe(self, topic: str, *, poll_seconds: float | None = None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The events of ``topic`` from the moment the context is entered, as an iterator that does not end.

        Args:
            topic: any text.
            poll_seconds: also yields ``b""`` when that long has passed, so that a lost event costs no more than this.
        """
        return self._subscribed(topic, poll_seconds)

    @asynccontextmanager
    async def _subscribed(self, topic: str, poll_seconds: float | None) -> AsyncGenerator[AsyncIterator[bytes]]:
        subscription = _Subscription()
        self._topics[topic].append(subscription)
        self._topics_changed.set()
        ticker = None if poll_seconds is None else asyncio.create_task(self._tick(subscription, poll_seconds))
        try:
            yield subscription
        finally:
            self._topics[topic].remove(subscription)
            if not self._topics[topic]:
                del self._topics[topic]
                self._topics_changed.set()
            await end(ticker)

    async def _tick(self, subscription: _Subscription, seconds: float) -> None:
        while True:
            await self._clock.sleep(seconds)
            subscription.tick()

    def _deliver(self, topic: str, payload: bytes) -> None:
        for subscription in self._topics.get(topic, ()):
            subscription.offer(payload)

    async def _keep_linked(self) -> None:
        while True:
            try:
                await self._exchange()
            except _failures() as error:
                _log.debug("event connection lost", error=str(error))
            await self._clock.sleep(_RETRY_SECONDS)

    async def _exchange(self) -> None:
        """Sends and receives until the connection breaks."""
        async with contextlib.aclosing(self._redis.connect()) as client, _pubsub(client) as channels:
            await channels.subscribe(_EVENTS)  # one that is always there: without any, nothing can be awaited
            self._topics_changed.set()
            tasks = [asyncio.create_task(part) for part in (self._follow(channels), self._receive(channels), self._send(client))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(*tasks)
            for task in done:
                task.result()

    async def _follow(self, channels: Any) -> None:
        """Keeps the subscriptions in Redis equal to the local ones."""
        followed = set[str]()
        while True:
            await self._topics_changed.wait()
            self._topics_changed.clear()
            wanted = set(self._topics)
            if new := wanted - followed:
                await channels.subscribe(*(_EVENTS + topic for topic in new))
            if old := followed - wanted:
                await channels.unsubscribe(*(_EVENTS + topic for topic in old))
            followed = wanted

    async def _receive(self, channels: Any) -> None:
        silent = 0
        while True:
            message = await channels.get_message(timeout=_HEARTBEAT_SECONDS)
            silent = silent + 1 if message is None else 0
            if silent > 1:
                msg = "Redis stopped answering"
                raise TimeoutError(msg)
            if message is None:
                await channels.ping()
            elif message["type"] == "message":
                self._accept(message["channel"], message["data"])

    def _accept(self, channel: bytes, data: bytes) -> None:
        """Delivers what another replica published; our own events were delivered before they left."""
        if not data.startswith(self._origin):
            self._deliver(channel.decode(errors="replace").removeprefix(_EVENTS), data[_ORIGIN_BYTES:])

    async def _send(self, client: "redis_client.Redis") -> None:
        while True:
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            batch = list(self._outbox)
            self._outbox.clear()
            if batch:
                pipeline: Any = client.pipeline(transaction=False)
                for topic, payload in batch:
                    pipeline.publish(_EVENTS + topic, self._origin + payload)
                await pipeline.execute()


def _pubsub(client: "redis_client.Redis") -> Any:
    """The library's pub/sub object, most of which it leaves untyped."""
    return client.pubsub()  # pyright: ignore[reportUnknownMemberType]  see above
