"""What replicas tell one another about keys, in Redis: which are in use, and what those were answered with that are done."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.clock import Clock
from tocsin.redis import NAMESPACE, Redis
from tocsin.redis_pipe import RedisPipe

_FINGERPRINT_BYTES: Final = 32
_IN_USE: Final = b"u"
_DONE: Final = b"d"
_TOO_LARGE: Final = b"t"


class SharedKey(NamedTuple):
    """A key that another request has; ``answer`` is sealed, and None while it is in use and when it was too large to be kept."""

    in_use: bool
    fingerprint: bytes
    answer: bytes | None


class SharedKeys:
    """Keys in Redis; a component. While it is away, each gateway knows its own."""

    def __init__(self, redis: Redis, *, clock: Clock) -> None:
        self._pipe = RedisPipe(redis, clock=clock)

    async def start(self) -> None:
        """Begins."""
        await self._pipe.start()

    async def stop(self) -> None:
        """Says what is to be said, and ends; may be called twice."""
        await self._pipe.stop()

    async def claim(self, identity: bytes, fingerprint: bytes, *, seconds: float) -> SharedKey | None:
        """Takes a key for ``seconds`` by one atomic command; None if it is ours now, or nobody can say, else what is known of it."""
        raw = await self._pipe.ask("SET", _name(identity), _IN_USE + fingerprint, "NX", "GET", "PX", max(1, round(seconds * 1000)))
        if not isinstance(raw, bytes) or len(raw) <= _FINGERPRINT_BYTES:
            return None
        kind, said, answer = raw[:1], raw[1 : _FINGERPRINT_BYTES + 1], raw[_FINGERPRINT_BYTES + 1 :]
        return SharedKey(kind == _IN_USE, said, answer if kind == _DONE else None)

    def keep(self, identity: bytes, fingerprint: bytes, answer: bytes | None, *, seconds: int) -> None:
        """Says what a key was answered with, in a moment: until then it is in use for others."""
        self._pipe.tell("SET", _name(identity), (_TOO_LARGE if answer is None else _DONE) + fingerprint + (answer or b""), "EX", seconds)

    async def forget(self, ids: Sequence[bytes]) -> None:
        """Gives keys back."""
        if ids:
            await self._pipe.ask("UNLINK", *map(_name, ids))


def _name(identity: bytes) -> str:
    return f"{NAMESPACE}idempotency:{identity.hex()}"
